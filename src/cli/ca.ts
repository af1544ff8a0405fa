/**
 * `porthole ca …`: shows, exports, trusts and replaces the persistent certificate authority. This
 * file is the command line alone; what the commands do is in `ca-actions.ts`.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'

import { exportFormats } from '../../ca/export.ts'
import { trustStores } from '../../ca/trust.ts'
import type { CaCommandContext } from './ca-actions.ts'
import { exportCa, rotateCa, showCa, statusOfCa, trustCa } from './ca-actions.ts'

/** Adds `ca` and its subcommands to `program`. */
export function registerCaCommand(program: Command, context: CaCommandContext): void {
  const ca = program
    .command('ca')
    .description('show, export, trust or replace the certificate authority')
    .addHelpText('after', example('porthole ca show', 'what it is, and what it can vouch for'))
  registerShow(ca, context)
  registerExport(ca, context)
  registerTrust(ca, context, 'install')
  registerTrust(ca, context, 'uninstall')
  registerStatus(ca, context)
  registerRotate(ca, context)
}

function registerShow(ca: Command, context: CaCommandContext): void {
  withHome(ca.command('show'))
    .description('print subject, fingerprint, validity, and the hosts it can vouch for')
    .addHelpText('after', example('porthole ca show'))
    .action((_options, command: Command) => showCa(context, homeOf(command)))
}

function registerExport(ca: Command, context: CaCommandContext): void {
  withHome(ca.command('export'))
    .description('write the certificate (never the key) for another program or machine')
    .addOption(
      new Option('--format <format>', 'form of the file').choices(exportFormats).default('pem'),
    )
    .option('--out <file>', 'write to this file instead of the standard output')
    .option('--passphrase <text>', 'passphrase of a p12 file (default: "porthole")')
    .addHelpText('after', example('porthole ca export --format der --out porthole-ca.cer'))
    .action((options: ExportFlags, command: Command) => exportCa(context, homeOf(command), options))
}

function registerTrust(
  ca: Command,
  context: CaCommandContext,
  action: 'install' | 'uninstall',
): void {
  const installs = action === 'install'
  const command = withHome(ca.command(action))
    .description(
      installs
        ? 'trust the certificate authority in stores of this machine (porthole run needs none)'
        : 'stop trusting it, and every one that was rotated away; found by fingerprint',
    )
    .addOption(
      new Option('--store <store>', 'system, nss (Firefox, Chrome on Linux), java, or all')
        .choices([...trustStores, 'all'])
        .default(installs ? 'system' : 'all'),
    )
    .option('--machine', 'for all users, on macOS and Windows')
    .option('--dry-run', 'only show the commands')
    .option('--yes', 'do not ask')
  if (!installs) command.option('--old', 'only those that were rotated away')
  command
    .addHelpText('after', example(`porthole ca ${action} --store all --dry-run`))
    .action((options: TrustFlags, invoked: Command) =>
      trustCa(context, homeOf(invoked), action, options),
    )
}

function registerStatus(ca: Command, context: CaCommandContext): void {
  withHome(ca.command('status'))
    .description('print where the certificate authority is trusted, and until when')
    .option('--machine', 'look at the stores for all users, on macOS and Windows')
    .addHelpText('after', example('porthole ca status'))
    .action((options: { readonly machine?: boolean }, command: Command) =>
      statusOfCa(context, homeOf(command), options),
    )
}

function registerRotate(ca: Command, context: CaCommandContext): void {
  withHome(ca.command('rotate'))
    .description('replace it by a new one, which then has to be trusted again')
    .option('--permit <host...>', 'let the new one vouch for these hosts too', collectHosts, [])
    .addHelpText('after', example('porthole ca rotate --permit llm.example.com'))
    .action((options: { readonly permit: readonly string[] }, command: Command) =>
      rotateCa(context, homeOf(command), options.permit),
    )
}

interface ExportFlags {
  readonly format: string
  readonly out?: string
  readonly passphrase?: string
}

interface TrustFlags {
  readonly store: string
  readonly machine?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly old?: boolean
}

function withHome(command: Command): Command {
  return command.option('--home <dir>', 'folder that holds the ca folder')
}

/** Its own flag, or one of the same name on a command above it. */
function homeOf(command: Command): string | undefined {
  const home: unknown = command.optsWithGlobals()['home']
  return typeof home === 'string' ? home : undefined
}

function collectHosts(value: string, before: readonly string[]): readonly string[] {
  const hosts = value.split(',').map((host) => host.trim())
  if (hosts.includes('')) throw new InvalidArgumentError('expected HOST[,HOST...]')
  return [...before, ...hosts]
}

function example(command: string, meaning?: string): string {
  return `\nExample:\n  ${command}${meaning === undefined ? '' : `   # ${meaning}`}`
}
