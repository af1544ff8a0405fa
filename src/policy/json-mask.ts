/**
 * Masks secrets in a JSON value that was put together from pieces, each of which was harmless by
 * itself: in its texts, and in its fields by their names.
 */
import { maskText } from './content-mask.ts'
import type { ContentRedaction } from './content-secrets.ts'
import { isCredentialName } from './content-secrets.ts'
import { redacted } from './redaction.ts'

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value }

/** The same value if there is nothing to mask in it. */
export function maskJson(value: Value, mode: ContentRedaction): Value {
  if (typeof value === 'string') return maskText(value, mode)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map((item: Value) => maskJson(item, mode))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  let isChanged = false
  const masked: Record<string, Value> = Object.create(null) as Record<string, Value>
  for (const [key, held] of Object.entries(value)) {
    const isSecret = typeof held === 'string' && held !== '' && isCredentialName(key)
    const next = isSecret ? redacted : maskJson(held, mode)
    if (next !== held) isChanged = true
    Object.defineProperty(masked, key, { value: next, enumerable: true, configurable: true })
  }
  return isChanged ? { ...masked } : value
}
