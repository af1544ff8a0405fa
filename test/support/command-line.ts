/** A command as its users have it, in this process: what it prints, and how it ends. */
import { Readable, Writable } from 'node:stream'

import type { Command } from 'commander'

import type { CliContext } from '../../src/cli/context.ts'
import { createProgram } from '../../src/cli/program.ts'

export interface CommandResult {
  readonly out: string
  readonly err: string
  /** What it was set to; undefined where it was not. */
  readonly exitCode: number | undefined
  /** What it threw; undefined where it ended well. */
  readonly failure: unknown
}

export interface CommandSurroundings {
  readonly env?: Readonly<Record<string, string>>
  /** Instead of what is piped in: nothing, unless given. */
  readonly stdin?: Readable
  /** Instead of one that is kept as `err`. */
  readonly stderr?: Writable
}

/** `porthole ARGS…` with `home` as its folder. */
export async function runCommand(
  home: string,
  args: readonly string[],
  { env = {}, stdin = Readable.from([]), stderr }: CommandSurroundings = {},
): Promise<CommandResult> {
  const written = { out: '', err: '' }
  let exitCode: number | undefined
  const sink = (name: 'out' | 'err'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written[name] += chunk.toString()
        done()
      },
    })
  const context = {
    stdin,
    stdout: sink('out'),
    stderr: stderr ?? sink('err'),
    env: { PORTHOLE_HOME: home, ...env },
    platform: 'linux',
    pid: 1,
    version: '0.0.0',
    mainPath: '',
    setExitCode: (code: number) => {
      exitCode = code
    },
  } as unknown as CliContext
  const program = await createProgram(context, args)
  quiet(program)
  const failure: unknown = await program.parseAsync(args, { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { ...written, exitCode, failure }
}

function quiet(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {} })
  for (const child of command.commands) quiet(child)
}
