/**
 * Reading untrusted JSON (RFC 8259). What comes out can be written again and read again by every
 * sink: nesting is bounded, because JSON.stringify and schema checks recurse, no number is infinite,
 * because `1e999` parses to a value that JSON cannot hold, and there are so many records and lists at
 * most, because readers make something of each.
 */
import type { Json } from '../../src/messages/schema.ts'
import { jsonContainers, jsonDepth } from './bounds.ts'

export type JsonRecord = { readonly [key: string]: Json }
/** A record under construction. */
export type JsonDraft = { [key: string]: Json }

export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly problem: string }

/** Never throws. */
export function parseJson(text: string): ParsedJson {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return notWellFormed
  }
  return checkedJson(value)
}

export const notWellFormed = { ok: false, problem: 'not well-formed JSON' } as const

/** A value that was parsed, if every sink can write it. */
export function checkedJson(value: Json): ParsedJson {
  const problem = findProblem(value, 0, { left: jsonContainers })
  return problem === undefined ? { ok: true, value } : { ok: false, problem }
}

/** The record that `text` holds, or undefined. */
export function parseRecord(text: string): JsonRecord | undefined {
  const parsed = parseJson(text)
  return parsed.ok && isRecord(parsed.value) ? parsed.value : undefined
}

/**
 * As `parseRecord`, for what several analyzers read one after another: parsed once, and not to be
 * changed. What keeps a part of a record to add to it must parse one of its own.
 */
export function readRecord(text: string): JsonRecord | undefined {
  if (text.length > sharedLength) return parseRecord(text)
  if (latest?.text !== text) latest = { text, record: parseRecord(text) }
  return latest.record
}

/** UTF-16 units; what is longer is not kept for others. */
const sharedLength = 64 * 1024

let latest: { readonly text: string; readonly record: JsonRecord | undefined } | undefined

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as a record; an empty one if it is none. */
export function recordOf(value: Json | undefined): JsonRecord {
  return isRecord(value) ? value : {}
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

export function recordsOf(value: Json | undefined): JsonRecord[] {
  return listOf(value).filter(isRecord)
}

/** Adds the items of a list that may be longer than a call can have arguments. */
export function appendAll<T>(list: T[], more: Iterable<T>): void {
  for (const item of more) list.push(item)
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A count: a non-negative safe integer, or undefined. */
export function countOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** Sets an own key, `__proto__` too, which plain assignment would take as the prototype. */
export function setOwn(record: JsonDraft, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(record, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    })
  } else {
    record[key] = value
  }
}

/** Copies the own keys of `from` but those in `except`. */
export function assignOwn(
  record: JsonDraft,
  from: JsonRecord,
  except: ReadonlySet<string> = new Set(),
): void {
  for (const key of Object.keys(from)) {
    if (!except.has(key)) setOwn(record, key, from[key] ?? null)
  }
}

/** A draft of a record that can be changed without changing `from`; its values are shared. */
export function draftOf(from: JsonRecord, except: ReadonlySet<string> = new Set()): JsonDraft {
  const draft: JsonDraft = {}
  assignOwn(draft, from, except)
  return draft
}

/** `room`: how many more records and lists there may be. */
function findProblem(value: Json, depth: number, room: { left: number }): string | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : 'a number that JSON cannot hold'
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= jsonDepth) return 'nested too deeply'
  room.left -= 1
  if (room.left < 0) return 'more records and lists than the limit'
  // Without a list of all values for every record: this walks through all that is ever parsed.
  if (isList(value)) {
    for (const item of value) {
      const problem = findProblem(item, depth + 1, room)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  for (const key of Object.keys(value)) {
    const problem = findProblem(value[key] ?? null, depth + 1, room)
    if (problem !== undefined) return problem
  }
  return undefined
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
