/** A command as its users have it, in this process: what it prints, and how it ends. */
import { Writable } from 'node:stream'

import type { Command } from 'commander'

import type { CliContext } from '../../src/cli/context.ts'
import { createProgram } from '../../src/cli/program.ts'

export interface CommandResult {
  readonly out: string
  readonly err: string
  /** What it threw; undefined where it ended well. */
  readonly failure: unknown
}

/** `porthole ARGS…` with `home` as its folder. */
export async function runCommand(home: string, args: readonly string[]): Promise<CommandResult> {
  const written = { out: '', err: '' }
  const sink = (name: 'out' | 'err'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written[name] += chunk.toString()
        done()
      },
    })
  const context = {
    stdin: { isTTY: false },
    stdout: sink('out'),
    stderr: sink('err'),
    env: { PORTHOLE_HOME: home },
    platform: 'linux',
    pid: 1,
    version: '0.0.0',
    mainPath: '',
    setExitCode: () => {},
  } as unknown as CliContext
  const program = await createProgram(context, args)
  quiet(program)
  const failure: unknown = await program.parseAsync(args, { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { ...written, failure }
}

function quiet(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {} })
  for (const child of command.commands) quiet(child)
}
