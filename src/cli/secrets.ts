/**
 * `porthole secrets …`: the keys that programs never see. Values come from standard input or a
 * prompt that shows nothing, never from the command line, and are printed by no command.
 */
import type { Command } from 'commander'

import { AppError } from '../base/errors.ts'
import { describeLocation } from '../policy/credential.ts'
import type { KeySource } from '../vault/key-sources.ts'
import { looksLikeReference } from '../vault/references.ts'
import type { SecretContent, SecretDescription } from '../vault/secret-store.ts'
import type { WritableVault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import { askerOf, readPiped } from './hidden-prompt.ts'
import type { LocationFlags } from './secret-location.ts'
import { boundPathFrom, locationFrom, variableFrom } from './secret-location.ts'
import {
  checkedName,
  collectNames,
  formatMoment,
  formatTable,
  hostsFrom,
  keyOption,
  lookIntoVault,
  printJson,
  tell,
  withHome,
  withVault,
} from './vault-commands.ts'

const mostInputBytes = 64 * 1024

interface AddFlags extends LocationFlags {
  readonly host: readonly string[]
  readonly path?: string
  readonly from?: string
  readonly agent?: string
  readonly envVar?: string
  readonly keyFrom?: KeySource
}

/** Adds `secrets` and its subcommands to `program`. */
export function registerSecretsCommand(program: Command, context: CliContext): void {
  const secrets = program
    .command('secrets')
    .description('keep keys that are put into requests, so that programs need none of their own')
    .addHelpText(
      'after',
      '\nExample:\n  porthole secrets add openai --host api.openai.com < key.txt',
    )
  registerAdd(secrets, context)
  registerList(secrets, context)
  registerShow(secrets, context)
  registerRotate(secrets, context)
  withHome(secrets.command('remove'))
    .argument('<name>')
    .description('forget a secret, everywhere and at once')
    .addHelpText('after', '\nExample:\n  porthole secrets remove openai')
    .action((name: string, _flags, command: Command) =>
      withVault(
        context,
        command,
        async (vault) => {
          await vault.secrets.remove(name)
          tell(context, `${name} is gone`)
        },
        { action: 'secrets remove', target: name },
      ),
    )
  registerRotateKey(secrets, context)
}

function registerAdd(secrets: Command, context: CliContext): void {
  withHome(secrets.command('add'))
    .argument('<name>', 'a name of your own, shown in messages in place of the value')
    .requiredOption('--host <HOST[,…]>', 'hosts it is for (host, *.host, host:port)', collectNames)
    .option('--path <PATH>', "only for this path, or all below it: '/v1/*'")
    .option('--header <TEXT>', "the header it goes into: 'Authorization: Bearer {}'")
    .option('--query <NAME>', 'the query parameter it goes into')
    .option('--url-path <PATTERN>', "the part of the path that it replaces: '/bot{}/'")
    .option('--basic <USER>', 'the password of this user, as Authorization: Basic')
    .option('--if-present', 'only where the program sent something there itself')
    .option('--token-only', 'nowhere by itself: only in place of what porthole tokens mint makes')
    .option('--from <REFERENCE>', 'where to find it at the time of use, instead of a value')
    .option('--agent <NAME>', 'for this agent alone, in place of what others get for that host')
    .option('--env-var <NAME>', 'the variable in which programs look for it, where it is unusual')
    .addOption(keyOption('what seals the vault, where this is its first secret'))
    .description('store a secret; its value is read from standard input, or asked for')
    .addHelpText('after', addExamples)
    .action((name: string, flags: AddFlags, command: Command) => add(context, name, flags, command))
}

const addExamples = `
Known providers need no more than the host; others are told where the value goes. A reference is
env://NAME, file:///path, cmd://COMMAND or op://VAULT/ITEM/FIELD. The vault is sealed with
SECRET_ENCRYPTION_KEY (32 bytes, base64 or hex), else the passphrase in PORTHOLE_PASSPHRASE_FILE,
else a key file beside it; --key-from keyring keeps the key in the keyring of the system, and
--key-from passphrase asks for one.

Examples:
  porthole secrets add openai --host api.openai.com < key.txt
  porthole secrets add claude --host api.anthropic.com --from op://dev/anthropic/key
  porthole secrets add ci-openai --host api.openai.com --agent ci < ci-key.txt
  porthole secrets add bot --host api.telegram.org --url-path '/bot{}/'
  porthole secrets add github --host api.github.com --token-only < token.txt
  porthole secrets add search --host api.example.com --path '/v2/*' --query key --if-present`

async function add(
  context: CliContext,
  name: string,
  flags: AddFlags,
  command: Command,
): Promise<void> {
  checkedName('secret', name)
  const hosts = hostsFrom(flags.host, '--host')
  const location = locationFrom(flags, hosts)
  const path = boundPathFrom(flags.path)
  const variable = variableFrom(flags.envVar)
  const bound = { name, hosts, path, location, agent: flags.agent, variable }
  // What cannot be stored anyway is refused before a value is asked for.
  await lookIntoVault(context, command, (vault) => vault.secrets.assertAddable(bound), undefined)
  const content = await readContent(context, flags.from)
  const details = {
    hosts: hosts.map(({ text }) => text),
    path,
    place: describeLocation(location),
    kind: content.kind,
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
  }
  const store = (vault: WritableVault): Promise<void> =>
    vault.secrets.add({ ...bound, content }, flags.keyFrom)
  await withVault(context, command, store, {
    action: 'secrets add',
    target: name,
    details,
  })
  const where = hosts.map(({ text }) => text).join(', ')
  tell(context, `${name} goes to ${where}${path ?? ''} as ${describeLocation(location)}`)
}

function registerList(secrets: Command, context: CliContext): void {
  withHome(secrets.command('list'))
    .option('--json', 'as JSON')
    .description('print all secrets: names, hosts, places, and the last four characters at most')
    .addHelpText('after', '\nExample:\n  porthole secrets list --json')
    .action((flags: { readonly json?: boolean }, command: Command) =>
      secretsOf(context, command).then((found) => {
        if (flags.json === true) printJson(context, found.map(forJson))
        else if (found.length === 0)
          tell(context, 'no secrets yet; porthole secrets add stores one')
        else {
          const rows = found.map((secret) => [
            secret.id,
            secret.hosts.map(({ text }) => text).join(','),
            secret.path ?? '*',
            describeLocation(secret.location),
            shownAgent(secret),
            secret.hint ?? '',
          ])
          const titles = ['NAME', 'HOSTS', 'PATH', 'PLACE', 'AGENT', 'VALUE']
          context.stdout.write(formatTable([titles, ...rows]))
        }
      }),
    )
}

function registerShow(secrets: Command, context: CliContext): void {
  withHome(secrets.command('show'))
    .argument('<name>')
    .option('--json', 'as JSON')
    .description('print what is known of a secret, but its value')
    .addHelpText('after', '\nExample:\n  porthole secrets show openai')
    .action((name: string, flags: { readonly json?: boolean }, command: Command) =>
      secretsOf(context, command).then((secrets) => {
        const found = secrets.find(({ id }) => id === name)
        if (found === undefined) throw new AppError('ERR_SECRET_UNKNOWN', { name })
        const shown = forJson(found)
        if (flags.json === true) printJson(context, shown)
        else {
          const rows = Object.entries(shown).map(([key, value]) => [key, showValue(value)])
          context.stdout.write(formatTable(rows))
        }
      }),
    )
}

function registerRotate(secrets: Command, context: CliContext): void {
  withHome(secrets.command('rotate'))
    .argument('<name>')
    .option('--from <REFERENCE>', 'where to find it at the time of use, instead of a value')
    .description('give a secret another value, read from standard input or asked for')
    .addHelpText('after', '\nExample:\n  porthole secrets rotate openai < new-key.txt')
    .action(async (name: string, flags: { readonly from?: string }, command: Command) => {
      const isThere = await lookIntoVault(
        context,
        command,
        (vault) => {
          vault.secrets.assertKnown(name)
          return true
        },
        false,
      )
      if (!isThere) throw new AppError('ERR_SECRET_UNKNOWN', { name })
      const content = await readContent(context, flags.from)
      const act = { action: 'secrets rotate', target: name, details: { kind: content.kind } }
      await withVault(context, command, (vault) => vault.secrets.rotate(name, content), act)
      tell(context, `${name} has its new value from the next request on`)
    })
}

function registerRotateKey(secrets: Command, context: CliContext): void {
  withHome(secrets.command('rotate-key'))
    .addOption(keyOption('seal the vault with a key from elsewhere from now on'))
    .description('make a new data key, and seal every secret anew with it')
    .addHelpText(
      'after',
      '\nA new key from the environment is read from NEW_SECRET_ENCRYPTION_KEY, a new passphrase\n' +
        'from PORTHOLE_NEW_PASSPHRASE_FILE or asked for.\n\n' +
        'Examples:\n  porthole secrets rotate-key\n  porthole secrets rotate-key --key-from keyring',
    )
    .action((flags: { readonly keyFrom?: KeySource }, command: Command) =>
      withVault(
        context,
        command,
        async (vault) => {
          const count = await vault.secrets.rotateKey(flags.keyFrom)
          tell(context, `${count} ${count === 1 ? 'secret' : 'secrets'} sealed anew`)
        },
        { action: 'secrets rotate-key', details: { keyFrom: flags.keyFrom } },
      ),
    )
}

function secretsOf(context: CliContext, command: Command): Promise<readonly SecretDescription[]> {
  return lookIntoVault(context, command, (vault) => vault.secrets.list(), [])
}

async function readContent(context: CliContext, from: string | undefined): Promise<SecretContent> {
  if (from !== undefined) return { kind: 'reference', text: from }
  const ask = askerOf(context)
  const text =
    ask === undefined ? await readPiped(context.stdin, mostInputBytes) : await ask('Value: ')
  if (looksLikeReference(text)) {
    const next = 'give references with --from'
    throw new AppError('ERR_USAGE', { problem: 'the value looks like a reference', next })
  }
  return { kind: 'value', text }
}

function forJson(secret: SecretDescription): Record<string, unknown> {
  const { id, hosts, path, location, variable, kind, hint, version, keyId, createdAt, changedAt } =
    secret
  return {
    name: id,
    hosts: hosts.map(({ text }) => text),
    path: path ?? '*',
    location,
    ...(variable === undefined ? {} : { variable }),
    kind,
    ...(hint === undefined ? {} : { hint }),
    ...(secret.agent === undefined ? {} : { agent: shownAgent(secret) }),
    version,
    keyId,
    createdAt: formatMoment(createdAt),
    changedAt: formatMoment(changedAt),
  }
}

/** `*`: whoever is granted it. */
function shownAgent({ agent }: SecretDescription): string {
  return agent === undefined ? '*' : (agent ?? 'revoked')
}

function showValue(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
