/**
 * From what users write (flags, environment, file) to what code reads: parsed once, frozen. The
 * order is flag, environment, file, default. Unknown keys are errors that name the nearest one.
 */
import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import { nearestName } from '../base/nearest.ts'
import { durationFactors, parseUnits, sizeFactors } from '../base/units.ts'
import { visibleLine } from '../base/visible-text.ts'
import type { Authority } from '../policy/authority.ts'
import { parseAuthority, parseListenAddress } from '../policy/authority.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { defaultAllow, presetHosts, presetNames } from '../policy/providers.ts'
import type { Rule } from '../policy/rules/rule.ts'
import type { BoundKey, Bounds } from './bounds.ts'
import { boundRows } from './bounds.ts'
import { fileRules } from './file-rules.ts'
import { resolveBounds } from './limits.ts'
import type { CommandName } from './options.ts'
import { optionsOf, optionTable } from './options.ts'
import { ruleShape } from './rule-fields.ts'

export interface CredentialSetting {
  readonly host: HostPattern
  /** Header field that carries it. */
  readonly header: string
  /** Environment variable that holds the value. */
  readonly variable: string
  /** `{}` stands for the value. */
  readonly format: string
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
  /** A file of prices. */
  readonly prices: string | undefined
  readonly limits: Bounds
  readonly upstreamProxy: string | undefined
  readonly upstreamProxyBypass: readonly string[]
  readonly upstreamCa: readonly string[]
  /** As `NAME=URL`. */
  readonly route: readonly string[]
  readonly readyFile: string | undefined
  /** Name of an agent of the vault. */
  readonly agent: string | undefined
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

const credentialShape = z.strictObject({
  host: z.string(),
  header: z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/u, 'not a header name'),
  env: z.string().regex(/^[A-Za-z_]\w*$/u, 'not the name of an environment variable'),
  format: z
    .string()
    .includes('{}', { message: 'must contain {}' })
    .regex(/^[\t\x20-\x7e]*$/u, 'not what a header field can hold')
    .default('{}'),
})
const listShape = z.union([z.string(), z.array(z.string())])
const limitShape = z.union([z.number(), z.string()]).optional()
const limitsShape = z.strictObject(
  Object.fromEntries(boundRows.map(({ key }) => [key, limitShape])) as Record<
    BoundKey,
    typeof limitShape
  >,
)
const ruleKeys = Object.keys(ruleShape.shape)
const fileShape = z.strictObject({
  listen: z.string().optional(),
  allow: listShape.optional(),
  allowPreset: listShape.optional(),
  capture: z.string().optional(),
  keepCaptures: z.string().optional(),
  keepSize: z.string().optional(),
  viewer: z.boolean().optional(),
  connectTo: listShape.optional(),
  upstreamCa: listShape.optional(),
  route: listShape.optional(),
  allowPrivate: z.boolean().optional(),
  tunnelOnReject: z.boolean().optional(),
  onCaFailure: z.string().optional(),
  redactContent: z.string().optional(),
  defaultAction: z.string().optional(),
  rules: z.array(ruleShape).max(1000).optional(),
  prices: z.string().optional(),
  limits: limitsShape.optional(),
  upstreamProxy: z.string().optional(),
  upstreamProxyBypass: listShape.optional(),
  credentials: z.array(credentialShape).optional(),
})

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
    prices: textOf(raw, 'prices'),
    limits: boundsOf(input, file),
    upstreamProxy: textOf(raw, 'upstreamProxy'),
    upstreamProxyBypass: listOf(raw, 'upstreamProxyBypass'),
    upstreamCa: listOf(raw, 'upstreamCa'),
    route: listOf(raw, 'route'),
    readyFile: textOf(raw, 'readyFile'),
    agent: textOf(raw, 'agent'),
    credentials: (file.credentials ?? []).map(({ host, header, env, format }) => ({
      host: parseHostPattern(host),
      header,
      variable: env,
      format,
    })),
  }
  return deepFreeze(settings)
}

/** The rules of a configuration file, all of which must be right. Throws as `resolveSettings` does. */
export function rulesIn(file: { readonly path: string; readonly text: string }): readonly Rule[] {
  return fileRules(parseFile(file).rules ?? [], file.path)
}

/** Unlike other lists, limits of several sources add up: each of them is looked for by itself. */
function boundsOf(input: SettingsInput, file: z.infer<typeof fileShape>): Bounds {
  const row = optionsOf(input.command).find(({ name }) => name === 'limit')
  if (row === undefined) return resolveBounds({ flags: [], env: [], file: {} })
  return resolveBounds({
    flags: splitList(input.flags[row.name]),
    env: row.env.flatMap((variable) => splitList(input.env[variable])),
    file: file.limits ?? {},
  })
}

function parseFile({ path, text }: { path: string; text: string }): z.infer<typeof fileShape> {
  const fail = (problem: string): never => {
    // The parser quotes the file, line breaks and all.
    throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem: visibleLine(problem) })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'not JSON')
  }
  const parsed = fileShape.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = optionTable.filter((row) => row.inFile).map((row) => row.name)
    const here =
      issue.path[0] === 'limits'
        ? boundRows.map((row) => row.key)
        : [...known, 'limits', 'credentials', 'header', 'env', 'format', 'rules', ...ruleKeys]
    const nearest = nearestName(key, here)
    return fail(`unknown key ${key}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`)
  }
  return fail(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`)
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
