#!/usr/bin/env node
/**
 * The entry: hands the process to the command line and is the only place that turns errors into
 * text and exit codes. It imports little by itself, so that a Node that is too old gets a sentence
 * instead of a syntax error.
 */
import { fileURLToPath } from 'node:url'

import { AppError, describeError } from './base/errors.ts'
import { visibleLine } from './base/visible-text.ts'

/** As in package.json: `engines`. */
const oldestNode = [22, 19] as const

function report(error: unknown): void {
  const known =
    error instanceof AppError
      ? error
      : new AppError('ERR_INTERNAL', { problem: describeError(error) }, error)
  process.stderr.write(`porthole: ${visibleLine(known.message)}; ${visibleLine(known.hint)}\n`)
  process.exitCode = known.exitCode
}

function assertNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantedMajor, wantedMinor] = oldestNode
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return
  throw new AppError('ERR_NODE_TOO_OLD', {
    version: process.versions.node,
    wanted: oldestNode.join('.'),
  })
}

async function main(): Promise<void> {
  assertNode()
  const { closeOwnProcess } = await import('./run/process-exposure.ts')
  closeOwnProcess(process.env, process.execArgv)
  const { keepYoungGenerationSmall } = await import('./cli/collector.ts')
  keepYoungGenerationSmall()
  const { readPortholeVersion } = await import('./capture/porthole-version.ts')
  const { runProgram } = await import('./cli/program.ts')
  const { readOwnEnvironment } = await import('./run/own-environment.ts')
  await runProgram(
    {
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      env: readOwnEnvironment(),
      platform: process.platform,
      pid: process.pid,
      version: readPortholeVersion(),
      mainPath: fileURLToPath(import.meta.url),
      setExitCode: (code) => {
        process.exitCode = code
      },
    },
    process.argv.slice(2),
  )
}

// A closed stdout or stderr (`porthole … | head`) ends output, not the traffic.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    // State is unknown now: say so and go, rather than carry traffic on it.
    report(error)
    process.exit()
  })
}

await main().catch(report)
