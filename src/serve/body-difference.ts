/**
 * Where two canonical bodies differ: how often, and first at which JSON path. Values are shortened
 * around the place where they part, and safe to print.
 */
import { visibleLine } from '../base/visible-text.ts'
import type { Json } from '../messages/schema.ts'
import type { CanonicalBody } from './canonical-body.ts'
import { matchesMasked } from './canonical-body.ts'

export interface Difference {
  /** JSON path, safe to print. */
  readonly path: string
  /** Shortened JSON; undefined where there is no such value. */
  readonly recorded: string | undefined
  readonly asked: string | undefined
}

export interface Comparison {
  /** Values that differ; counting ends at `limit`. */
  readonly count: number
  readonly first: Difference | undefined
}

type Value = Json | undefined

/** No more than `limit` differences are counted. */
export function compareBodies(
  recorded: CanonicalBody,
  asked: CanonicalBody,
  limit = 10_000,
): Comparison {
  const found: { count: number; first: Difference | undefined } = { count: 0, first: undefined }
  const report = (path: string, a: Value, b: Value): void => {
    found.count += 1
    found.first ??= { path: visibleLine(path), ...shortened(a, b) }
  }
  const walk = (path: string, a: Value, b: Value): void => {
    if (found.count >= limit || a === b) return
    if (typeof a === 'string' && typeof b === 'string') {
      if (!matchesMasked(a, b)) report(path, a, b)
    } else if (Array.isArray(a) && Array.isArray(b)) {
      for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
        walk(`${path}[${index}]`, a[index] as Value, b[index] as Value)
      }
    } else if (isRecord(a) && isRecord(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        walk(`${path}${keyText(key)}`, own(a, key), own(b, key))
      }
    } else report(path, a, b)
  }
  walk('$', recorded?.value, asked?.value)
  return found
}

function isRecord(value: Value): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function own(value: { readonly [key: string]: Json }, key: string): Value {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

function keyText(key: string): string {
  return /^[a-z_$][\w$-]{0,60}$/iu.test(key) ? `.${key}` : `[${JSON.stringify(cut(key, 60))}]`
}

/** Characters shown of a value. */
const shownLength = 60
/** Of those, what stands before the place where two texts part. */
const shownBefore = 20

function shortened(a: Value, b: Value): Pick<Difference, 'recorded' | 'asked'> {
  if (typeof a !== 'string' || typeof b !== 'string') {
    return { recorded: shown(a), asked: shown(b) }
  }
  let parting = 0
  while (parting < a.length && a[parting] === b[parting]) parting += 1
  const from = parting <= shownBefore * 2 ? 0 : parting - shownBefore
  return { recorded: shown(window(a, from)), asked: shown(window(b, from)) }
}

function window(text: string, from: number): string {
  return from === 0 ? text : `…${text.slice(from)}`
}

function shown(value: Value): string | undefined {
  if (value === undefined) return undefined
  // Only its beginning is shown, and a value may be megabytes.
  if (typeof value === 'string') return visibleLine(JSON.stringify(cut(value, shownLength)))
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isRecord(value))
    return cut(
      visibleLine(`an object with ${Object.keys(value).slice(0, 8).join(', ')}`),
      shownLength * 2,
    )
  return JSON.stringify(value)
}

function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text
}
