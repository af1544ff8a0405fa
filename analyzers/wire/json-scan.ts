/**
 * Walks JSON as every reader of it may find it: each occurrence of a key, not the last alone, in
 * UTF-8 and by the letter of RFC 8259. What the grammar does not allow ends the walk: lenient
 * readers make different things of it. Strings that nobody wants are passed over without a look
 * inside. It yields now and then, so that a long body does not hold everything else up.
 */
import { isUtf8 } from 'node:buffer'

export interface JsonVisitor {
  /** Whether what stands under this key is of no interest; `path` ends with the key. */
  skips(path: readonly string[]): boolean
  /** Whether `text` wants to hear of a string here. */
  wants(path: readonly string[]): boolean
  /** `path` holds the keys that lead there, folded by `foldKey`; arrays add nothing. */
  text(path: readonly string[], value: string): void
  /** An object that is the value of a key. */
  object(path: readonly string[]): void
  foldKey(key: string): string
}

/** Containers within containers; real requests have a dozen. */
const maxDepth = 512
/** Bytes between two yields. */
const stepBytes = 256 * 1024
/** Of a number, in characters; longer ones are read differently. */
const maxLiteral = 64

/** Looked at one by one before the search for a quote is left to node. */
const nearBytes = 64

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

interface Frame {
  readonly isObject: boolean
  readonly isSilent: boolean
  /** Whether the path has grown by one for it: the key that it stands under. */
  readonly hasKey: boolean
}

type Expected = 'value' | 'first-value' | 'key' | 'first-key' | 'next'

/** Runs to its end, true where `bytes` are one JSON value and nothing else. */
export function* scanJson(bytes: Buffer, visitor: JsonVisitor): Generator<undefined, boolean> {
  if (!isUtf8(bytes)) return false
  const walk = new JsonWalk(bytes, visitor)
  let yieldedAt = 0
  while (walk.step()) {
    if (walk.at - yieldedAt < stepBytes) continue
    yieldedAt = walk.at
    yield
  }
  return walk.isComplete
}

class JsonWalk {
  at: number
  isComplete = false
  readonly #bytes: Buffer
  readonly #visitor: JsonVisitor
  readonly #frames: Frame[] = []
  readonly #path: string[] = []
  #expected: Expected = 'value'
  /** Whether the value that comes stands under a key of its own. */
  #hasKey = false

  constructor(bytes: Buffer, visitor: JsonVisitor) {
    this.#bytes = bytes
    this.#visitor = visitor
    // A byte order mark, which some readers take and some do not.
    this.at = bytes.length >= 3 && bytes.readUIntBE(0, 3) === 0xefbbbf ? 3 : 0
  }

  /** One token; false at the end, and where there is none that may stand here. */
  step(): boolean {
    this.#space()
    const byte = this.#bytes[this.at]
    if (byte === undefined) {
      this.isComplete = this.#frames.length === 0 && this.#expected === 'next'
      return false
    }
    switch (this.#expected) {
      case 'first-key':
        return byte === closeBrace ? this.#close() : this.#key(byte)
      case 'key':
        return this.#key(byte)
      case 'first-value':
        return byte === closeBracket ? this.#close() : this.#value(byte)
      case 'value':
        return this.#value(byte)
      case 'next':
        return this.#next(byte)
    }
  }

  get #frame(): Frame | undefined {
    return this.#frames.at(-1)
  }

  get #isSilent(): boolean {
    return this.#frame?.isSilent ?? false
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.at += 1
    }
  }

  #next(byte: number): boolean {
    const frame = this.#frame
    if (frame === undefined) return false
    if (byte === comma) {
      this.at += 1
      this.#expected = frame.isObject ? 'key' : 'value'
      return true
    }
    return byte === (frame.isObject ? closeBrace : closeBracket) && this.#close()
  }

  #close(): boolean {
    this.at += 1
    const frame = this.#frames.pop()
    if (frame?.hasKey === true) this.#path.pop()
    this.#expected = 'next'
    return true
  }

  #key(byte: number): boolean {
    if (byte !== quote) return false
    const start = this.at
    if (!this.#passString()) return false
    if (!this.#isSilent) {
      const key = this.#textFrom(start)
      if (key === undefined) return false
      this.#path.push(this.#visitor.foldKey(key))
      this.#hasKey = true
    }
    this.#space()
    if (this.#bytes[this.at] !== colon) return false
    this.at += 1
    this.#expected = 'value'
    return true
  }

  #value(byte: number): boolean {
    if (byte === openBrace || byte === openBracket) return this.#open(byte === openBrace)
    const isText = byte === quote
    const isRead = isText ? this.#string() : this.#literal()
    if (this.#hasKey) this.#path.pop()
    this.#hasKey = false
    this.#expected = 'next'
    return isRead
  }

  #open(isObject: boolean): boolean {
    if (this.#frames.length >= maxDepth) return false
    this.at += 1
    const hasKey = this.#hasKey
    this.#hasKey = false
    const isSilent = this.#isSilent || (hasKey && this.#visitor.skips(this.#path))
    if (isObject && hasKey && !isSilent) this.#visitor.object(this.#path)
    this.#frames.push({ isObject, isSilent, hasKey })
    this.#expected = isObject ? 'first-key' : 'first-value'
    return true
  }

  #string(): boolean {
    const start = this.at
    if (!this.#passString()) return false
    if (this.#isSilent || !this.#visitor.wants(this.#path)) return true
    const text = this.#textFrom(start)
    if (text === undefined) return false
    this.#visitor.text(this.#path, text)
    return true
  }

  /** Goes on behind the string that begins here. */
  #passString(): boolean {
    const bytes = this.#bytes
    const from = this.at + 1
    for (let at = this.#quoteFrom(from); at !== -1; at = this.#quoteFrom(at + 1)) {
      let slashes = 0
      while (at - slashes > from && bytes[at - slashes - 1] === backslash) slashes += 1
      if (slashes % 2 === 0) {
        this.at = at + 1
        return true
      }
    }
    return false
  }

  /** Where the next one is, or -1. Most are near, and `indexOf` costs as much as many bytes. */
  #quoteFrom(from: number): number {
    const bytes = this.#bytes
    const near = Math.min(from + nearBytes, bytes.length)
    for (let at = from; at < near; at += 1) if (bytes[at] === quote) return at
    return bytes.indexOf(quote, near)
  }

  #textFrom(start: number): string | undefined {
    try {
      return JSON.parse(this.#bytes.toString('utf8', start, this.at)) as string
    } catch {
      // An escape that is none, or a control character.
      return undefined
    }
  }

  #literal(): boolean {
    let end = this.at
    while (end - this.at <= maxLiteral && isLiteralByte(this.#bytes[end])) end += 1
    const text = this.#bytes.toString('latin1', this.at, end)
    this.at = end
    return literal.test(text)
  }
}

const literal = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/u

/** Letters, digits, `+`, `-` and `.`. */
function isLiteralByte(byte: number | undefined): boolean {
  if (byte === undefined) return false
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e
  )
}
