/** The command line: every command, and one form for every usage error. */
import { Command, CommanderError } from 'commander'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { AppError } from '../base/errors.ts'
import { providerHosts } from '../policy/providers.ts'
import { createLineReporter } from '../run/line-reporter.ts'
import { registerAgentsCommand } from './agents.ts'
import { registerAuditCommand } from './audit.ts'
import { registerCaCommand } from './ca.ts'
import { registerCapturesCommand } from './captures.ts'
import type { CliContext } from './context.ts'
import { resolveHome } from './context.ts'
import { registerDemoCommand } from './demo.ts'
import { registerDoctorCommand } from './doctor.ts'
import { registerExportCommand } from './export.ts'
import { registerReplayCommand } from './replay.ts'
import { registerRulesCommand } from './rules.ts'
import { registerRunCommand } from './run.ts'
import { registerSearchCommand } from './search.ts'
import { registerSecretsCommand } from './secrets.ts'
import { registerServeCommand } from './serve.ts'
import { registerStartCommand } from './start.ts'
import { registerTokensCommand } from './tokens.ts'
import { asActBesideVault } from './vault-commands.ts'
import { registerViewCommand } from './view.ts'
import { registerWhyCommand } from './why.ts'

export function createProgram(context: CliContext): Command {
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
  registerRunCommand(program, context)
  registerStartCommand(program, context)
  registerViewCommand(program, context)
  registerReplayCommand(program, {
    stdout: context.stdout,
    stderr: context.stderr,
    analyzers: defaultAnalyzers,
    describe: createLineReporter(),
  })
  registerSearchCommand(program, context)
  registerCapturesCommand(program, context)
  registerWhyCommand(program, context)
  registerServeCommand(program, context)
  registerExportCommand(program, context)
  registerSecretsCommand(program, context)
  registerAgentsCommand(program, context)
  registerRulesCommand(program, context)
  registerAuditCommand(program, context)
  registerTokensCommand(program, context)
  registerCaCommand(program, {
    ...context,
    defaultPermittedHosts: providerHosts,
    resolveHome: (flag) => resolveHome(context, flag),
    asAct: (home, act, change) => asActBesideVault(context, home, act, change),
  })
  registerDoctorCommand(program, context)
  registerDemoCommand(program, context)
  return program
}

/** Runs one command line (without node and script). Throws `AppError`; `--help` simply returns. */
export async function runProgram(context: CliContext, args: readonly string[]): Promise<void> {
  const program = createProgram(context)
  for (const command of everyCommand(program)) command.exitOverride()
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
    const next = `see ${commandOf(program, args)} --help`
    if (error.code === 'commander.help') {
      throw new AppError('ERR_USAGE', { problem: 'no command given', next }, error)
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
