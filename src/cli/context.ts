/** What every command is handed, so that none reaches for `process` on its own. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { Command } from 'commander'
import { Option } from 'commander'
import envPaths from 'env-paths'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { limitsHelp } from '../config/limits.ts'
import type { CommandName } from '../config/options.ts'
import { optionsOf } from '../config/options.ts'
import type { Settings } from '../config/settings.ts'
import { exposingSetting } from '../run/process-exposure.ts'

export interface CliContext {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream & { readonly fd: number }
  readonly stderr: NodeJS.WriteStream & { readonly fd: number }
  readonly env: NodeJS.ProcessEnv
  readonly platform: NodeJS.Platform
  readonly pid: number
  readonly version: string
  /** This program's entry, for the viewer's process. */
  readonly mainPath: string
  /** The exit code, should the command end well. */
  setExitCode(code: number): void
}

export type Flags = Readonly<Record<string, unknown>>

/** `--home`, else PORTHOLE_HOME, else the platform's data folder. */
export function resolveHome(context: Pick<CliContext, 'env'>, flag?: unknown): string {
  const given = typeof flag === 'string' && flag !== '' ? flag : context.env['PORTHOLE_HOME']
  return given === undefined || given === ''
    ? envPaths('porthole', { suffix: '' }).data
    : resolve(given)
}

/** Lines on stderr, marked as ours and made safe. */
export function createTeller({ stderr }: Pick<CliContext, 'stderr'>): (line: string) => void {
  return (line) => void stderr.write(`porthole: ${visibleLine(line)}\n`)
}

/** Adds the rows of the option table that belong to a command, but for those in `leftOut`. */
export function addOptions(
  command: Command,
  name: CommandName,
  leftOut: readonly string[] = [],
): Command {
  const rows = optionsOf(name).filter((row) => !leftOut.includes(row.name))
  for (const row of rows) {
    const shown = row.defaultText === undefined ? '' : ` (default: ${row.defaultText})`
    const option = new Option(row.flag, `${row.help}${shown}`)
    if (row.kind === 'list') {
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    }
    command.addOption(option)
  }
  if (rows.some((row) => row.name === 'limit')) {
    command.addHelpText('after', limitsHelp())
  }
  return command
}

interface LoadedSettings {
  readonly settings: Settings
  readonly home: string
  /** Where the configuration file is, or would be. */
  readonly configPath: string
}

/**
 * Settings of a proxy command. Throws `ERR_TLS_VERIFICATION_OFF` where the environment would have
 * Node accept any certificate: nobody who sets that wants keys to go there. Throws
 * `ERR_NODE_SETTING` where it would have Node write secrets down.
 */
export async function loadSettings(
  context: CliContext,
  command: CommandName,
  flags: Flags,
): Promise<LoadedSettings> {
  if (context.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw new AppError('ERR_TLS_VERIFICATION_OFF')
  }
  const exposing = exposingSetting(context.env)
  if (exposing !== undefined) throw new AppError('ERR_NODE_SETTING', { ...exposing })
  // Loaded here, so that no other command pays for the reader of configuration files.
  const { resolveSettings } = await import('../config/settings.ts')
  const home = resolveHome(context, flags['home'])
  const file = command === 'demo' ? undefined : await readConfig(context, home, flags['config'])
  // Commander reads `--no-viewer` as `viewer: true` where it is not given.
  const given = { ...flags, viewer: flags['viewer'] === false ? false : undefined }
  return {
    settings: resolveSettings({ command, flags: given, env: context.env, file }),
    home,
    configPath: configPathOf(context, home, flags['config']),
  }
}

/** The configuration file, where there is one. Throws `ERR_CONFIG_UNREADABLE`. */
export async function readConfig(
  context: CliContext,
  home: string,
  flag: unknown,
): Promise<{ path: string; text: string } | undefined> {
  const path = configPathOf(context, home, flag)
  try {
    return { path, text: await readFile(path, 'utf8') }
  } catch (error) {
    // No file, or no home to hold one: what needs the home says so better.
    const isDefault = path === configPathOf({ env: {} }, home, undefined)
    if (isDefault && ['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined
    throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem: describeError(error) }, error)
  }
}

function configPathOf(context: Pick<CliContext, 'env'>, home: string, flag: unknown): string {
  const given = typeof flag === 'string' ? flag : context.env['PORTHOLE_CONFIG']
  return given === undefined || given === '' ? join(home, 'porthole.json') : given
}
