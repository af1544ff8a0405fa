import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { endOfPiece, pieceBytes } from '../../../src/base/content-pieces.ts'

/** Pseudo-random bytes: nothing in them repeats. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed | 1
  for (let index = 0; index < length; index += 1) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + index
    bytes[index] = state >>> 11
  }
  return bytes
}

function piecesOf(bytes: Uint8Array): Buffer[] {
  const pieces: Buffer[] = []
  for (let from = 0; from < bytes.length;) {
    const to = endOfPiece(bytes, from) ?? bytes.length
    pieces.push(Buffer.from(bytes.subarray(from, to)))
    from = to
  }
  return pieces
}

const text = fc
  .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), {
    minLength: 1,
    maxLength: 40,
  })
  .map((words) => Buffer.from(words.join('').repeat(60).slice(0, 60_000).toWellFormed()))

describe('pieces', () => {
  property.prop([
    fc.oneof(
      text,
      fc.nat().map((seed) => noise(60_000, seed)),
    ),
  ])('are the whole, within their sizes but for the last one', (bytes) => {
    const pieces = piecesOf(bytes)

    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    for (const piece of pieces.slice(0, -1)) {
      // A cut may go back by three bytes, so as not to part a character.
      expect(piece.length).toBeGreaterThanOrEqual(pieceBytes.min - 3)
      expect(piece.length).toBeLessThanOrEqual(pieceBytes.max)
    }
  })

  property.prop([text])('of text are text each', (bytes) => {
    const pieces = piecesOf(bytes)

    expect(pieces.map((piece) => piece.toString('utf8')).join('')).toBe(bytes.toString('utf8'))
  })

  /** Where pieces fall into step again is a matter of chance: one in a thousand takes long. */
  test('stay what they were where nothing was put in, soon behind it as a rule', () => {
    const anew = Array.from({ length: 100 }, (_, index) => {
      const seed = index * 7919
      const [at, length] = [(index * 4001) % 40_000, 1 + ((index * 613) % 5000)]
      const before = noise(100_000, seed)
      const after = Buffer.concat([
        before.subarray(0, at),
        noise(length, seed + 7),
        before.subarray(at),
      ])
      const known = new Set(piecesOf(before).map((piece) => piece.toString('latin1')))
      const fresh = piecesOf(after).filter((piece) => !known.has(piece.toString('latin1')))
      return fresh.reduce((sum, piece) => sum + piece.length, -length)
    }).sort((x, y) => x - y)

    expect(anew[50]).toBeLessThan(pieceBytes.max)
    expect(anew[90]).toBeLessThan(3 * pieceBytes.max)
  })

  property.prop([fc.nat(), fc.nat(30_000)])(
    'end where more bytes to come do not move it',
    (seed, cut) => {
      const bytes = noise(30_000, seed)

      const end = endOfPiece(bytes.subarray(0, cut), 0)

      expect(end === undefined || end === endOfPiece(bytes, 0)).toBe(true)
    },
  )

  test('are of the usual size on average', () => {
    const count = piecesOf(noise(1_000_000, 5)).length

    expect(1_000_000 / count).toBeGreaterThan(pieceBytes.usual / 2)
    expect(1_000_000 / count).toBeLessThan(pieceBytes.usual * 2)
  })

  test('have an end where nothing says where', () => {
    expect(piecesOf(Buffer.alloc(100_000, 0x80)).length).toBeGreaterThan(5)
  })
})
