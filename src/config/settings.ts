/**
 * From what users write (flags, environment, file) to what code reads: parsed once, frozen. The
 * order is flag, environment, file, default. Unknown keys are errors that name the nearest one.
 */
import { AppError } from '../base/errors.ts'
import { nearestName } from '../base/nearest.ts'
import { durationFactors, parseUnits, sizeFactors } from '../base/units.ts'
import { isLoopbackListener } from '../policy/address-guard.ts'
import type { Authority } from '../policy/authority.ts'
import { parseAuthority, parseListenAddress } from '../policy/authority.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { defaultAllow, presetHosts, presetNames } from '../policy/providers.ts'
import type { Rule } from '../policy/rules/rule.ts'
import type { Bounds } from './bounds.ts'
import { fileRules } from './file-rules.ts'
import { resolveBounds } from './limits.ts'
import type { CommandName } from './options.ts'
import { optionsOf } from './options.ts'
import { parseFile } from './settings-file.ts'
import type { FileSettings } from './settings-file.ts'

export interface CredentialSetting {
  readonly host: HostPattern
  /** Header field that carries it. */
  readonly header: string
  /** Environment variable that holds the value. */
  readonly variable: string
  /** `{}` stands for the value. */
  readonly format: string
}

/** What becomes of opaque tokens in requests. */
export interface TokenSettings {
  readonly onMismatch: 'strip' | 'block'
  readonly onUnknown: 'leave' | 'strip' | 'block'
  readonly codedBodies: 'decode' | 'refuse' | 'pass'
  /** Environment variable that holds the key of sealed tokens. */
  readonly starpodVariable: string | undefined
}

export interface Settings {
  readonly listen: { readonly host: string; readonly port: number }
  readonly allow: readonly HostPattern[]
  /** `none`, a file, a folder, or undefined for the default place. */
  readonly capture: string | undefined
  /** Captures older than this are removed at the start, in milliseconds. */
  readonly keepCapturesMs: number | undefined
  /** Bytes of captures that stay at the start, the newest. */
  readonly keepBytes: number | undefined
  readonly viewer: boolean
  readonly json: boolean
  readonly connectTo: ReadonlyArray<{ readonly from: Authority; readonly to: Authority }>
  readonly allowPrivate: boolean
  readonly tunnelOnReject: boolean
  readonly onCaFailure: 'refuse' | 'tunnel'
  readonly redactContent: ContentRedaction
  readonly defaultAction: 'allow' | 'block'
  /** Those of the configuration file. */
  readonly rules: readonly Rule[]
  readonly tokens: TokenSettings
  /** A file of prices. */
  readonly prices: string | undefined
  readonly limits: Bounds
  readonly upstreamProxy: string | undefined
  readonly upstreamProxyBypass: readonly string[]
  readonly upstreamCa: readonly string[]
  /** As `NAME=URL`. */
  readonly route: readonly string[]
  /** Whether the variables of routes are printed. */
  readonly printEnv: boolean
  readonly auth: 'auto' | 'off'
  readonly ownKeys: 'replace' | 'refuse'
  readonly readyFile: string | undefined
  /** Name of an agent of the vault. */
  readonly agent: string | undefined
  readonly audit: 'auto' | 'on' | 'off' | 'require'
  readonly credentials: readonly CredentialSetting[]
}

export interface SettingsInput {
  readonly command: CommandName
  /** As commander parsed them, by option name; undefined where not given. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The configuration file, already read; undefined if there is none. */
  readonly file?: { readonly path: string; readonly text: string } | undefined
}

type Raw = Readonly<Record<string, unknown>>

/** Throws `AppError` (`ERR_USAGE`, `ERR_HOST_PATTERN`, `ERR_CONFIG_UNREADABLE`). */
export function resolveSettings(input: SettingsInput): Settings {
  const file = input.file === undefined ? {} : parseFile(input.file)
  const raw = layered(input, file)
  const settings: Settings = {
    listen: parseListen(
      textOf(raw, 'listen') ?? (input.command === 'start' ? '127.0.0.1:8080' : '127.0.0.1:0'),
    ),
    allow: allowedHosts(raw).map(parseHostPattern),
    capture: textOf(raw, 'capture'),
    keepCapturesMs: amountOf(raw, 'keepCaptures', '--keep-captures', durationFactors, '30d or 12h'),
    keepBytes: amountOf(raw, 'keepSize', '--keep-size', sizeFactors, '5GiB or 500MB'),
    viewer: raw['viewer'] !== false,
    json: raw['json'] === true,
    connectTo: listOf(raw, 'connectTo').map(parseConnectTo),
    allowPrivate: raw['allowPrivate'] === true,
    tunnelOnReject: raw['tunnelOnReject'] === true,
    onCaFailure: choiceOf(raw, 'onCaFailure', '--on-ca-failure', ['refuse', 'tunnel']),
    redactContent: choiceOf(raw, 'redactContent', '--redact-content', ['secrets', 'pii', 'off']),
    defaultAction: choiceOf(raw, 'defaultAction', '--default-action', ['allow', 'block']),
    rules: input.file === undefined ? [] : fileRules(file.rules ?? [], input.file.path),
    tokens: tokenSettings(raw),
    prices: textOf(raw, 'prices'),
    limits: boundsOf(input, file),
    upstreamProxy: textOf(raw, 'upstreamProxy'),
    upstreamProxyBypass: listOf(raw, 'upstreamProxyBypass'),
    upstreamCa: listOf(raw, 'upstreamCa'),
    route: listOf(raw, 'route'),
    printEnv: raw['printEnv'] === true,
    auth: choiceOf(raw, 'auth', '--auth', ['auto', 'off']),
    ownKeys: choiceOf(raw, 'ownKeys', '--own-keys', ['replace', 'refuse']),
    readyFile: textOf(raw, 'readyFile'),
    agent: textOf(raw, 'agent'),
    audit: choiceOf(raw, 'audit', '--audit', ['auto', 'on', 'off', 'require']),
    credentials: (file.credentials ?? []).map(({ host, header, env, format }) => ({
      host: parseHostPattern(host),
      header,
      variable: env,
      format,
    })),
  }
  refuseOpenDoor(settings)
  return deepFreeze(settings)
}

/** Beyond this machine there is no proxy without a token. */
function refuseOpenDoor({ auth, listen }: Settings): void {
  if (auth === 'auto' || isLoopbackListener(listen.host)) return
  throw usage(
    `--auth off is for loopback, and ${listen.host} can be reached from elsewhere`,
    'listen on 127.0.0.1, or leave --auth out',
  )
}

/** The rules of a configuration file, all of which must be right. Throws as `resolveSettings` does. */
export function rulesIn(file: { readonly path: string; readonly text: string }): readonly Rule[] {
  return fileRules(parseFile(file).rules ?? [], file.path)
}

function tokenSettings(raw: Raw): TokenSettings {
  const starpodVariable = textOf(raw, 'starpodKeyEnv')
  if (starpodVariable !== undefined && !/^[A-Za-z_]\w*$/u.test(starpodVariable)) {
    throw usage('--starpod-key-env is no name of a variable', 'name the variable, not the key')
  }
  return {
    onMismatch: choiceOf(raw, 'onTokenMismatch', '--on-token-mismatch', ['strip', 'block']),
    onUnknown: choiceOf(raw, 'onUnknownToken', '--on-unknown-token', ['leave', 'strip', 'block']),
    codedBodies: choiceOf(raw, 'codedBodies', '--coded-bodies', ['decode', 'refuse', 'pass']),
    starpodVariable,
  }
}

/** Unlike other lists, limits of several sources add up: each of them is looked for by itself. */
function boundsOf(input: SettingsInput, file: FileSettings): Bounds {
  const row = optionsOf(input.command).find(({ name }) => name === 'limit')
  if (row === undefined) return resolveBounds({ flags: [], env: [], file: {} })
  return resolveBounds({
    flags: splitList(input.flags[row.name]),
    env: row.env.flatMap((variable) => splitList(input.env[variable])),
    file: file.limits ?? {},
  })
}

/** Flag, then environment, then file, for each option of the command. */
function layered(input: SettingsInput, file: Raw): Raw {
  const values: Record<string, unknown> = {}
  for (const row of optionsOf(input.command)) {
    const variable = row.env.find((name) => (input.env[name] ?? '') !== '')
    const fromEnv = variable === undefined ? undefined : input.env[variable]
    values[row.name] =
      input.flags[row.name] ??
      (row.kind === 'switch' && fromEnv !== undefined
        ? parseSwitch(variable ?? '', fromEnv)
        : fromEnv) ??
      (row.inFile ? file[row.name] : undefined)
  }
  return values
}

function parseSwitch(variable: string, text: string): boolean {
  if (['1', 'true', 'yes', 'on'].includes(text.toLowerCase())) return true
  if (['0', 'false', 'no', 'off'].includes(text.toLowerCase())) return false
  throw usage(`${variable} is ${JSON.stringify(text)}`, 'set it to 1 or 0')
}

/** One of `choices`; the first unless told otherwise. */
function choiceOf<T extends string>(
  raw: Raw,
  name: string,
  flag: string,
  choices: readonly [T, ...T[]],
): T {
  const text = textOf(raw, name) ?? choices[0]
  const choice = choices.find((known) => known === text)
  if (choice !== undefined) return choice
  const list = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
  throw usage(`${flag} is ${JSON.stringify(text)}`, `write ${list}`)
}

function textOf(raw: Raw, name: string): string | undefined {
  const value = raw[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A number with a unit, as `like` says. */
function amountOf(
  raw: Raw,
  name: string,
  flag: string,
  factors: ReadonlyMap<string, number>,
  like: string,
): number | undefined {
  const text = textOf(raw, name)
  if (text === undefined) return undefined
  const amount = parseUnits(text, factors)
  if (amount !== undefined && amount > 0) return amount
  throw usage(`${flag} is ${JSON.stringify(text)}`, `write it as ${like}`)
}

/** A list as an array or as comma-separated text; empty items are dropped. */
function listOf(raw: Raw, name: string): string[] {
  return splitList(raw[name])
}

function splitList(value: unknown): string[] {
  const items = Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : []
  return items
    .flatMap((item) => item.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Given hosts replace the default; presets add to given hosts, or stand alone. */
function allowedHosts(raw: Raw): readonly string[] {
  const hosts = listOf(raw, 'allow')
  const presets = listOf(raw, 'allowPreset').flatMap((name) => {
    const preset = presetNames.find((known) => known === name)
    if (preset !== undefined) return presetHosts(preset)
    const nearest = nearestName(name, presetNames)
    throw usage(
      `unknown preset ${JSON.stringify(name)}`,
      nearest === undefined ? `presets are ${presetNames.join(', ')}` : `did you mean ${nearest}?`,
    )
  })
  const given = [...hosts, ...presets]
  return given.length === 0 ? defaultAllow : [...new Set(given)]
}

function parseListen(text: string): { host: string; port: number } {
  const parsed = parseListenAddress(text)
  if (!parsed.ok)
    throw usage(`--listen ${JSON.stringify(text)}: ${parsed.problem}`, 'write it as 127.0.0.1:8080')
  return { host: parsed.authority.host, port: parsed.authority.port }
}

function parseConnectTo(text: string): { from: Authority; to: Authority } {
  const at = text.indexOf('=')
  const from = parseAuthority(text.slice(0, Math.max(at, 0)), 443)
  const to = parseAuthority(text.slice(at + 1))
  if (at === -1 || !from.ok || !to.ok) {
    throw usage(
      `--connect-to ${JSON.stringify(text)} is malformed`,
      'write it as api.openai.com:443=127.0.0.1:9443',
    )
  }
  return { from: from.authority, to: to.authority }
}

function usage(problem: string, next: string): AppError {
  return new AppError('ERR_USAGE', { problem, next })
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const nested of Object.values(value)) deepFreeze(nested)
  }
  return value
}
