import { expect, test } from 'vitest'

import { knownBytes, KnownPieces } from '../../../src/capture/known-pieces.ts'

test('a piece is known from its second time on, until all are forgotten', () => {
  const known = new KnownPieces()

  expect([known.take('a', 5), known.take('a', 5), known.take('b', 0), known.take('b', 0)]).toEqual([
    false,
    true,
    false,
    true,
  ])
  known.clear()
  expect(known.take('a', 5)).toBe(false)
})

test('the piece that was not used for longest is forgotten first, past the bound', () => {
  const known = new KnownPieces()
  const third = Math.ceil(knownBytes / 3)

  for (const hash of ['a', 'b', 'a', 'c', 'd']) known.take(hash, third - 1)

  expect(known.take('a', 1)).toBe(true)
  expect(known.take('b', 1)).toBe(false)
})
