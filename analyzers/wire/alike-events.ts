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
  readonly name: string
}

interface Pattern {
  readonly before: string
  readonly parts: ReadonlyArray<{
    readonly isText: boolean
    readonly role: 'wanted' | 'noted' | 'ignored'
    readonly name: string
    /** What stands behind it, up to the next one or to the last bracket. */
    readonly after: string
  }>
}

export interface AlikeEvents {
  /** The text in which `data` differs from the event that was learned last, if in nothing else. */
  textIn(data: string): string | undefined
  /** Of the event of which `textIn` gave the text: what stood under one of `noted`, as it stood. */
  noted(name: string): string | undefined
  /** What comes next may be like `data`, but for the value of `field`, which is a text. */
  learn(data: string, record: JsonRecord, field: string, more?: Lesson): void
  /** What comes next is like nothing that was learned. */
  forget(): void
}

interface Lesson {
  /** How often `field` stands in it, always with the same text; once unless told. */
  readonly places?: number | undefined
  /** Texts and counts that may differ as well, if each stands in it once. */
  readonly noted?: readonly string[] | undefined
}

/** `ignored`: fields of the record itself that nobody reads and that are new with every event. */
export function createAlikeEvents(ignored: readonly string[]): AlikeEvents {
  let pattern: Pattern | undefined
  let lessons = 0
  let fitting = 0
  const notes = new Map<string, string>()

  return {
    textIn(data) {
      const text = pattern === undefined ? undefined : match(pattern, data, notes)
      if (text !== undefined) fitting += 1
      return text
    },
    noted: (name) => notes.get(name),
    learn(padded, record, field, { places = 1, noted = [] } = {}) {
      const data = unpadded(padded)
      pattern = undefined
      notes.clear()
      if (data.length > longestEvent || lessons > freeLessons + fitting) return
      lessons += 1
      if (JSON.stringify(record) !== data) return
      const own = ignored.filter((name) => Object.hasOwn(record, name))
      pattern = patternOf(data, { field, places }, noted, own)
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

/** Undefined where the text does not stand in it as often as is said. */
function patternOf(
  data: string,
  { field, places }: { readonly field: string; readonly places: number },
  noted: readonly string[],
  ignored: readonly string[],
): Pattern | undefined {
  const holes = holesAt(data, field, true)
  if (holes.length !== places || holes.some(({ end }) => end === -1)) return undefined
  for (const name of [...noted, ...ignored]) {
    const [hole, another] = holesAt(data, name, false)
    if (hole !== undefined && hole.end !== -1 && another === undefined) holes.push(hole)
  }
  holes.sort((a, b) => a.at - b.at)
  return {
    before: data.slice(0, holes[0]?.at),
    parts: holes.map(({ end, isText, name }, index) => {
      const next = holes[index + 1]?.at ?? data.length - 1
      const other = noted.includes(name) ? 'noted' : 'ignored'
      const role = name === field ? 'wanted' : other
      return { isText, role, name, after: data.slice(end, next) }
    }),
  }
}

/**
 * In such a text a quote, a name, a quote and a colon are that name and nothing else. Where
 * something else stands than what may differ, there is no end.
 */
function holesAt(data: string, name: string, isWanted: boolean): Hole[] {
  const holes: Hole[] = []
  const opening = `"${name}":`
  for (let found = data.indexOf(opening); found !== -1; found = data.indexOf(opening, found + 1)) {
    // The end of another name.
    if (data[found - 1] === '\\') continue
    const at = found + opening.length
    const isText = data[at] === '"'
    if (isText) holes.push({ at: at + 1, end: endOfAnyText(data, at + 1), isText, name })
    else holes.push({ at, end: isWanted ? -1 : endOfCount(data, at), isText, name })
  }
  return holes
}

function match(
  { before, parts }: Pattern,
  data: string,
  notes: Map<string, string>,
): string | undefined {
  if (data.length > longestEvent || !standsAt(data, before, 0)) return undefined
  let at = before.length
  let wanted: string | undefined
  let isPlain = true
  for (const { isText, role, name, after } of parts) {
    let end = isText ? endOfPlainText(data, at) : endOfCount(data, at)
    if (end === -1 && role === 'wanted') {
      end = endOfText(data, at)
      isPlain = false
    }
    if (end === -1 || !standsAt(data, after, end)) return undefined
    if (role === 'noted') notes.set(name, data.slice(at, end))
    if (role === 'wanted') {
      const text = data.slice(at, end)
      if (wanted !== undefined && wanted !== text) return undefined
      wanted = text
    }
    at = end + after.length
  }
  if (!endsAt(data, at) || wanted === undefined) return undefined
  return isPlain ? wanted : unescaped(wanted)
}

/** As `startsWith` from a place, which takes ten times as long. */
function standsAt(data: string, part: string, at: number): boolean {
  return data.slice(at, at + part.length) === part
}

/** Whether nothing follows but the last bracket, and the spaces that may be before it. */
function endsAt(data: string, from: number): boolean {
  let at = from
  while (data.charCodeAt(at) === space) at += 1
  return at === data.length - 1 && data.charCodeAt(at) === closeRecord
}

/** Undefined of what is no text of JSON. */
function unescaped(text: string): string | undefined {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return undefined
  }
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

/** As `endOfAnyText`; -1 where there is no such end. */
function endOfText(data: string, from: number): number {
  const end = endOfAnyText(data, from)
  return end < data.length ? end : -1
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
