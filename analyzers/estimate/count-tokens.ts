/**
 * How many tokens of the o200k encoding a text has: byte-pair encoding (as in OpenAI's tiktoken),
 * counted without making the tokens. A text is first taken apart by gpt-tokenizer's own pattern;
 * what looks like a control token in it is text.
 */
import { O200K_TOKEN_SPLIT_REGEX } from 'gpt-tokenizer/encodingParams/constants'

import { createMinHeap } from './min-heap.ts'
import type { Vocabulary } from './vocabulary.ts'
import { noRank } from './vocabulary.ts'

/** UTF-16 units that are taken at a time. */
export const longestText = 1_000

/** A text of that length in UTF-8. */
const bytes = new Uint8Array(3 * longestText)
const encoder = new TextEncoder()
/** One of our own: it remembers where it is. */
const pattern = new RegExp(O200K_TOKEN_SPLIT_REGEX.source, 'gu')

/** `text` must not be longer than `longestText`. */
export function countTokens(text: string, vocabulary: Vocabulary): number {
  const { written } = encoder.encodeInto(text, bytes)
  const isAscii = written === text.length
  let tokens = 0
  let at = 0
  let from = 0
  pattern.lastIndex = 0
  // Every character belongs to a piece, so that each begins where the one before it ends.
  while (pattern.test(text)) {
    const end = pattern.lastIndex
    const to = isAscii ? end : from + utf8Length(text, at, end)
    tokens += vocabulary.rankOf(bytes, from, to) === noRank ? countMerged(from, to, vocabulary) : 1
    at = end
    from = to
  }
  return tokens
}

function utf8Length(text: string, from: number, to: number): number {
  let length = 0
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x80) length += 1
    else if (code < 0x8_00) length += 2
    // Half of a pair, which is four bytes in all; alone it becomes U+FFFD, which is three.
    else if (isHigh(code) && at + 1 < to && isLow(text.charCodeAt(at + 1))) {
      length += 4
      at += 1
    } else length += 3
  }
  return length
}

function isHigh(code: number): boolean {
  return code >= 0xd8_00 && code <= 0xdb_ff
}

function isLow(code: number): boolean {
  return code >= 0xdc_00 && code <= 0xdf_ff
}

/** Of the part that begins at a place: where the next one and the one before it do. */
const nexts = new Uint16Array(bytes.length + 1)
const befores = new Uint16Array(bytes.length + 1)
/** And the rank of the two together. */
const ranks = new Uint32Array(bytes.length + 1)
/** What two parts are queued by: their rank, then their place. */
const placeBits = 12
const queue = createMinHeap(3 * bytes.length)

/** Joins the pair of the lowest rank, the first of several, as long as there is one. */
function countMerged(from: number, to: number, vocabulary: Vocabulary): number {
  const end = to - from
  let count = end

  function rate(place: number): void {
    const next = nexts[place] ?? end
    const to = next < end ? (nexts[next] ?? end) : end
    const rank = next < end ? vocabulary.rankOf(bytes, from + place, from + to) : noRank
    ranks[place] = rank
    if (rank !== noRank) queue.push((rank << placeBits) | place)
  }

  for (let place = 0; place <= end; place += 1) {
    nexts[place] = place + 1
    befores[place] = Math.max(0, place - 1)
  }
  queue.clear()
  for (let place = 0; place < end; place += 1) rate(place)
  for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
    const place = key & (2 ** placeBits - 1)
    // One of the two has been joined with another since.
    if (ranks[place] !== key >>> placeBits) continue
    const joined = nexts[place] ?? end
    const next = nexts[joined] ?? end
    ranks[joined] = noRank
    nexts[place] = next
    befores[next] = place
    count -= 1
    rate(place)
    if (place > 0) rate(befores[place] ?? 0)
  }
  return count
}
