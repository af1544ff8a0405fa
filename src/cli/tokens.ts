/**
 * `porthole tokens …`: opaque tokens that programs are given in place of secrets. One is shown
 * once, when it is minted; the proxy puts the secret in its place on the way to its hosts.
 */
import type { Command } from 'commander'

import type { TokenDescription } from '../vault/token-store.ts'
import type { WritableVault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import {
  collectNames,
  expiryFrom,
  formatMoment,
  formatTable,
  hostsFrom,
  lookIntoVault,
  printJson,
  tell,
  withHome,
  withVault,
} from './vault-commands.ts'

interface MintFlags {
  readonly host?: readonly string[]
  readonly ttl?: string
  readonly agent?: string
  readonly json?: boolean
}

/** Adds `tokens` and its subcommands to `program`. */
export function registerTokensCommand(program: Command, context: CliContext): void {
  const tokens = program
    .command('tokens')
    .description('mint opaque tokens, which stand for secrets in what programs send')
    .addHelpText('after', '\nExample:\n  porthole tokens mint github --ttl 12h')
  registerMint(tokens, context)
  registerList(tokens, context)
  withHome(tokens.command('revoke'))
    .argument('<id>', 'as porthole tokens list shows it')
    .description('make a token worth nothing, from the next request on')
    .addHelpText('after', '\nExample:\n  porthole tokens revoke token_Xr5fPqLzK0aB')
    .action((id: string, _flags, command: Command) =>
      withVault(
        context,
        command,
        (vault) => {
          vault.tokens.revoke(id)
          tell(context, `${id} is worth nothing any more`)
        },
        { action: 'tokens revoke', target: id },
      ),
    )
}

function registerMint(tokens: Command, context: CliContext): void {
  withHome(tokens.command('mint'))
    .argument('<secret>', 'name of the secret that it stands for')
    .option(
      '--host <HOST[,…]>',
      'the only hosts it is for, among those of the secret',
      collectNames,
    )
    .option(
      '--ttl <TIME>',
      'from when on it is worth nothing: 30d, 12h, 45m, 2026-12-31 (default: never)',
    )
    .option('--agent <NAME>', 'the only agent it is for (default: every one that has the secret)')
    .option('--json', 'as JSON')
    .description('make a token, and print it; it is not kept')
    .addHelpText(
      'after',
      '\nA program sends it where it would send the secret: in a header, the path, the query or the\n' +
        'body. The proxy replaces it on the way to its hosts, and takes it out on the way to others.\n\n' +
        'Examples:\n  porthole tokens mint github --host api.github.com --ttl 12h\n' +
        '  GITHUB_TOKEN=$(porthole tokens mint github --agent ci) porthole run --agent ci -- ./deploy',
    )
    .action((secret: string, flags: MintFlags, command: Command) => {
      const expiresAt = expiryFrom(flags.ttl, '--ttl')
      const hosts = flags.host === undefined ? undefined : hostsFrom(flags.host, '--host')
      const { agent } = flags
      const details = { hosts: hosts?.map(({ text }) => text), agent, ttl: flags.ttl }
      const mint = (vault: WritableVault): void => {
        const { token, ...minted } = vault.tokens.mint({ secret, hosts, agent, expiresAt })
        if (flags.json === true) {
          printJson(context, { ...forJson(minted), token })
          return
        }
        context.stdout.write(`${token}\n`)
        const until = expiresAt === undefined ? '' : `, until ${formatMoment(expiresAt)}`
        const where = minted.hosts.join(', ')
        tell(context, `${minted.id} stands for ${secret} on the way to ${where}${until}`)
      }
      return withVault(context, command, mint, { action: 'tokens mint', target: secret, details })
    })
}

function registerList(tokens: Command, context: CliContext): void {
  withHome(tokens.command('list'))
    .option('--json', 'as JSON')
    .description('print all tokens: what they stand for, where, for whom and until when')
    .addHelpText('after', '\nExample:\n  porthole tokens list --json')
    .action((flags: { readonly json?: boolean }, command: Command) =>
      lookIntoVault(context, command, (vault) => vault.tokens.list(), []).then((found) => {
        if (flags.json === true) {
          printJson(context, found.map(forJson))
        } else if (found.length === 0) {
          tell(context, 'no tokens yet; porthole tokens mint makes one')
        } else {
          const rows = found.map((token) => [
            token.id,
            token.secret,
            token.hosts.join(','),
            token.agent ?? '*',
            expiryOf(token),
          ])
          context.stdout.write(
            formatTable([['ID', 'SECRET', 'HOSTS', 'AGENT', 'EXPIRES'], ...rows]),
          )
        }
      }),
    )
}

function expiryOf({ expiresAt }: TokenDescription): string {
  if (expiresAt === undefined) return 'never'
  const moment = formatMoment(expiresAt)
  return expiresAt <= Date.now() ? `${moment} (expired)` : moment
}

function forJson(token: TokenDescription): Record<string, unknown> {
  const { id, secret, hosts, agent, expiresAt, createdAt } = token
  return {
    id,
    secret,
    hosts,
    agent: agent ?? null,
    expiresAt: expiresAt === undefined ? null : formatMoment(expiresAt),
    createdAt: formatMoment(createdAt),
  }
}
