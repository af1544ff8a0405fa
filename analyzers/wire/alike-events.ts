/**
 * Tells events of a stream that differ from the one before in one text alone, and in what nobody
 * reads: most events of an answer. Such an event need not be parsed to know what it adds. The
 * pattern is made of an event that was parsed and stands as JSON.stringify writes it, so that the
 * same text with other characters in that place is the same record with another text in it.
 */
import type { JsonRecord } from './json.ts'

/** Longer events are parsed: what they hold is seldom alike. */
const longestEvent = 2_048
/** Patterns that are made in vain before it is given up, beyond one for every event that fits. */
const freeLessons = 8

/** What differs: a text, or an integer that is not negative. */
interface Hole {
  readonly at: number
  readonly end: number
  readonly isText: boolean
  readonly isWanted: boolean
}

interface Pattern {
  readonly before: string
  readonly parts: ReadonlyArray<{
    readonly isText: boolean
    readonly isWanted: boolean
    /** What stands behind it, up to the next one or to the end. */
    readonly after: string
  }>
}

export interface AlikeEvents {
  /** The text in which `data` differs from the event that was learned last, if in nothing else. */
  textIn(data: string): string | undefined
  /** What comes next may be like `data`, but for the value of `field`, which is a text. */
  learn(data: string, record: JsonRecord, field: string): void
  /** What comes next is like nothing that was learned. */
  forget(): void
}

/** `ignored`: fields of the record itself that nobody reads and that are new with every event. */
export function createAlikeEvents(ignored: readonly string[]): AlikeEvents {
  let pattern: Pattern | undefined
  let lessons = 0
  let fitting = 0

  return {
    textIn(data) {
      const text = pattern === undefined ? undefined : match(pattern, unpadded(data))
      if (text !== undefined) fitting += 1
      return text
    },
    learn(padded, record, field) {
      const data = unpadded(padded)
      pattern = undefined
      if (data.length > longestEvent || lessons > freeLessons + fitting) return
      lessons += 1
      if (JSON.stringify(record) !== data) return
      const own = ignored.filter((name) => Object.hasOwn(record, name))
      pattern = patternOf(data, field, own)
    },
    forget() {
      pattern = undefined
    },
  }
}

/** Anthropic hides the length of what is said by spaces before the last bracket. */
function unpadded(data: string): string {
  const last = data.length - 1
  if (data.charCodeAt(last - 1) !== space || data.charCodeAt(last) !== closeRecord) return data
  let end = last
  while (data.charCodeAt(end - 1) === space) end -= 1
  return `${data.slice(0, end)}}`
}

/** Undefined where one of the fields stands in it twice. */
function patternOf(data: string, field: string, ignored: readonly string[]): Pattern | undefined {
  const holes: Hole[] = []
  for (const name of [field, ...ignored]) {
    const hole = holeAt(data, name, name === field)
    if (hole === 'ambiguous') return undefined
    if (hole !== undefined) holes.push(hole)
  }
  if (!holes.some(({ isWanted }) => isWanted)) return undefined
  holes.sort((a, b) => a.at - b.at)
  return {
    before: data.slice(0, holes[0]?.at),
    parts: holes.map(({ end, isText, isWanted }, index) => {
      return { isText, isWanted, after: data.slice(end, holes[index + 1]?.at) }
    }),
  }
}

/** In such a text a quote, a name, a quote and a colon are that name and nothing else. */
function holeAt(data: string, name: string, isWanted: boolean): Hole | 'ambiguous' | undefined {
  const opening = `"${name}":`
  const found = data.indexOf(opening)
  if (found === -1) return undefined
  if (data[found - 1] === '\\' || data.includes(opening, found + 1)) return 'ambiguous'
  const at = found + opening.length
  const isText = data[at] === '"'
  if (isText) return { at: at + 1, end: endOfAnyText(data, at + 1), isText, isWanted }
  const end = isWanted ? -1 : endOfCount(data, at)
  return end === -1 ? undefined : { at, end, isText, isWanted }
}

function match({ before, parts }: Pattern, data: string): string | undefined {
  if (data.length > longestEvent || !data.startsWith(before)) return undefined
  let at = before.length
  let text: string | undefined
  for (const { isText, isWanted, after } of parts) {
    const end = isText ? endOfPlainText(data, at) : endOfCount(data, at)
    if (end === -1 || !data.startsWith(after, end)) return undefined
    if (isWanted) text = data.slice(at, end)
    at = end + after.length
  }
  return at === data.length ? text : undefined
}

/** Where the text ends that begins at `from`: at its quote. -1 where anything in it is escaped. */
function endOfPlainText(data: string, from: number): number {
  for (let at = from; at < data.length; at += 1) {
    const code = data.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash || code < firstPlain) return -1
  }
  return -1
}

function endOfAnyText(data: string, from: number): number {
  let at = from
  while (at < data.length && data.charCodeAt(at) !== quote) {
    at += data.charCodeAt(at) === backslash ? 2 : 1
  }
  return at
}

/** Of an integer as JSON has it; -1 of anything else, and of what is not exact as a number. */
function endOfCount(data: string, from: number): number {
  let at = from
  while (isDigit(data.charCodeAt(at))) at += 1
  const length = at - from
  const isPadded = length > 1 && data.charCodeAt(from) === zero
  return length === 0 || length > exactDigits || isPadded ? -1 : at
}

function isDigit(code: number): boolean {
  return code >= zero && code <= zero + 9
}

const space = 0x20
const quote = 0x22
const closeRecord = 0x7d
const backslash = 0x5c
const zero = 0x30
/** What comes before must be escaped in JSON. */
const firstPlain = 0x20
const exactDigits = 15
