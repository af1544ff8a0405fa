/**
 * The commands as the list of `--help` shows them, and where the rest of each is. Only a command
 * whose name is among the words of the command line is loaded: most of what a process would load
 * belongs to commands that it was not asked for.
 */
import type { Command } from 'commander'

import type { CliContext } from './context.ts'
import { resolveHome } from './context.ts'

interface CommandOutline {
  readonly name: string
  /** As in the list of commands; the command itself says the same. */
  readonly summary: string
  /** Of the list, too; undefined for none. */
  readonly argument?: string
  /** Whether the list says that it takes options. */
  readonly hasOptions: boolean
  /** Adds the whole command to the program. */
  readonly load: (program: Command, context: CliContext) => Promise<void>
}

/** In the order of the list. */
const outlines: readonly CommandOutline[] = [
  {
    name: 'run',
    summary: 'run a program and see its model calls',
    argument: '<command...>',
    hasOptions: true,
    load: async (...given) => (await import('./run.ts')).registerRunCommand(...given),
  },
  {
    name: 'start',
    summary: 'run a standing proxy',
    hasOptions: true,
    load: async (...given) => (await import('./start.ts')).registerStartCommand(...given),
  },
  {
    name: 'view',
    summary: 'watch running proxies, or open a capture',
    argument: '[capture]',
    hasOptions: true,
    load: async (...given) => (await import('./view.ts')).registerViewCommand(...given),
  },
  {
    name: 'replay',
    summary: 'play a capture to stdout',
    argument: '<capture>',
    hasOptions: true,
    load: async (program, { stdout, stderr }) => {
      const { defaultAnalyzers: analyzers } = await import('../../analyzers/index.ts')
      const { createLineReporter } = await import('../run/line-reporter.ts')
      const { registerReplayCommand } = await import('./replay.ts')
      registerReplayCommand(program, { stdout, stderr, analyzers, describe: createLineReporter() })
    },
  },
  {
    name: 'search',
    summary: 'find calls in your captures',
    argument: '[text...]',
    hasOptions: true,
    load: async (...given) => (await import('./search.ts')).registerSearchCommand(...given),
  },
  {
    name: 'captures',
    summary: 'list, keep, look through and remove captures',
    hasOptions: false,
    load: async (...given) => (await import('./captures.ts')).registerCapturesCommand(...given),
  },
  {
    name: 'why',
    summary: 'explain what became of one exchange',
    argument: '[id]',
    hasOptions: true,
    load: async (...given) => (await import('./why.ts')).registerWhyCommand(...given),
  },
  {
    name: 'serve',
    summary: 'answer as a recorded provider did',
    argument: '<capture>',
    hasOptions: true,
    load: async (...given) => (await import('./serve.ts')).registerServeCommand(...given),
  },
  {
    name: 'export',
    summary: 'write a capture as HAR, JSONL, curl commands or Markdown',
    argument: '<capture>',
    hasOptions: true,
    load: async (...given) => (await import('./export.ts')).registerExportCommand(...given),
  },
  {
    name: 'secrets',
    summary: 'keep keys that are put into requests, so that programs need none of their own',
    hasOptions: false,
    load: async (...given) => (await import('./secrets.ts')).registerSecretsCommand(...given),
  },
  {
    name: 'agents',
    summary: 'say who may use the proxy, and with which secrets',
    hasOptions: false,
    load: async (...given) => (await import('./agents.ts')).registerAgentsCommand(...given),
  },
  {
    name: 'rules',
    summary: 'say which requests may pass, and how many',
    hasOptions: false,
    load: async (...given) => (await import('./rules.ts')).registerRulesCommand(...given),
  },
  {
    name: 'audit',
    summary: 'see what was decided, and check that the record holds',
    hasOptions: true,
    load: async (...given) => (await import('./audit.ts')).registerAuditCommand(...given),
  },
  {
    name: 'tokens',
    summary: 'mint opaque tokens, which stand for secrets in what programs send',
    hasOptions: false,
    load: async (...given) => (await import('./tokens.ts')).registerTokensCommand(...given),
  },
  {
    name: 'ca',
    summary: 'show, export, trust or replace the certificate authority',
    hasOptions: false,
    load: async (program, context) => {
      const { providerHosts } = await import('../policy/providers.ts')
      const { asActBesideVault } = await import('./vault-commands.ts')
      const { registerCaCommand } = await import('./ca.ts')
      registerCaCommand(program, {
        ...context,
        defaultPermittedHosts: providerHosts,
        resolveHome: (flag) => resolveHome(context, flag),
        asAct: (home, act, change) => asActBesideVault(context, home, act, change),
      })
    },
  },
  {
    name: 'doctor',
    summary: 'why is nothing showing?',
    argument: '[command...]',
    hasOptions: true,
    load: async (...given) => (await import('./doctor.ts')).registerDoctorCommand(...given),
  },
  {
    name: 'demo',
    summary: 'see it work: no key, no network',
    hasOptions: true,
    load: async (...given) => (await import('./demo.ts')).registerDemoCommand(...given),
  },
]

/** Adds all commands: those among `words` whole, the others as the list shows them. */
export async function addCommands(
  program: Command,
  context: CliContext,
  words: readonly string[],
): Promise<void> {
  for (const { name, summary, argument, hasOptions, load } of outlines) {
    if (words.includes(name)) {
      await load(program, context)
      continue
    }
    const command = program.command(name).summary(summary)
    if (argument !== undefined) command.argument(argument)
    if (hasOptions) command.option('--help')
  }
}

/** All there are. */
export const commandNames: readonly string[] = outlines.map(({ name }) => name)
