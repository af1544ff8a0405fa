/**
 * Finds the values of stored secrets in any text without keeping them: blocks of four bytes say how
 * far the search may jump (after Wu and Manber, "A fast algorithm for multi-pattern searching",
 * 1994), a rolling hash says whether a value may stand there, and a keyed digest that it does. All
 * three are seeded anew by each process, so that what is kept here says nothing elsewhere.
 *
 * Values are only added: what was a secret once is still none to be written down.
 */
import { createHmac, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { formsAtRest, leastValueLength } from './credential-value.ts'
import { isWordOfFormat } from './format-words.ts'

export interface FoundValue {
  readonly start: number
  readonly end: number
  readonly secretId: string
}

/** What is asked about text that is to be shown or kept. */
export interface ValueFinder {
  /** Nothing is found in anything. */
  readonly isEmpty: boolean
  /** In order; none overlaps another. */
  find(text: string): readonly FoundValue[]
  /** Where a value may begin that the end of the text cuts; its length if none does. */
  partialStart(text: string): number
}

/** Two numbers, and a key of 256 bits. */
export const seedBytes = 40

const blockLength = 4
/** The shortest form: how far a jump goes that no block forbids. */
const farthest = leastValueLength - blockLength + 1
const tableBits = 18
/** Forms beyond which the table is too full to be of use; whoever adds them begins anew. */
const mostForms = 24_000
/** Text that is copied into memory that is kept, in characters; a body's chunk is no longer. */
const keptLength = 64 * 1024
/** Shorter text is copied by hand, in characters. */
const shortLength = 96
/** A value that goes on beyond the end of a text is waited for this far, in bytes. */
const mostPartial = 8 * 1024
const prime = 0x0100_0193

interface Known {
  readonly digest: string
  readonly secretId: string
}

interface Viewed {
  readonly bytes: Buffer
  readonly view: DataView
}

const none: readonly FoundValue[] = []

export class ValueScanner implements ValueFinder {
  readonly #key: KeyObject
  readonly #seed: number
  readonly #multiplier: number
  /** By hash of a block: how far the window may jump; made with the first value. */
  #shifts: Uint8Array | undefined
  /** By byte: whether a value begins with it. */
  readonly #firsts = new Uint8Array(256)
  /** Hashes of beginnings: of one to seven bytes, and of as many as each power of two from eight on. */
  readonly #beginnings = new Set<number>()
  /** By hash of the whole. */
  readonly #wholes = new Map<number, Known[]>()
  /** Lengths that there are. */
  readonly #lengths = new Set<number>()
  #longest = 0
  #forms = 0
  #memory: Viewed | undefined

  /** `seed`: so many random bytes, of this process alone. */
  constructor(seed: Uint8Array) {
    if (seed.length !== seedBytes) throw new RangeError(`a seed has ${seedBytes} bytes`)
    const bytes = Buffer.from(seed)
    this.#seed = bytes.readInt32LE(0)
    this.#multiplier = bytes.readInt32LE(4) | 1
    this.#key = createSecretKey(bytes.subarray(8))
  }

  get isEmpty(): boolean {
    return this.#forms === 0
  }

  /** So many values were added that the search has become slow: time for `clear`, and to add anew. */
  get isFull(): boolean {
    return this.#forms > mostForms
  }

  /** Looks for `value` from now on, in the forms in which it may be stored or shown. */
  add(secretId: string, value: string): void {
    if (value.length < leastValueLength || isWordOfFormat(value)) return
    for (const form of formsAtRest(value)) this.#addForm(secretId, Buffer.from(form, 'latin1'))
  }

  clear(): void {
    this.#shifts = undefined
    this.#firsts.fill(0)
    this.#beginnings.clear()
    this.#wholes.clear()
    this.#lengths.clear()
    this.#longest = 0
    this.#forms = 0
  }

  find(text: string): readonly FoundValue[] {
    const shifts = this.#shifts
    if (shifts === undefined || text.length < leastValueLength) return none
    return this.#search(this.#load(text), text.length, shifts, text)
  }

  /** As `find`, of bytes; offsets are theirs. */
  findIn(bytes: Uint8Array): readonly FoundValue[] {
    const shifts = this.#shifts
    if (shifts === undefined || bytes.length < leastValueLength) return none
    return this.#search(viewOf(bytes), bytes.length, shifts, undefined)
  }

  partialStart(text: string): number {
    const { length } = text
    if (this.#shifts === undefined) return length
    const from = Math.max(0, length - Math.min(this.#longest - 1, mostPartial))
    for (let at = from; at < length; at += 1) {
      if (this.#firsts[text.charCodeAt(at) & 0xff] === 1 && this.#mayGoOn(text, at)) return at
    }
    return length
  }

  #addForm(secretId: string, bytes: Buffer): void {
    this.#shifts ??= new Uint8Array(2 ** tableBits).fill(farthest)
    let hash = this.#seed
    for (const [index, byte] of bytes.entries()) {
      hash = Math.imul(hash ^ byte, prime)
      if (isCheckpoint(index + 1)) this.#beginnings.add(hash)
    }
    const digest = this.#digest(bytes)
    const known = this.#wholes.get(hash) ?? []
    if (known.some((other) => other.digest === digest)) return
    this.#wholes.set(hash, [...known, { digest, secretId }])
    this.#forms += 1
    this.#firsts[bytes[0] ?? 0] = 1
    this.#lengths.add(bytes.length)
    this.#longest = Math.max(this.#longest, bytes.length)
    for (let end = blockLength; end <= leastValueLength; end += 1) {
      const slot = this.#slotOf(bytes, end)
      this.#shifts[slot] = Math.min(this.#shifts[slot] ?? farthest, leastValueLength - end)
    }
  }

  /** One character per byte: what is no character of a byte is none of a value either. */
  #load(text: string): Viewed {
    if (text.length > keptLength) return viewOf(Buffer.from(text, 'latin1'))
    this.#memory ??= viewOf(Buffer.alloc(keptLength))
    const { bytes } = this.#memory
    // Calling out to copy costs more than a short text is long.
    if (text.length > shortLength) bytes.write(text, 'latin1')
    else for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at)
    return this.#memory
  }

  #search(
    { bytes, view }: Viewed,
    length: number,
    shifts: Uint8Array,
    text: string | undefined,
  ): readonly FoundValue[] {
    let found: FoundValue[] | undefined
    for (let at = 0; ;) {
      const start = this.#nextStart(view, at, length, shifts)
      if (start === undefined) return found ?? none
      at = start + 1
      const value = this.#valueAt(bytes, start, length)
      if (value === undefined || (text !== undefined && !isPlain(text, start, value.end))) continue
      found ??= []
      found.push(value)
      at = value.end
    }
  }

  /** Where a value may begin, from `from` on, by the blocks alone. */
  #nextStart(view: DataView, from: number, length: number, shifts: Uint8Array): number | undefined {
    const multiplier = this.#multiplier
    let at = from + leastValueLength - blockLength
    const last = length - blockLength
    while (at <= last) {
      const slot = Math.imul(view.getInt32(at, true), multiplier) >>> (32 - tableBits)
      const shift = shifts[slot] ?? 0
      // A constant, and not what was read: then the processor need not wait for it.
      if (shift === farthest) at += farthest
      else if (shift > 0) at += shift
      else return at + blockLength - leastValueLength
    }
    return undefined
  }

  /** The longest that begins there. */
  #valueAt(bytes: Uint8Array, start: number, end: number): FoundValue | undefined {
    const most = Math.min(end - start, this.#longest)
    let hash = this.#seed
    let found: FoundValue | undefined
    for (let length = 1; length <= most; length += 1) {
      hash = Math.imul(hash ^ (bytes[start + length - 1] ?? 0), prime)
      if (length < leastValueLength) continue
      if (this.#lengths.has(length)) {
        const secretId = this.#verified(hash, bytes, start, start + length)
        if (secretId !== undefined) found = { start, end: start + length, secretId }
      }
      if (isPowerOfTwo(length) && !this.#beginnings.has(hash)) break
    }
    return found
  }

  #verified(hash: number, bytes: Uint8Array, start: number, end: number): string | undefined {
    const known = this.#wholes.get(hash)
    if (known === undefined) return undefined
    const digest = this.#digest(bytes.subarray(start, end))
    return known.find((other) => other.digest === digest)?.secretId
  }

  #mayGoOn(text: string, at: number): boolean {
    let hash = this.#seed
    for (let index = at; index < text.length; index += 1) {
      const length = index - at + 1
      hash = Math.imul(hash ^ (text.charCodeAt(index) & 0xff), prime)
      if (isCheckpoint(length) && !this.#beginnings.has(hash)) return false
    }
    return true
  }

  #digest(bytes: Uint8Array): string {
    return createHmac('sha256', this.#key).update(bytes).digest('base64')
  }

  #slotOf(bytes: Buffer, end: number): number {
    const block = bytes.readInt32LE(end - blockLength)
    return Math.imul(block, this.#multiplier) >>> (32 - tableBits)
  }
}

/** Lengths at which a beginning is known; a search gives up at the first that is none. */
function isCheckpoint(length: number): boolean {
  return length < leastValueLength || isPowerOfTwo(length)
}

function isPowerOfTwo(length: number): boolean {
  return (length & (length - 1)) === 0
}

/** Copying has cut characters down to bytes; values are made of ASCII. */
function isPlain(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (text.charCodeAt(at) > 0x7e) return false
  return true
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): Viewed {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return { bytes, view: new DataView(buffer, byteOffset, byteLength) }
}
