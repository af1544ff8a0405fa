/**
 * Takes the values of stored secrets out of JSON, out of its texts and its names, by characters of
 * the same number. What it is not told to look for it does not see: other secrets are masked
 * elsewhere (`content-mask.ts`).
 */
import { maskRanges } from './content-mask.ts'
import type { FoundValue, ValueFinder } from './value-scanner.ts'

export type OnValue = (value: FoundValue) => void

/** Deeper than any message of a program; what is nested deeper is left out. */
const deepest = 1_000

/** Not by recursion: JSON of a body may be nested deeper than the stack. */
export function holdsValue(root: unknown, values: ValueFinder): boolean {
  const rest: unknown[] = [root]
  while (rest.length > 0) {
    const value = rest.pop()
    if (typeof value === 'string') {
      if (values.find(value).length > 0) return true
    } else if (Array.isArray(value)) {
      for (const item of value as unknown[]) rest.push(item)
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, held] of Object.entries(value)) rest.push(key, held)
    }
  }
  return false
}

/** A copy without them; `found` hears of each. */
export function maskValues(
  value: unknown,
  values: ValueFinder,
  found: OnValue,
  depth = 0,
): unknown {
  if (typeof value === 'string') return maskValuesIn(value, values, found)
  if (typeof value !== 'object' || value === null) return value
  if (depth > deepest) return null
  const next = (held: unknown): unknown => maskValues(held, values, found, depth + 1)
  if (Array.isArray(value)) return value.map(next)
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [maskValuesIn(key, values, found), next(held)]),
  )
}

/** The same text where none stands in it; else one of the same length. */
export function maskValuesIn(text: string, values: ValueFinder, found?: OnValue): string {
  const all = values.find(text)
  if (found !== undefined) for (const value of all) found(value)
  return maskRanges(text, all)
}
