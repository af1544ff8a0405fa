/**
 * Masks secrets in a JSON value that was put together from pieces, each of which was harmless by
 * itself: in its texts, and in its fields by their names.
 */
import { maskText } from './content-mask.ts'
import type { OnFound } from './content-mask.ts'
import type { ContentRedaction } from './content-secrets.ts'
import { isCredentialName } from './credential-fields.ts'
import { redacted } from './redaction.ts'

/** The same value if there is nothing to mask in it. `known` are values that are secret anywhere. */
export function maskJson<T>(
  value: T,
  mode: ContentRedaction,
  known: readonly string[] = [],
  onFound?: OnFound,
): T {
  return maskValue(value, { mode, known, onFound }) as T
}

interface Search {
  readonly mode: ContentRedaction
  readonly known: readonly string[]
  readonly onFound: OnFound | undefined
}

function maskValue(value: unknown, search: Search): unknown {
  if (typeof value === 'string') return maskText(value, search.mode, search.known, search.onFound)
  if (typeof value !== 'object' || value === null) return value
  return isList(value) ? maskList(value, search) : maskRecord(value, search)
}

function isList(value: object): value is readonly unknown[] {
  return Array.isArray(value)
}

function maskList(list: readonly unknown[], search: Search): readonly unknown[] {
  let masked: unknown[] | undefined
  for (let index = 0; index < list.length; index += 1) {
    const item = list[index]
    const next = maskValue(item, search)
    if (next === item) continue
    masked ??= [...list]
    masked[index] = next
  }
  return masked ?? list
}

function maskRecord(record: object, search: Search): object {
  let masked: object | undefined
  const fields = record as { readonly [key: string]: unknown }
  // Without a pair for every field: all that is merged goes through here.
  for (const key of Object.keys(fields)) {
    const held = fields[key]
    const isSecret = typeof held === 'string' && held !== '' && isCredentialName(key)
    const next = isSecret ? redacted : maskValue(held, search)
    if (next === held) continue
    masked ??= { ...record }
    // Plain assignment would take `__proto__` as the prototype.
    Object.defineProperty(masked, key, { value: next, enumerable: true, configurable: true })
  }
  return masked ?? record
}
