/**
 * Masks secrets in a JSON value that was put together from pieces, each of which was harmless by
 * itself: in its texts, and in its fields by their names.
 */
import { maskText } from './content-mask.ts'
import type { ContentRedaction } from './content-secrets.ts'
import { isCredentialName } from './credential-fields.ts'
import { redacted } from './redaction.ts'

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value }

/** The same value if there is nothing to mask in it. */
export function maskJson(value: Value, mode: ContentRedaction): Value {
  if (typeof value === 'string') return maskText(value, mode)
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return maskList(value, mode)
  let masked: { [key: string]: Value } | undefined
  for (const [key, held] of Object.entries(value)) {
    const isSecret = typeof held === 'string' && held !== '' && isCredentialName(key)
    const next = isSecret ? redacted : maskJson(held, mode)
    if (next === held) continue
    masked ??= { ...value }
    // Plain assignment would take `__proto__` as the prototype.
    Object.defineProperty(masked, key, { value: next, enumerable: true, configurable: true })
  }
  return masked ?? value
}

function isList(value: object): value is readonly Value[] {
  return Array.isArray(value)
}

function maskList(list: readonly Value[], mode: ContentRedaction): Value {
  let masked: Value[] | undefined
  for (const [index, item] of list.entries()) {
    const next = maskJson(item, mode)
    if (next === item) continue
    masked ??= [...list]
    masked[index] = next
  }
  return masked ?? list
}
