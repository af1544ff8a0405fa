/**
 * Where bytes are cut into pieces by what they hold (content-defined chunking: a gear hash with
 * normalised sizes, after FastCDC, Xia et al., USENIX ATC 2016). What stands before or behind a
 * stretch does not move the cuts within it, so that text which comes again, elsewhere in a longer
 * text, gives the same pieces again. A cut never parts a UTF-8 character.
 */

/**
 * Sizes of a piece in bytes. Small ones cost a reference each, large ones are written again for a
 * small change: an agent's request grows by a few kilobytes a turn and has tens to hundreds of them.
 */
export const pieceBytes = { min: 1024, usual: 3072, max: 16_384 } as const

/** Below the usual size a cut is four times as rare, above it four times as frequent as 1 in 2,048. */
const rareMask = 0xff_f8_00_00 | 0
const frequentMask = 0xff_80_00_00 | 0
/** Bytes that the hash remembers: what came before has been shifted out of its 32 bits. */
const windowBytes = 32

/**
 * The end of the piece that begins at `from`, or undefined where more bytes would have to follow
 * to tell. The last bytes of a whole are a piece of their own, whatever their size.
 */
export function endOfPiece(bytes: Uint8Array, from: number): number | undefined {
  const length = bytes.length
  const last = from + pieceBytes.max
  const usual = Math.min(from + pieceBytes.usual, length)
  const end = Math.min(last, length)
  let at = from + pieceBytes.min - windowBytes
  let hash = 0
  // Two loops over bytes, in place of one with a choice in it: this is the hot path of the capture.
  for (; at < usual; at += 1) {
    hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0
    if ((hash & rareMask) === 0 && at - from >= pieceBytes.min) return startOfCharacter(bytes, at)
  }
  for (; at < end; at += 1) {
    hash = ((hash << 1) + (gear[bytes[at] ?? 0] ?? 0)) | 0
    if ((hash & frequentMask) === 0) return startOfCharacter(bytes, at)
  }
  return last < length ? startOfCharacter(bytes, last) : undefined
}

/** `at`, or up to three bytes before, where a UTF-8 character starts; `at` where there is none. */
function startOfCharacter(bytes: Uint8Array, at: number): number {
  for (let start = at; start > at - 4; start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start
  }
  return at
}

const gear = makeGear()

/** Any 256 numbers do that look random; these are the same in every process (mulberry32). */
function makeGear(): Int32Array {
  const numbers = new Int32Array(256)
  let state = 0x9e37_79b9 | 0
  for (let index = 0; index < numbers.length; index += 1) {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    numbers[index] = mixed ^ (mixed >>> 14)
  }
  return numbers
}
