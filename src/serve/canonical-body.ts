/**
 * A request's body in the form in which two of them are compared: JSON with its keys in order and
 * without what is volatile (`volatile.ts`), forms in order, multipart without its boundary, all
 * else as text. Equal bodies have equal digests; where a recording was masked, it is compared.
 */
import { createHash } from 'node:crypto'

import type { Json } from '../messages/schema.ts'
import { isSecretParameter, redacted } from '../policy/redaction.ts'
import type { JsonPath, PathState } from './json-path.ts'
import { beginPaths, followPaths, parseJsonPath } from './json-path.ts'
import {
  maskVolatileText,
  systemFields,
  systemRoles,
  volatileNames,
  volatilePaths,
} from './volatile.ts'

/** `undefined` is no body at all. */
export type CanonicalBody =
  | { readonly kind: 'json'; readonly value: Json }
  | { readonly kind: 'text'; readonly value: string }
  | undefined

/** What is left out: nothing, or what is volatile with the fields that the user names. */
export interface Leniency {
  readonly masksVolatile: boolean
  readonly ignored: readonly JsonPath[]
}

/** Deeper values are compared as text: no request of a model comes near it. */
const maxDepth = 200

const builtInPaths = volatilePaths.map(parseJsonPath)

/** Compares byte for byte, but for the order of keys and the spaces between them. */
export function exactly(ignored: readonly JsonPath[]): Leniency {
  return { masksVolatile: false, ignored }
}

export function leniently(ignored: readonly JsonPath[]): Leniency {
  return { masksVolatile: true, ignored: [...builtInPaths, ...ignored] }
}

/** `body` with its content codings undone; `mediaType` is the whole Content-Type. */
export function canonicalBody(body: Buffer, mediaType: string, leniency: Leniency): CanonicalBody {
  if (body.length === 0) return undefined
  const text = body.toString('utf8')
  const json = /^\s*[[{"]/u.test(text) ? canonicalJson(text, leniency) : undefined
  if (json !== undefined) return json
  if (/^\s*application\/x-www-form-urlencoded/iu.test(mediaType)) {
    return { kind: 'json', value: canonicalPairs(text) }
  }
  const boundary = /;\s*boundary="?([^";]{1,200})"?/iu.exec(mediaType)?.[1]
  if (boundary !== undefined) {
    return { kind: 'text', value: text.replaceAll(boundary, '<boundary>') }
  }
  // Bytes that are no text would all become the same replacement character.
  return { kind: 'text', value: body.includes(0) ? body.toString('latin1') : text }
}

/** Whatever its Content-Type says: clients forget it. Undefined where it is no JSON. */
function canonicalJson(text: string, leniency: Leniency): CanonicalBody {
  try {
    const walk = new Walk(leniency)
    const value = walk.value(JSON.parse(text) as Json, beginPaths(leniency.ignored), 0, false)
    return { kind: 'json', value }
  } catch {
    // No JSON, or deeper than any request is.
    return undefined
  }
}

/** Of a query or a form: names in order, secret values left out. */
export function canonicalPairs(text: string): Array<[string, string]> {
  return [...new URLSearchParams(text)]
    .filter(([name]) => !isSecretParameter(name))
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
}

export function digestOf(body: CanonicalBody): string {
  const text = body === undefined ? '' : `${body.kind} ${JSON.stringify(body.value)}`
  return createHash('sha256').update(text).digest('base64')
}

/** Masks as redaction leaves them: a marker with stars up to the length, or stars alone. */
const mask = new RegExp(
  `${redacted.replaceAll(/[[\]]/gu, String.raw`\$&`)}\\**|(?<!\\*)\\*{8,9}(?!\\*)`,
  'u',
)
/** A short value that was masked whole. */
const stars = /"\*{1,9}"/u
const maskEverywhere = new RegExp(mask.source, 'gu')

/** Whether a body may hold masks; `***` of a text may look like one, which does no harm. */
export function hasMask(body: Buffer): boolean {
  if (body.includes(redacted)) return true
  return (
    body.includes('*') &&
    (mask.test(body.toString('latin1')) || stars.test(body.toString('latin1')))
  )
}

/** Whether a recorded text is that of a request: where it was masked, anything may stand. */
export function matchesMasked(recorded: string, asked: string): boolean {
  if (recorded === asked) return true
  if (/^\*{1,9}$/u.test(recorded)) return true
  const pieces = recorded.split(maskEverywhere)
  const [first = '', ...middle] = pieces
  const last = middle.pop()
  if (last === undefined || !asked.startsWith(first)) return false
  let at = first.length
  for (const piece of middle) {
    const found = asked.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return asked.length - last.length >= at && asked.endsWith(last)
}

class Walk {
  readonly #leniency: Leniency

  constructor(leniency: Leniency) {
    this.#leniency = leniency
  }

  value(value: Json, states: readonly PathState[], depth: number, isSystem: boolean): Json {
    if (depth > maxDepth) throw new RangeError('too deep')
    if (typeof value === 'string') {
      return this.#leniency.masksVolatile ? maskVolatileText(value, isSystem) : value
    }
    if (typeof value !== 'object' || value === null) return value
    if (isList(value)) {
      return value.map((item, index) => {
        const { states: below, isEnd } = followPaths(states, index)
        // Kept in its place, so that those behind it stay in theirs.
        return isEnd ? null : this.value(item, below, depth + 1, isSystem)
      })
    }
    return this.#object(value, states, depth, isSystem)
  }

  #object(
    value: { readonly [key: string]: Json },
    states: readonly PathState[],
    depth: number,
    isSystem: boolean,
  ): Json {
    const speaks = isSystem || systemRoles.has(value['role'])
    const entries: Array<[string, Json]> = []
    for (const key of Object.keys(value).sort(compare)) {
      const held = value[key]
      const { states: below, isEnd } = followPaths(states, key)
      if (held === undefined || isEnd || this.#isVolatile(key, held)) continue
      const isPrompt = speaks || (depth < 2 && systemFields.has(key))
      entries.push([key, this.value(held, below, depth + 1, isPrompt)])
    }
    // Own fields whatever they are called: a key may be `__proto__`.
    return Object.fromEntries(entries)
  }

  #isVolatile(key: string, value: Json): boolean {
    const isScalar = typeof value !== 'object' || value === null
    return this.#leniency.masksVolatile && isScalar && volatileNames.has(key)
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** By code units: the same everywhere, whatever the language of the system. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
