/** Reading header pairs as messages and exchanges carry them (RFC 9110 §5): names without case. */
import type { HeaderPairs } from './schema.ts'

/**
 * Whether a field has this name; `lower` is in lower case. Lengths are compared first: for nearly
 * every field that is all there is to do.
 */
export function isNamed(name: string, lower: string): boolean {
  return name.length === lower.length && name.toLowerCase() === lower
}

/** All values of a field, in order. */
export function headerValues(pairs: HeaderPairs, name: string): string[] {
  const lower = name.toLowerCase()
  const values: string[] = []
  for (const pair of pairs) if (isNamed(pair[0], lower)) values.push(pair[1])
  return values
}
