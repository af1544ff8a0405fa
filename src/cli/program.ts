/** The command line: every command, and one form for every usage error. */
import { Command, CommanderError } from 'commander'

import { AppError } from '../base/errors.ts'
import { addCommands } from './commands.ts'
import type { CliContext } from './context.ts'

/** With those commands whole that `words`, the command line, may mean. */
export async function createProgram(
  context: CliContext,
  words: readonly string[],
): Promise<Command> {
  const program = new Command('porthole')
    .description('See what programs say to language models: an allowlist-only MITM analyzer.')
    .version(context.version)
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      // Told by `main.ts`, in the one form that all errors have.
      writeErr: () => {},
      getOutHasColors: () => context.stdout.isTTY && (context.env['NO_COLOR'] ?? '') === '',
    })
    .addHelpText(
      'after',
      '\nExamples:\n  porthole demo\n  porthole run -- claude\n  porthole view\n\n' +
        'Use it only on devices you control, with the consent of those whose traffic it shows.',
    )
  await addCommands(program, context, words)
  return program
}

/** Runs one command line (without node and script). Throws `AppError`; `--help` simply returns. */
export async function runProgram(context: CliContext, args: readonly string[]): Promise<void> {
  const program = await createProgram(context, args)
  for (const command of everyCommand(program)) command.exitOverride()
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
    const next = `see ${commandOf(program, args)} --help`
    if (error.code === 'commander.help') {
      const asked = args.includes('help') ? args[args.indexOf('help') + 1] : undefined
      const problem = asked === undefined ? 'no command given' : `unknown command '${asked}'`
      throw new AppError('ERR_USAGE', { problem, next }, error)
    }
    throw new AppError('ERR_USAGE', usageOf(error.message, next), error)
  }
}

/** The command that was meant, as far as it was named. */
function commandOf(program: Command, args: readonly string[]): string {
  const names = [program.name()]
  let command: Command | undefined = program
  for (const arg of args) {
    command = command.commands.find((child) => child.name() === arg)
    if (command === undefined) break
    names.push(arg)
  }
  return names.join(' ')
}

function* everyCommand(command: Command): Iterable<Command> {
  yield command
  for (const child of command.commands) yield* everyCommand(child)
}

/** Commander's text, `error: … \n(Did you mean …?)`, as a problem and a next step. */
function usageOf(message: string, next: string): { problem: string; next: string } {
  const [first = '', ...rest] = message.replace(/^error: /u, '').split('\n')
  const suggestion = rest
    .join(' ')
    .trim()
    .replaceAll(/^\(|\)$/gu, '')
  // Arguments are not repeated: one too many may be a secret that was meant for standard input.
  const problem = first.replace(/(?<= but got \d+): .*$/u, '').replace(/\.$/u, '')
  return { problem, next: suggestion === '' ? next : suggestion }
}
