/**
 * `porthole agents …`: who may use a standing proxy, what they may reach, and which secrets are put
 * into their requests. A token is shown once, when it is made.
 */
import type { Command } from 'commander'
import { Option } from 'commander'

import { AppError } from '../base/errors.ts'
import type { AgentDescription, NewAgent } from '../vault/agent-store.ts'
import type { CliContext } from './context.ts'
import {
  checkedName,
  expiryFrom,
  formatMoment,
  formatTable,
  hostsFrom,
  lookIntoVault,
  parseExpiry,
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
  registerShow(agents, context)
  registerRotate(agents, context)
  registerRevoke(agents, context)
  registerGrants(agents, context, 'grant')
  registerGrants(agents, context, 'deny')
}

function registerAdd(agents: Command, context: CliContext): void {
  withHome(agents.command('add'))
    .argument('<name>', 'shown in every message of its connections')
    .option('--hosts <HOST[,…]>', 'the only hosts it may reach (default: every host)')
    .option('--secrets <NAME[,…]|all>', 'secrets that its requests get (default: none)')
    .option('--expires <TIME>', 'from when on its token is worth nothing: 30d, 12h, 2026-12-31')
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
      const expiresAt = expiryFrom(flags.expires)
      const hosts =
        flags.hosts === undefined ? undefined : hostsFrom(splitNames(flags.hosts), '--hosts')
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
      agentsOf(context, command).then((found) => {
        if (flags.json === true) {
          printJson(context, found.map(forJson))
        } else if (found.length === 0) tell(context, 'no agents yet; porthole agents add makes one')
        else {
          const rows = found.map((agent) => [
            agent.name,
            hostsOf(agent),
            secretsOf(agent),
            agent.defaultAction ?? "the proxy's",
            expiryOf(agent),
          ])
          const titles = ['NAME', 'HOSTS', 'SECRETS', 'DEFAULT', 'EXPIRES']
          context.stdout.write(formatTable([titles, ...rows]))
        }
      }),
    )
}

function registerShow(agents: Command, context: CliContext): void {
  withHome(agents.command('show'))
    .argument('<name>')
    .option('--json', 'as JSON')
    .description('print what is known of an agent, but its token')
    .addHelpText('after', '\nExample:\n  porthole agents show ci')
    .action((name: string, flags: { readonly json?: boolean }, command: Command) =>
      agentsOf(context, command).then((all) => {
        const agent = all.find((known) => known.name === name)
        if (agent === undefined) throw new AppError('ERR_AGENT_UNKNOWN', { name })
        if (flags.json === true) {
          printJson(context, forJson(agent))
          return
        }
        const rows = [
          ['name', agent.name],
          ['hosts', hostsOf(agent)],
          ['secrets', secretsOf(agent)],
          ['default action', agent.defaultAction ?? "the proxy's"],
          ['expires', expiryOf(agent)],
          ['made', formatMoment(agent.createdAt)],
          ['token made', formatMoment(agent.rotatedAt)],
        ]
        context.stdout.write(formatTable(rows))
      }),
    )
}

function registerRotate(agents: Command, context: CliContext): void {
  withHome(agents.command('rotate'))
    .argument('<name>')
    .option('--expires <TIME>', 'when the new token is over, or never (default: as it was)')
    .description('replace its token; the old one ends its connections')
    .addHelpText('after', '\nExample:\n  porthole agents rotate ci --expires 30d')
    .action((name: string, flags: { readonly expires?: string }, command: Command) => {
      const { expires } = flags
      const expiresAt = expires === undefined ? undefined : parseExpiry(expires)
      const details = expires === undefined ? undefined : { expires }
      return withVault(
        context,
        command,
        (vault) => showToken(context, name, vault.agents.rotate(name, expiresAt)),
        { action: 'agents rotate', target: name, details },
      )
    })
}

function registerRevoke(agents: Command, context: CliContext): void {
  withHome(agents.command('revoke'))
    .argument('<name>')
    .description('take an agent away, and end its connections')
    .addHelpText('after', '\nExample:\n  porthole agents revoke ci')
    .action((name: string, _flags, command: Command) =>
      withVault(
        context,
        command,
        (vault) => {
          vault.agents.revoke(name)
          tell(context, `${name} is gone; its connections end within a second`)
          const isAnyLeft = vault.agents.list().length > 0 || vault.secrets.count > 0
          if (isAnyLeft) return
          tell(
            context,
            'no agent and no secret is left: on loopback, the next start asks nobody for a token',
          )
        },
        { action: 'agents revoke', target: name },
      ),
    )
}

function agentsOf(context: CliContext, command: Command): Promise<readonly AgentDescription[]> {
  return lookIntoVault(context, command, (vault) => vault.agents.list(), [])
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

function hostsOf({ hosts }: AgentDescription): string {
  return hosts?.join(',') ?? '*'
}

function secretsOf({ secrets }: AgentDescription): string {
  return secrets === 'all' ? 'all' : secrets.join(',') || '-'
}

function expiryOf({ expiresAt }: AgentDescription): string {
  if (expiresAt === undefined) return 'never'
  const moment = formatMoment(expiresAt)
  return expiresAt <= Date.now() ? `${moment} (expired)` : moment
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
