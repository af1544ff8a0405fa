/** What the commands that change the vault share: opening it, names, durations, tables, lines. */
import { existsSync } from 'node:fs'

import { Option } from 'commander'
import type { Command } from 'commander'

import { createPrivateDirectory } from '../../ca/private-files.ts'
import { auditPathIn } from '../audit/audit-path.ts'
import type { Act } from '../audit/entry.ts'
import { AppError } from '../base/errors.ts'
import { durationFactors, parseUnits } from '../base/units.ts'
import { visibleLine } from '../base/visible-text.ts'
import { looksLikeCredential } from '../policy/credential-name.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import type { KeySource } from '../vault/key-sources.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { WritableVault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import { resolveHome } from './context.ts'
import { askerOf } from './hidden-prompt.ts'
import { currentUser } from './session-audit.ts'

/**
 * Opens the vault of the command's `--home` for as long as `work` takes. What changes it is an
 * `act`, recorded before it is done.
 */
export async function withVault<T>(
  context: CliContext,
  command: Command,
  work: (vault: WritableVault) => Promise<T> | T,
  act: Omit<Act, 'user'>,
): Promise<T> {
  const home = resolveHome(context, command.optsWithGlobals()['home'])
  await createPrivateDirectory(home)
  const change = async (): Promise<T> => {
    // Loaded here, so that no other command pays for a database.
    const { openVaultIn } = await import('../vault/vault.ts')
    const vault = openVaultIn({ home, env: context.env, ask: askerOf(context) })
    try {
      return await work(vault)
    } finally {
      vault.close()
    }
  }
  if (context.env['PORTHOLE_AUDIT'] === 'off') return change()
  const { standingProblem } = await import('./vault-standing.ts')
  // Before the act: after it, the audit takes the vault for what it now is.
  const problem = await standingProblem(home)
  if (problem !== undefined) tell(context, problem)
  const { vaultStateIn } = await import('../vault/vault-state.ts')
  return asAct(context, { home, vaultState: () => vaultStateIn(home) }, act, change)
}

/**
 * Looks into the vault of the command's `--home`; `without` where there is none. Nothing is made by
 * it, and nobody is asked for a passphrase.
 */
export async function lookIntoVault<T, N>(
  context: CliContext,
  command: Command,
  work: (vault: WritableVault) => Promise<T> | T,
  without: N,
): Promise<T | N> {
  const home = resolveHome(context, command.optsWithGlobals()['home'])
  if (!hasVault(home)) return without
  const { openVaultIn } = await import('../vault/vault.ts')
  const vault = openVaultIn({ home, env: context.env }, { create: false })
  try {
    return await work(vault)
  } finally {
    vault.close()
  }
}

/** What is changed by hand, recorded before it is done, and how it ended after. */
async function asAct<T>(
  context: CliContext,
  { home, vaultState }: { readonly home: string; readonly vaultState?: () => string | undefined },
  act: Omit<Act, 'user'>,
  change: () => Promise<T>,
): Promise<T> {
  if (context.env['PORTHOLE_AUDIT'] === 'off') return change()
  const { recordAct } = await import('../audit/acts.ts')
  const options = { path: auditPathIn(home), pid: context.pid, now: Date.now, vaultState }
  return recordAct(options, { user: currentUser(), ...withoutKeys(act) }, change)
}

/** A value that was typed where a name belongs must not stay in the record of it. */
function withoutKeys({ action, target, details }: Omit<Act, 'user'>): Omit<Act, 'user'> {
  const clean = (text: string): string => (looksLikeCredential(text) ? '(looks like a key)' : text)
  const cleaned = Object.entries(details ?? {}).map(([key, value]) => {
    if (typeof value === 'string') return [key, clean(value)]
    return [key, Array.isArray(value) ? value.map(String).map(clean) : value]
  })
  return {
    action,
    ...(target === undefined ? {} : { target: clean(target) }),
    ...(details === undefined ? {} : { details: Object.fromEntries(cleaned) }),
  }
}

/**
 * As a change of the vault is recorded, where there is anything to keep a record of: a CA alone,
 * without a vault or an audit beside it, makes none.
 */
export async function asActBesideVault<T>(
  context: CliContext,
  home: string,
  act: Omit<Act, 'user'>,
  change: () => Promise<T>,
): Promise<T> {
  const isKept = hasVault(home) || existsSync(auditPathIn(home))
  return isKept ? asAct(context, { home }, act, change) : change()
}

/** Gives a command of the vault its `--home`. */
export function withHome(command: Command): Command {
  return command.option('--home <DIR>', 'folder that holds the vault, porthole.db')
}

/** `--key-from`, for the key that seals all others. */
export function keyOption(help: string): Option {
  return new Option('--key-from <keyring|passphrase|file|env>', help).argParser(
    (text: string): KeySource => {
      const source = keySources.get(text)
      if (source !== undefined) return source
      const next = 'write keyring, passphrase, file or env'
      throw new AppError('ERR_USAGE', { problem: `--key-from is ${JSON.stringify(text)}`, next })
    },
  )
}

const keySources: ReadonlyMap<string, KeySource> = new Map([
  ['keyring', 'keyring'],
  ['passphrase', 'passphrase'],
  ['file', 'file'],
  ['env', 'environment'],
  ['environment', 'environment'],
])

/** The name of a secret or an agent. Throws `ERR_USAGE`, `ERR_NAME_CREDENTIAL`. */
export function checkedName(what: 'secret' | 'agent', name: string): string {
  const whose = what === 'agent' ? 'an agent' : 'a secret'
  if (looksLikeCredential(name)) throw new AppError('ERR_NAME_CREDENTIAL', { what: whose })
  if (/^[A-Za-z\d][\w.-]{0,62}$/u.test(name) && name !== 'all') return name
  const next = 'use letters, digits, dots, hyphens and underscores, and not the name all'
  throw new AppError('ERR_USAGE', {
    problem: `${JSON.stringify(name)} is no name for ${whose}`,
    next,
  })
}

const longestLifetimeMs = 100_000 * 86_400_000

/**
 * When something is over: after `30d`, `12h`, `45m`, or on a day such as `2026-12-31` (its first
 * moment in UTC) or `2026-12-31T08:00Z`. Epoch milliseconds; null for `never`. Throws `ERR_USAGE`.
 */
export function parseExpiry(text: string, flag = '--expires', now = Date.now()): number | null {
  if (text === 'never') return null
  const lifetime = parseUnits(text, durationFactors)
  const at = lifetime === undefined ? momentIn(text) : now + lifetime
  const next = 'write it as 30d, 12h, 45m, 2026-12-31 or never'
  if (at === undefined || at > now + longestLifetimeMs) {
    throw new AppError('ERR_USAGE', { problem: `${flag} ${JSON.stringify(text)} is no time`, next })
  }
  if (at <= now) {
    const problem = `${flag} ${JSON.stringify(text)} is over already`
    throw new AppError('ERR_USAGE', { problem, next })
  }
  return at
}

/** As `parseExpiry`, of a flag that may be left out; undefined for never. */
export function expiryFrom(text: string | undefined, flag?: string): number | undefined {
  return text === undefined ? undefined : (parseExpiry(text, flag) ?? undefined)
}

function momentIn(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/u.test(text)) return undefined
  const at = Date.parse(text)
  // The 31st of February is read as a day in March.
  return new Date(Number.isNaN(at) ? 0 : at).toISOString().startsWith(text.slice(0, 10))
    ? at
    : undefined
}

/** `--hosts`, `--host`: at least one. Throws `ERR_USAGE`, `ERR_HOST_PATTERN`. */
export function hostsFrom(names: readonly string[], flag: string): HostPattern[] {
  if (names.length > 0) return names.map((text) => parseHostPattern(text))
  const problem = `${flag} names no host`
  throw new AppError('ERR_USAGE', { problem, next: `leave ${flag} out where every host is meant` })
}

/** Items separated by commas. */
export function splitNames(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** For an option that may be repeated, each time with names separated by commas. */
export function collectNames(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...splitNames(value)]
}

/** One line on stderr, marked as ours. */
export function tell(context: Pick<CliContext, 'stderr'>, line: string): void {
  context.stderr.write(`porthole: ${visibleLine(line)}\n`)
}

export function printJson(context: Pick<CliContext, 'stdout'>, value: unknown): void {
  context.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** Rows in columns; the last one is not padded. */
export function formatTable(cells: ReadonlyArray<readonly string[]>): string {
  // A database that something else has written to must not reach the terminal as it is.
  const rows = cells.map((row) => row.map(visibleLine))
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** Epoch milliseconds as the day and minute in UTC. */
export function formatMoment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}Z`
}
