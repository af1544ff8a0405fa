#!/usr/bin/env node
/**
 * The entry: hands the process to the command line and is the only place that turns errors into
 * text and exit codes. Nothing here may throw.
 */
import { fileURLToPath } from 'node:url'

import { AppError, describeError } from './base/errors.ts'
import { visibleLine } from './base/visible-text.ts'
import { readPortholeVersion } from './capture/porthole-version.ts'
import { runProgram } from './cli/program.ts'

function report(error: unknown): void {
  const known =
    error instanceof AppError
      ? error
      : new AppError('ERR_INTERNAL', { problem: describeError(error) }, error)
  process.stderr.write(`porthole: ${visibleLine(known.message)}; ${visibleLine(known.hint)}\n`)
  process.exitCode = known.exitCode
}

// A closed stdout or stderr (`porthole … | head`) ends output, not the traffic.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    // State is unknown now: say so and go, rather than carry traffic on it.
    report(error)
    process.exit(70)
  })
}

let exitCode = 0
try {
  await runProgram(
    {
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      env: process.env,
      platform: process.platform,
      pid: process.pid,
      version: readPortholeVersion(),
      mainPath: fileURLToPath(import.meta.url),
      setExitCode: (code) => {
        exitCode = code
      },
    },
    process.argv.slice(2),
  )
  process.exitCode = exitCode
} catch (error) {
  report(error)
}
