/**
 * JSON.parse of a large text in small steps (RFC 8259): lists and records too long for one step
 * are taken apart at their commas, runs of their members are parsed by JSON.parse, and put together
 * again. What comes out, and whether anything does, is what JSON.parse would have said of the whole.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft } from './json.ts'
import { setOwn } from './json.ts'

/** Bytes of one step, unless told otherwise; a single long string is not divided. */
const defaultStepBytes = 64 * 1024
/** Nesting that is taken apart; what lies deeper is parsed whole, however long it is. */
const maxDepth = 16

/** A list or record of which some members have been read. */
interface Open {
  readonly isList: boolean
  readonly list: Json[]
  readonly record: JsonDraft
  /** The name of the member that is being read, in a record. */
  name: string
  /** A member must follow, for a comma came before. */
  wantsMember: boolean
}

const openList = 0x5b
const closeList = 0x5d
const openRecord = 0x7b
const closeRecord = 0x7d
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a

/**
 * `bytes` must be UTF-8, without a byte-order mark. Yields between steps; returns the value, or
 * undefined if the text is not well-formed.
 */
export function* parseJsonSlices(
  bytes: Buffer,
  stepBytes: number = defaultStepBytes,
): Generator<undefined, { readonly value: Json } | undefined, undefined> {
  try {
    return yield* new Slicer(bytes, stepBytes).parse()
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

class Slicer {
  readonly #bytes: Buffer
  readonly #stepBytes: number
  readonly #open: Open[] = []
  #at = 0
  #result: { readonly value: Json } | undefined

  constructor(bytes: Buffer, stepBytes: number) {
    this.#bytes = bytes
    this.#stepBytes = stepBytes
  }

  *parse(): Generator<undefined, { readonly value: Json } | undefined, undefined> {
    this.#skipSpace()
    if (!this.#enter()) return { value: this.#read(0, this.#bytes.length) }
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) {
      this.#step(open)
      yield
    }
    this.#skipSpace()
    if (this.#at < this.#bytes.length) throw new SyntaxError('text after the end')
    return this.#result
  }

  /** Reads as many members of `open` as make a step, or enters the next one if it is longer. */
  #step(open: Open): void {
    const from = this.#at
    const { lastComma, end } = this.#scan(from, from + this.#stepBytes)
    if (end !== undefined) {
      this.#addRun(open, from, end)
      this.#leave(open, end)
    } else if (lastComma !== undefined) {
      this.#addRun(open, from, lastComma)
      open.wantsMember = true
      this.#at = lastComma + 1
    } else {
      this.#stepInto(open)
    }
  }

  /** The next member is longer than a step. */
  #stepInto(open: Open): void {
    const from = this.#at
    if (!open.isList) open.name = this.#readName()
    this.#skipSpace()
    if (this.#open.length < maxDepth && this.#enter()) {
      open.wantsMember = false
      return
    }
    const { firstComma, end } = this.#scan(from, Infinity)
    const to = firstComma ?? end ?? this.#bytes.length
    this.#addRun(open, from, to)
    if (firstComma !== undefined) {
      open.wantsMember = true
      this.#at = to + 1
    } else {
      this.#leave(open, to)
    }
  }

  /** Goes behind an opening bracket; false where there is none. */
  #enter(): boolean {
    const first = this.#bytes[this.#at]
    if (first !== openList && first !== openRecord) return false
    const isList = first === openList
    this.#open.push({ isList, list: [], record: {}, name: '', wantsMember: false })
    this.#at += 1
    return true
  }

  /** Goes behind the closing bracket at `end`, and gives the value to what it stands in. */
  #leave(open: Open, end: number): void {
    if (this.#bytes[end] !== (open.isList ? closeList : closeRecord)) {
      throw new SyntaxError('brackets do not match')
    }
    this.#open.pop()
    this.#at = end + 1
    const value = open.isList ? open.list : open.record
    const around = this.#open.at(-1)
    if (around === undefined) {
      this.#result = { value }
      return
    }
    if (around.isList) around.list.push(value)
    else setOwn(around.record, around.name, value)
    this.#skipSpace()
    const next = this.#bytes[this.#at]
    if (next === comma) {
      around.wantsMember = true
      this.#at += 1
    } else {
      this.#leave(around, this.#at)
    }
  }

  /** Members of `open`, from one comma or bracket to the next. */
  #addRun(open: Open, from: number, to: number): void {
    const text = this.#bytes.toString('utf8', from, to)
    if (/^[ \t\n\r]*$/u.test(text)) {
      if (open.wantsMember || this.#bytes[to] === comma)
        throw new SyntaxError('a member is missing')
      return
    }
    open.wantsMember = false
    if (open.isList) {
      for (const value of JSON.parse(`[${text}]`) as Json[]) open.list.push(value)
    } else {
      const members = JSON.parse(`{${text}}`) as { readonly [name: string]: Json }
      for (const [name, value] of Object.entries(members)) setOwn(open.record, name, value)
    }
  }

  /** The name of a member and the colon behind it. */
  #readName(): string {
    this.#skipSpace()
    const from = this.#at
    if (this.#bytes[from] !== quote) throw new SyntaxError('a name is missing')
    const to = this.#endOfString(from + 1)
    const name = this.#read(from, to)
    this.#at = to
    this.#skipSpace()
    if (this.#bytes[this.#at] !== colon || typeof name !== 'string') {
      throw new SyntaxError('a colon is missing')
    }
    this.#at += 1
    return name
  }

  /** Commas and the closing bracket of what `from` stands in, as far as `limit`. */
  #scan(
    from: number,
    limit: number,
  ): {
    readonly firstComma: number | undefined
    readonly lastComma: number | undefined
    readonly end: number | undefined
  } {
    const bytes = this.#bytes
    const stop = Math.min(limit, bytes.length)
    let firstComma: number | undefined
    let lastComma: number | undefined
    let depth = 0
    for (let at = from; at < stop; at += 1) {
      const byte = bytes[at]
      if (byte === quote) {
        at = this.#endOfString(at + 1, stop) - 1
      } else if (byte === openList || byte === openRecord) {
        depth += 1
      } else if (byte === closeList || byte === closeRecord) {
        if (depth === 0) return { firstComma, lastComma, end: at }
        depth -= 1
      } else if (byte === comma && depth === 0) {
        firstComma ??= at
        lastComma = at
        if (limit === Infinity) break
      }
    }
    if (stop === bytes.length && lastComma === undefined)
      throw new SyntaxError('the end is missing')
    return { firstComma, lastComma, end: undefined }
  }

  /** Behind the closing quote of a string that has begun before `from`, or `stop`. */
  #endOfString(from: number, stop = this.#bytes.length): number {
    const bytes = this.#bytes
    for (let at = from; at < stop; at += 1) {
      const byte = bytes[at]
      if (byte === quote) return at + 1
      if (byte === backslash) at += 1
    }
    return stop
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.#at += 1
    }
  }

  #read(from: number, to: number): Json {
    return JSON.parse(this.#bytes.toString('utf8', from, to)) as Json
  }
}
