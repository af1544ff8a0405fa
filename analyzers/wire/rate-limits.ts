/**
 * Rate-limit header fields of the providers, read into one shape. Names and units differ: OpenAI
 * and Groq give resets as durations (`6m0s`, `120ms`), Anthropic as RFC 3339 times, its plans and
 * the IETF draft (draft-ietf-httpapi-ratelimit-headers) as seconds. What cannot be read is left out.
 */
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs, RateLimits } from '../../src/messages/schema.ts'
import { rateLimitKinds } from './bounds.ts'

type Limit = {
  -readonly [K in keyof RateLimits['limits'][number]]: RateLimits['limits'][number][K]
}
type Field = 'limit' | 'remaining' | 'reset' | 'utilization'

/** Undefined if the answer says nothing of limits. `at` is when it began, in epoch milliseconds. */
export function readRateLimits(headers: HeaderPairs, at: number): RateLimits | undefined {
  const limits = new Map<string, Limit>()
  for (const [name, value] of headers) {
    const read = knownField(name)
    if (read === undefined) continue
    const limit = limits.get(read.of) ?? { of: read.of }
    if (!setField(limit, read.field, value.trim(), at)) continue
    if (limits.has(read.of) || limits.size < rateLimitKinds) limits.set(read.of, limit)
  }
  const retryAfterMs = readRetryAfter(headers, at)
  if (limits.size === 0 && retryAfterMs === undefined) return undefined
  return {
    limits: [...limits.values()],
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

interface NamedField {
  readonly of: string
  readonly field: Field
}

/** Each knows one family of names; the first that matches decides. */
const families: ReadonlyArray<(name: string) => NamedField | undefined> = [
  // anthropic-ratelimit-input-tokens-remaining, anthropic-ratelimit-unified-5h-reset
  (name) => named(/^anthropic-ratelimit-(?<of>[a-z\d_-]+)-(?<field>[a-z]+)$/u.exec(name)),
  // x-ratelimit-limit-tokens, x-ratelimit-remaining-req-minute (Mistral)
  (name) => named(/^x-ratelimit-(?<field>[a-z]+)-(?<of>[a-z\d_-]+)$/u.exec(name)),
  // x-ms-ratelimit-remaining-tokens (Azure)
  (name) => named(/^x-ms-ratelimit-(?<field>[a-z]+)-(?<of>[a-z\d_-]+)$/u.exec(name)),
  // ratelimitbysize-remaining (Mistral)
  (name) => named(/^(?:x-)?ratelimit(?<of>bysize)-(?<field>[a-z]+)$/u.exec(name)),
  // ratelimit-remaining, x-ratelimit-reset (OpenRouter, GitHub and others)
  (name) => named(/^(?:x-)?ratelimit-(?<field>[a-z]+)$/u.exec(name)),
]

/** What has been found out about names: servers use few. Emptied when it is full. */
const knownFields = new Map<string, NamedField | undefined>()
const maxKnownFields = 1_024
/** Longer names are not kept. */
const keptNameLength = 64

function knownField(name: string): NamedField | undefined {
  if (name.length > keptNameLength) return fieldOf(name.toLowerCase())
  const known = knownFields.get(name)
  if (known !== undefined || knownFields.has(name)) return known
  if (knownFields.size >= maxKnownFields) knownFields.clear()
  const field = fieldOf(name.toLowerCase())
  knownFields.set(name, field)
  return field
}

function fieldOf(name: string): NamedField | undefined {
  if (!name.includes('ratelimit')) return undefined
  for (const family of families) {
    const field = family(name)
    if (field !== undefined) return field
  }
  return undefined
}

function named(match: RegExpExecArray | null): NamedField | undefined {
  const field = match?.groups?.['field']
  if (field === undefined || !isField(field)) return undefined
  const of = match?.groups?.['of'] ?? 'requests'
  return { of: kindNames[of] ?? of, field }
}

/** Other names for the kinds that most providers have. */
const kindNames: Readonly<Record<string, string>> = {
  bysize: 'tokens',
  input_tokens: 'input-tokens',
  output_tokens: 'output-tokens',
  prompt_tokens: 'input-tokens',
  'tokens-prompt': 'input-tokens',
  'tokens-generated': 'output-tokens',
}

function isField(text: string): text is Field {
  return text === 'limit' || text === 'remaining' || text === 'reset' || text === 'utilization'
}

function setField(limit: Limit, field: Field, value: string, at: number): boolean {
  const read = field === 'reset' ? readReset(value, at) : readAmount(value)
  if (read === undefined) return false
  limit[field === 'reset' ? 'resetAt' : field] = read
  return true
}

/** The IETF draft lets a policy follow the number. */
function readAmount(value: string): number | undefined {
  const text = /^\d+(?:\.\d+)?(?=$|[;,])/u.exec(value)?.[0]
  return text === undefined ? undefined : finite(Number(text))
}

function readReset(value: string, at: number): number | undefined {
  if (/^\d+(?:\.\d+)?$/u.test(value)) return resetFromNumber(Number(value), at)
  const duration = readDuration(value)
  if (duration !== undefined) return safe(at + duration)
  return /^\d{4}-\d\d-\d\dT/u.test(value) ? safe(Date.parse(value)) : undefined
}

/** A bare number is a time in milliseconds or seconds since the epoch, or seconds from now. */
function resetFromNumber(value: number, at: number): number | undefined {
  if (value >= 1e11) return safe(value)
  return value >= 1e9 ? safe(value * 1_000) : safe(at + value * 1_000)
}

const unitMs: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000_001,
}

/** A duration as Go writes it. */
function readDuration(value: string): number | undefined {
  if (value.length > 64 || !/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/u.test(value)) {
    return undefined
  }
  let total = 0
  for (const [, amount, unit = ''] of value.matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/gu)) {
    total += Number(amount) * (unitMs[unit] ?? 0)
  }
  return total
}

/** RFC 9110 §10.2.3, and the finer `retry-after-ms` of OpenAI and Azure. */
function readRetryAfter(headers: HeaderPairs, at: number): number | undefined {
  const fine = headerValues(headers, 'retry-after-ms').at(-1)?.trim() ?? ''
  if (/^\d+(?:\.\d+)?$/u.test(fine)) return safe(Number(fine))
  const value = headerValues(headers, 'retry-after').at(-1)?.trim() ?? ''
  if (/^\d+(?:\.\d+)?$/u.test(value)) return safe(Number(value) * 1_000)
  // HTTP dates begin with the name of a day.
  if (!/^[a-z]{3,9},? /iu.test(value)) return undefined
  return safe(Math.max(0, Date.parse(value) - at))
}

function safe(value: number): number | undefined {
  const rounded = Math.round(value)
  return Number.isSafeInteger(rounded) && rounded >= 0 ? rounded : undefined
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}
