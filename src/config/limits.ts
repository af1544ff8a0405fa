/**
 * How bounds are written: `--limit idle-timeout=30m,connections=2000`, and as `limits` in the
 * configuration file, there by their keys, as plain numbers in the key's unit or as the same text.
 * Each bound is looked for by itself: flag, environment, file, default.
 */
import { AppError } from '../base/errors.ts'
import { nearestName } from '../base/nearest.ts'
import {
  durationFactors,
  formatDuration,
  formatSize,
  parseUnits,
  sizeFactors,
} from '../base/units.ts'
import type { BoundKey, BoundKind, Bounds } from './bounds.ts'
import { boundRows, defaultBounds } from './bounds.ts'

type BoundRow = (typeof boundRows)[number]
type Given = Partial<Record<BoundKey, number>>
type Parsed = { readonly ok: true; readonly value: number } | { readonly ok: false }

export interface LimitSources {
  /** As `NAME=VALUE`, or several of them with commas between. */
  readonly flags: readonly string[]
  readonly env: readonly string[]
  readonly file: Readonly<Partial<Record<BoundKey, string | number | undefined>>>
}

/** Throws `ERR_USAGE`, which names the nearest bound, or how a value of its kind is written. */
export function resolveBounds({ flags, env, file }: LimitSources): Bounds {
  return {
    ...defaultBounds,
    ...fromFile(file),
    ...fromTexts(env, 'PORTHOLE_LIMIT'),
    ...fromTexts(flags, '--limit'),
  }
}

/** Throws `ERR_USAGE` for a number that a bound cannot have; a library's user may pass anything. */
export function checkBounds(bounds: Partial<Bounds>): Partial<Bounds> {
  for (const [key, value] of Object.entries(bounds)) {
    const row = boundRows.find((known) => known.key === key)
    if (row === undefined) throw unknownName(key, 'limit', keys)
    if (value !== undefined && !isPossible(row, value)) throw badValue(row, String(value), key)
  }
  return bounds
}

function fromTexts(texts: readonly string[], source: string): Given {
  const found: Given = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = text.slice(0, at === -1 ? undefined : at).trim()
    const row = boundRows.find((known) => known.name === name)
    if (row === undefined) throw unknownName(name, source, names)
    found[row.key] = parsed(row, at === -1 ? '' : text.slice(at + 1), `${source} ${name}`)
  }
  return found
}

function fromFile(file: LimitSources['file']): Given {
  const found: Given = {}
  for (const row of boundRows) {
    const value = file[row.key]
    if (typeof value === 'number' && !isPossible(row, value)) {
      throw badValue(row, String(value), `limits.${row.key}`)
    }
    if (value === undefined) continue
    found[row.key] = typeof value === 'number' ? value : parsed(row, value, `limits.${row.key}`)
  }
  return found
}

function parsed(row: BoundRow, text: string, where: string): number {
  const result = parseBound(row, text)
  if (!result.ok) throw badValue(row, text, where)
  return result.value
}

const units: Readonly<Record<BoundKind, ReadonlyMap<string, number>>> = {
  count: new Map([['', 1]]),
  size: sizeFactors,
  duration: durationFactors,
}

/** Timers count milliseconds in 31 bits, and fire at once past that. */
const maxTimerMs = 2 ** 31 - 1
const maxOf: Readonly<Record<BoundKind, number>> = {
  count: 2 ** 31 - 1,
  size: 2 ** 40,
  duration: maxTimerMs,
}

function parseBound(row: BoundRow, text: string): Parsed {
  if (text.trim().toLowerCase() === 'off' && row.mayBeOff === true) {
    return { ok: true, value: Infinity }
  }
  const value = parseUnits(text, units[row.kind])
  return value !== undefined && isPossible(row, value) ? { ok: true, value } : { ok: false }
}

function isPossible(row: BoundRow, value: number): boolean {
  if (value === Infinity) return row.mayBeOff === true
  return Number.isSafeInteger(value) && value > 0 && value <= (row.max ?? maxOf[row.kind])
}

const names = boundRows.map(({ name }) => name)
const keys = boundRows.map(({ key }) => key)

function unknownName(name: string, source: string, known: readonly string[]): AppError {
  const nearest = nearestName(name, known)
  return new AppError('ERR_USAGE', {
    problem: `${source}: there is no limit ${JSON.stringify(name)}`,
    next: nearest === undefined ? `limits are ${known.join(', ')}` : `did you mean ${nearest}?`,
  })
}

const examples: Readonly<Record<BoundKind, string>> = {
  count: '1, 2, 3, …',
  size: '512KiB, 64MiB or 1GiB',
  duration: '500ms, 10s, 5m or 2h',
}

function badValue(row: BoundRow, text: string, where: string): AppError {
  const off = row.mayBeOff === true ? ', or off' : ''
  const max = formatBound(row, row.max ?? maxOf[row.kind])
  return new AppError('ERR_USAGE', {
    problem: `${where} is ${JSON.stringify(text)}`,
    next: `write it as ${examples[row.kind]}${off}; the most is ${max}`,
  })
}

/** As `--limit` takes it, in the largest unit that leaves a whole number. */
export function formatBound({ kind }: Pick<BoundRow, 'kind'>, value: number): string {
  if (value === Infinity) return 'off'
  if (kind === 'count') return String(value)
  return kind === 'size' ? formatSize(value) : formatDuration(value)
}

/** What `--help` lists below the options. */
export function limitsHelp(): string {
  const cells = boundRows.map((row) => ({
    assigned: `${row.name}=${formatBound(row, row.default)}`,
    help: row.help,
  }))
  const width = Math.max(...cells.map(({ assigned }) => assigned.length))
  const lines = cells.map(({ assigned, help }) => `  ${assigned.padEnd(width)}  ${help}`)
  return `\nLimits, with their defaults (--limit NAME=VALUE; some may be off):\n${lines.join('\n')}`
}
