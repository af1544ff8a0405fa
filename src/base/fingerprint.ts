/**
 * A name for JSON values by their content, without writing them as JSON: of a prompt of a megabyte
 * nearly all is known already, and escaping it again is what would cost. Different values have
 * different names, as far as SHA-256 goes.
 */
import { hash } from 'node:crypto'

/** Throws where a value refers to itself, as JSON.stringify does. */
export function fingerprintOf(parts: readonly string[]): string {
  const whole = parts.join('')
  // Hashed as UTF-8, in which all lone surrogates would be one.
  const text = whole.isWellFormed() ? whole : JSON.stringify(whole)
  return hash('sha256', text, 'base64url')
}

/** One text for each value: every string is led by its length, so that none can pose as more. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return `s${value.length}:${value}`
  if (typeof value !== 'object' || value === null) return `${typeof value}:${String(value)};`
  if (Array.isArray(value)) return `a${value.length}:${value.map(describeValue).join('')}`
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) {
    return `j${describeValue(JSON.stringify(value))}`
  }
  const entries = Object.entries(value)
  const members = entries.map(([name, member]) => describeValue(name) + describeValue(member))
  return `o${entries.length}:${members.join('')}`
}
