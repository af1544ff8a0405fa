/**
 * The vocabulary of OpenAI's o200k encoding as a hash table over bytes, built in small steps from
 * the ranks that ship with gpt-tokenizer. That package's own tables are maps of strings, which take
 * sixty megabytes and are made in one go; these take five. It knows tokens, not how a text becomes
 * tokens.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Lines of a token in base64, a space and its rank, in the order of the ranks. */
const ranksFile = 'gpt-tokenizer/data/o200k_base.tiktoken'
/** Bytes of the file that are read in one step. */
const stepBytes = 16 * 1024
/** Room for what the file holds: 199,998 tokens of 1,397,670 bytes, the longest of 128. */
const roomTokens = 2 ** 18
const roomBytes = 3 * 2 ** 19
/** More than twice the tokens, so that places are found soon. */
const slotCount = 2 ** 19
/** A slot holds the rank in its lower bits, plus one, and above it a part of the token's hash. */
const rankBits = 18
const rankMask = 2 ** rankBits - 1

/** Stands for a rank where bytes are no token; beyond all ranks. */
export const noRank: number = 0x7f_ff_ff_ff

export class Vocabulary {
  /** Of all tokens, one after another. */
  readonly #bytes = new Uint8Array(roomBytes)
  /** Where the token of each rank ends. */
  readonly #ends = new Uint32Array(roomTokens)
  readonly #slots = new Uint32Array(slotCount)
  #count = 0
  #used = 0

  /** Tokens known so far. */
  get size(): number {
    return this.#count
  }

  /** Adds the token of the next rank; throws a RangeError where there is no room for it. */
  add(token: Uint8Array, from: number, to: number): void {
    const end = this.#used + to - from
    if (end > roomBytes || this.#count >= rankMask - 1) throw new RangeError('too many tokens')
    for (let at = from; at < to; at += 1) this.#bytes[this.#used + at - from] = token[at] ?? 0
    this.#used = end
    this.#ends[this.#count] = end
    const hash = hashOf(token, from, to)
    let slot = hash & (slotCount - 1)
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (slotCount - 1)
    this.#count += 1
    this.#slots[slot] = (hash & ~rankMask) | this.#count
  }

  /** The rank of `bytes[from..to)`, or `noRank`. */
  rankOf(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to)
    const tag = (hash & ~rankMask) >>> 0
    for (let slot = hash & (slotCount - 1); ; slot = (slot + 1) & (slotCount - 1)) {
      const held = this.#slots[slot] ?? 0
      if (held === 0) return noRank
      const rank = (held & rankMask) - 1
      if ((held & ~rankMask) >>> 0 === tag && this.#isToken(rank, bytes, from, to)) return rank
    }
  }

  #isToken(rank: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = rank === 0 ? 0 : (this.#ends[rank - 1] ?? 0)
    if ((this.#ends[rank] ?? 0) - start !== to - from) return false
    for (let at = from; at < to; at += 1) {
      if (this.#bytes[start + at - from] !== bytes[at]) return false
    }
    return true
  }
}

/** FNV-1a, its bits mixed once more: its lower ones say where to look, its upper ones what for. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x81_1c_9d_c5
  for (let at = from; at < to; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01_00_01_93)
  }
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2c_1b_3c_6d)
}

/** One for all: it is never changed once it is whole. `failed` where its file could not be read. */
let shared: Loader | 'failed' | undefined

/**
 * Loads the vocabulary, or goes on with it where somebody has begun to; yields every millisecond or
 * so. Undefined where its file cannot be read, or holds more than it should.
 */
export function* loadVocabulary(): Generator<undefined, Vocabulary | undefined, undefined> {
  for (;;) {
    const loader = step()
    if (loader === 'failed') return undefined
    if (loader.isDone) return loader.vocabulary
    yield
  }
}

function step(): Loader | 'failed' {
  try {
    shared ??= new Loader(createRequire(import.meta.url).resolve(ranksFile))
    if (shared !== 'failed') shared.step()
  } catch {
    // An estimate is worth less than the answer that it would stand in.
    shared = 'failed'
  }
  return shared
}

class Loader {
  readonly vocabulary = new Vocabulary()
  readonly #path: string
  readonly #chunk = new Uint8Array(stepBytes)
  readonly #token = new Uint8Array(stepBytes)
  /** Bytes of the file that have been read; lines are never longer than what is read at once. */
  #position = 0
  isDone = false

  constructor(path: string) {
    this.#path = path
  }

  /** The file is not kept open: nobody is sure to call again. */
  step(): void {
    if (this.isDone) return
    const file = openSync(this.#path, 'r')
    try {
      const length = readSync(file, this.#chunk, 0, stepBytes, this.#position)
      const end = this.#chunk.subarray(0, length).lastIndexOf(newline) + 1
      if (end === 0 && length > 0) throw new RangeError('a line is too long')
      this.#position += end
      if (end === 0) this.isDone = true
      else this.#readLines(end)
    } finally {
      closeSync(file)
    }
  }

  #readLines(end: number): void {
    const chunk = this.#chunk
    for (let at = 0; at < end;) {
      let length = 0
      let bits = 0
      let held = 0
      let byte = chunk[at] ?? newline
      for (; byte !== space && byte !== newline; at += 1, byte = chunk[at] ?? newline) {
        const value = base64Values[byte] ?? 0
        // Padding.
        if (value < 0) continue
        held = (held << 6) | value
        bits += 6
        if (bits < 8) continue
        bits -= 8
        this.#token[length] = (held >> bits) & 0xff
        length += 1
      }
      const lineEnd = chunk.indexOf(newline, at)
      this.vocabulary.add(this.#token, 0, length)
      at = lineEnd + 1
    }
  }
}

const newline = 0x0a
const space = 0x20
const base64Chars = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const base64Values = new Int8Array(256).fill(-1)
for (let value = 0; value < base64Chars.length; value += 1) {
  base64Values[base64Chars.charCodeAt(value)] = value
}
