/**
 * Values as the viewer prints them: times, durations, tokens, money, bytes, and text cut or padded
 * to a number of terminal cells. Pure. Nothing here knows a row or a component.
 *
 * Text from the wire must enter through `safeLine` (one line) or `safeText` (several): both make
 * control characters visible and bound the combining marks that one character can stack up.
 */
import stringWidth from 'string-width'

import { visibleLine, visibleText } from '../base/visible-text.ts'
import type { Cost } from '../messages/schema.ts'

/** Marks a character may carry: real scripts use up to three; a flood would paint over its neighbours. */
const markFlood = /(\p{M}{3})\p{M}+/gu
/** A mark without a base would be drawn onto the cell before it. */
const leadingMark = /^(?=\p{M})/u
const leadingMarks = /^(?=\p{M})/gmu

/** One safe line of untrusted text; only its first `maxCharacters` UTF-16 units are looked at. */
export function safeLine(text: string, maxCharacters = 4096): string {
  const head = text.length > maxCharacters ? text.slice(0, maxCharacters) : text
  return visibleLine(head).replaceAll(markFlood, '$1').replace(leadingMark, '\u25cc')
}

/** Like `safeLine` for previews: runs of white space, line breaks too, become one space. */
export function safePreview(text: string, maxCharacters = 1024): string {
  const head = text.length > maxCharacters ? text.slice(0, maxCharacters) : text
  return safeLine(head.replaceAll(/\s+/gu, ' ').trim())
}

/** Safe text that keeps its line breaks. */
export function safeText(text: string): string {
  return visibleText(text).replaceAll(markFlood, '$1').replaceAll(leadingMarks, '\u25cc')
}

/** Terminal cells that `text` takes. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

const segmenter = new Intl.Segmenter()
/** Printable ASCII: one cell for each UTF-16 unit. */
const plainAscii = /^[\u0020-\u007e]*$/u

export function isPlainAscii(text: string): boolean {
  return plainAscii.test(text)
}

/** The user-perceived characters of `text`, which are never cut in two. */
export function* graphemes(text: string): Generator<string> {
  for (const { segment } of segmenter.segment(text)) yield segment
}

/** The longest start of `text` that fits `width` cells, with `…` as its last cell where it was cut. */
export function truncateEnd(text: string, width: number): string {
  if (width <= 0) return ''
  // Only so much can fit; measuring a megabyte to show eighty cells would stall the screen.
  const head = text.length > width * 8 + 64 ? text.slice(0, width * 8 + 64) : text
  if (head === text && displayWidth(text) <= width) return text
  if (isPlainAscii(head)) return `${head.slice(0, width - 1).trimEnd()}…`
  let kept = ''
  let used = 0
  for (const segment of graphemes(head)) {
    const cells = displayWidth(segment)
    if (used + cells > width - 1) break
    kept += segment
    used += cells
  }
  return `${kept.trimEnd()}…`
}

/** The longest end of `text` that fits `width` cells, with `…` before it where it was cut. */
export function truncateStart(text: string, width: number): string {
  if (width <= 0) return ''
  if (text.length <= width * 8 && displayWidth(text) <= width) return text
  const segments = [...graphemes(text.slice(-(width * 8)))]
  let kept = ''
  let used = 0
  for (let index = segments.length - 1; index >= 0; index -= 1) {
    const segment = segments[index] ?? ''
    const cells = displayWidth(segment)
    if (used + cells > width - 1) break
    kept = segment + kept
    used += cells
  }
  return `…${kept.trimStart()}`
}

/** `text` in exactly `width` cells: cut with `…`, or padded with spaces. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = truncateEnd(text, width)
  const padding = ' '.repeat(Math.max(0, width - displayWidth(cut)))
  return align === 'left' ? cut + padding : padding + cut
}

/** Local wall-clock time, `HH:MM:SS`. */
export function formatTime(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')
}

/** At most six cells: `345ms`, `1.2s`, `59.9s`, `12m05s`, `3h07m`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${twoDigits(seconds % 60)}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 6000) return `${Math.floor(minutes / 60)}h${twoDigits(minutes % 60)}m`
  return `${Math.floor(minutes / 1440)}d`
}

/** At most five cells: `999`, `1.2k`, `123k`, `1.2M`. */
export function formatTokens(tokens: number): string {
  return scaled(tokens, 1000, ['', 'k', 'M', 'G', 'T'])
}

/** Decimal bytes: `512 B`, `1.2 kB`, `34 MB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1000, [' B', ' kB', ' MB', ' GB', ' TB'])
}

/** A plain number with thousands separators, the same in every locale. */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/gu, ',')
}

/** `1 call`, `2 calls`. */
export function formatPlural(count: number, singular: string): string {
  return `${formatCount(count)} ${count === 1 ? singular : `${singular}s`}`
}

/** `$0.0123`, `$4.56`, `$1,234`; an amount below what can be shown reads `<$0.0001`. */
export function formatUsd(usd: number): string {
  if (usd === 0) return '$0'
  if (usd < 0.000_05) return '<$0.0001'
  if (usd < 0.999_95) return `$${usd.toFixed(4)}`
  if (usd < 99.995) return `$${usd.toFixed(2)}`
  return `$${formatCount(usd)}`
}

/** Like `formatUsd` where there is room: `$0.0000034`, and nothing is too little to be shown. */
export function formatUsdInFull(usd: number): string {
  if (usd === 0 || usd >= 0.000_95) return formatUsd(usd)
  return `$${usd.toLocaleString('en-US', { maximumSignificantDigits: 2, maximumFractionDigits: 20 })}`
}

/** The cost of one call: `~` marks an estimate, `?` an unknown price; empty while there is none. */
export function formatCost(cost: Cost | undefined): string {
  if (cost === undefined) return ''
  if (cost.confidence === 'unknown' || cost.usd === undefined) return '?'
  return cost.confidence === 'estimated' ? `~${formatUsd(cost.usd)}` : formatUsd(cost.usd)
}

/** What is known of a sum of costs, and what of it is not. */
export interface SpendSum {
  readonly usd: number
  /** Costs in `usd`. */
  readonly known: number
  /** Of those, how many are estimates. */
  readonly estimated: number
  /** Calls whose price is unknown; they are not in `usd`. */
  readonly unknown: number
}

/** Such as `~$1.23 + 2 unknown`; an unknown price is never shown as zero. */
export function formatSpend(spend: SpendSum): string {
  if (spend.known === 0) return spend.unknown === 0 ? '–' : '?'
  const amount = `${spend.estimated > 0 ? '~' : ''}${formatUsd(Math.max(0, spend.usd))}`
  return spend.unknown === 0 ? amount : `${amount} + ${formatCount(spend.unknown)} unknown`
}

/** Like `formatSpend` for a narrow column: `~$0.0123+?`. */
export function formatSpendShort(spend: SpendSum): string {
  if (spend.known === 0) return spend.unknown === 0 ? '' : '?'
  const amount = `${spend.estimated > 0 ? '~' : ''}${formatUsd(Math.max(0, spend.usd))}`
  return spend.unknown === 0 ? amount : `${amount}+?`
}

function twoDigits(value: number): string {
  return value.toString().padStart(2, '0')
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value
  let unit = 0
  // 999.5 would round up to "1000k".
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step
    unit += 1
  }
  const digits = unit > 0 && rest < 99.95 ? rest.toFixed(1) : Math.round(rest).toString()
  return `${digits}${units[unit] ?? ''}`
}
