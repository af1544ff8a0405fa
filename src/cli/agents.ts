/**
 * `porthole agents …`: who may use a standing proxy, what they may reach, and which secrets are put
 * into their requests. A token is shown once, when it is made.
 */
import type { Command } from 'commander'
import { Option } from 'commander'

import { parseHostPattern } from '../policy/host-pattern.ts'
import type { AgentDescription, NewAgent } from '../vault/agent-store.ts'
import type { WritableVault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import {
  checkedName,
  formatMoment,
  formatTable,
  parseLifetime,
  printJson,
  splitNames,
  tell,
  withHome,
  withVault,
} from './vault-commands.ts'

interface AddFlags {
  readonly hosts?: string
  readonly secrets?: string
  readonly expires?: string
  readonly defaultAction?: 'allow' | 'block'
}

/** Adds `agents` and its subcommands to `program`. */
export function registerAgentsCommand(program: Command, context: CliContext): void {
  const agents = program
    .command('agents')
    .description('say who may use the proxy, and with which secrets')
    .addHelpText('after', '\nExample:\n  porthole agents add ci --secrets openai --expires 30d')
  registerAdd(agents, context)
  registerList(agents, context)
  registerOn(agents, context, {
    name: 'rotate',
    description: 'replace its token; the old one ends its connections',
    run: (vault, agent) => showToken(context, agent, vault.agents.rotate(agent)),
  })
  registerOn(agents, context, {
    name: 'revoke',
    description: 'take an agent away, and end its connections',
    run: (vault, agent) => {
      vault.agents.revoke(agent)
      tell(context, `${agent} is gone; its connections end within a second`)
    },
  })
  registerGrants(agents, context, 'grant')
  registerGrants(agents, context, 'deny')
}

function registerAdd(agents: Command, context: CliContext): void {
  withHome(agents.command('add'))
    .argument('<name>', 'shown in every message of its connections')
    .option('--hosts <HOST[,…]>', 'the only hosts it may reach (default: every host)')
    .option('--secrets <NAME[,…]|all>', 'secrets that its requests get (default: none)')
    .option('--expires <TIME>', 'from when on its token is worth nothing: 30d, 12h, 45m')
    .addOption(
      new Option(
        '--default-action <allow|block>',
        'what becomes of its requests that no rule decides (default: as the proxy has it)',
      ).choices(['allow', 'block']),
    )
    .description('make an agent, and print its token, which is not kept')
    .addHelpText(
      'after',
      '\nExamples:\n  porthole agents add alice --secrets openai,anthropic\n' +
        '  porthole agents add ci --hosts api.openai.com --secrets all --expires 30d',
    )
    .action((name: string, flags: AddFlags, command: Command) => {
      checkedName('agent', name)
      const lifetime = flags.expires === undefined ? undefined : parseLifetime(flags.expires)
      const hosts =
        flags.hosts === undefined ? undefined : splitNames(flags.hosts).map(parseHostPattern)
      const { defaultAction } = flags
      const secrets = flags.secrets === 'all' ? 'all' : splitNames(flags.secrets ?? '')
      const details = {
        hosts: hosts?.map(({ text }) => text),
        secrets,
        expires: flags.expires,
        ...(defaultAction === undefined ? {} : { defaultAction }),
      }
      return withVault(
        context,
        command,
        (vault) => {
          const expiresAt = lifetime === undefined ? undefined : Date.now() + lifetime
          const made: NewAgent = { name, hosts, secrets, expiresAt, defaultAction }
          showToken(context, name, vault.agents.add(made))
          if (secrets.length === 0) {
            tell(
              context,
              `it gets no secret yet; porthole agents grant ${name} SECRET gives it one`,
            )
          }
        },
        { action: 'agents add', target: name, details },
      )
    })
}

function registerList(agents: Command, context: CliContext): void {
  withHome(agents.command('list'))
    .option('--json', 'as JSON')
    .description('print all agents, the hosts they may reach and the secrets they get')
    .addHelpText('after', '\nExample:\n  porthole agents list')
    .action((flags: { readonly json?: boolean }, command: Command) =>
      withVault(context, command, (vault) => {
        const found = vault.agents.list()
        if (flags.json === true) {
          printJson(context, found.map(forJson))
        } else if (found.length === 0) tell(context, 'no agents yet; porthole agents add makes one')
        else {
          const rows = found.map(({ name, hosts, secrets, expiresAt }) => [
            name,
            hosts?.join(',') ?? '*',
            secrets === 'all' ? 'all' : secrets.join(',') || '-',
            expiresAt === undefined ? 'never' : whenOf(expiresAt),
          ])
          context.stdout.write(formatTable([['NAME', 'HOSTS', 'SECRETS', 'EXPIRES'], ...rows]))
        }
      }),
    )
}

function registerOn(
  agents: Command,
  context: CliContext,
  command: {
    readonly name: string
    readonly description: string
    run(vault: WritableVault, agent: string): void
  },
): void {
  withHome(agents.command(command.name))
    .argument('<name>')
    .description(command.description)
    .addHelpText('after', `\nExample:\n  porthole agents ${command.name} ci`)
    .action((name: string, _flags, invoked: Command) =>
      withVault(context, invoked, (vault) => command.run(vault, name), {
        action: `agents ${command.name}`,
        target: name,
      }),
    )
}

function registerGrants(agents: Command, context: CliContext, action: 'grant' | 'deny'): void {
  withHome(agents.command(action))
    .argument('<name>')
    .argument('<secret>', 'name of a secret, or all')
    .description(
      action === 'grant'
        ? 'let an agent’s requests get a secret'
        : 'take a secret from an agent, from the next request on',
    )
    .addHelpText('after', `\nExample:\n  porthole agents ${action} ci openai`)
    .action((name: string, secret: string, _flags, command: Command) =>
      withVault(
        context,
        command,
        (vault) => {
          vault.agents[action](name, secret)
          tell(context, `${name} ${action === 'grant' ? 'gets' : 'no longer gets'} ${secret}`)
        },
        { action: `agents ${action}`, target: name, details: { secret } },
      ),
    )
}

/** The token alone on stdout, so that a script can keep it; what to do with it on stderr. */
function showToken(context: CliContext, name: string, token: string): void {
  context.stdout.write(`${token}\n`)
  tell(context, 'this token is shown once and not kept; a program uses it as')
  tell(context, `HTTPS_PROXY=http://${name}:TOKEN@127.0.0.1:8080`)
}

function whenOf(expiresAt: number): string {
  return expiresAt <= Date.now() ? 'expired' : formatMoment(expiresAt)
}

function forJson(agent: AgentDescription): Record<string, unknown> {
  const { name, hosts, secrets, expiresAt, createdAt, rotatedAt } = agent
  return {
    name,
    hosts: hosts ?? '*',
    secrets,
    defaultAction: agent.defaultAction ?? null,
    expiresAt: expiresAt === undefined ? null : formatMoment(expiresAt),
    createdAt: formatMoment(createdAt),
    rotatedAt: formatMoment(rotatedAt),
  }
}
