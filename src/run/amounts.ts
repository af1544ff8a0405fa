/**
 * Amounts and untrusted words as they stand in lines for people. Nothing here rounds a small value
 * to zero: a cost of a hundredth of a cent is shown as such.
 */
import { visibleLine } from '../base/visible-text.ts'

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `1,024`. */
export function formatCount(value: number): string {
  return grouped.format(value)
}

/** `1 call`, `2 calls`. */
export function formatPlural(value: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(value)} ${value === 1 ? singular : plural}`
}

/** `$1.23`, `$0.0123`, `$0.0000047`: two decimals from a dollar up, else two digits or more. */
export function formatUsd(usd: number): string {
  if (usd === 0) return '$0'
  if (usd >= 1)
    return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
  if (usd >= 0.01) return `$${usd.toFixed(4)}`
  return `$${usd.toLocaleString('en-US', { maximumSignificantDigits: 2, maximumFractionDigits: 20 })}`
}

/** `950 B`, `12.3 kB`, `1.2 MB`: powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const
  let value = bytes
  let unit = 0
  // 999.95 would be written as 1000.0.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** `210 ms`, `1.30 s`, `2 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 59_995) return `${(milliseconds / 1000).toFixed(2)} s`
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Text from the wire, made safe for one line and cut to `limit` UTF-16 units. */
export function formatWireText(text: string, limit = 80): string {
  return visibleLine(text.length > limit ? `${text.slice(0, limit)}…` : text)
}
