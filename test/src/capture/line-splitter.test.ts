import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { createLineSplitter } from '../../../src/capture/line-splitter.ts'
import type { SplitLine } from '../../../src/capture/line-splitter.ts'

function splitAll(chunks: readonly Buffer[], maxLineBytes: number): SplitLine[] {
  const splitter = createLineSplitter(maxLineBytes)
  const lines = chunks.flatMap((chunk) => splitter.push(chunk))
  const rest = splitter.end()
  return rest === undefined ? lines : [...lines, rest]
}

function text(lines: readonly SplitLine[]): Array<string | number> {
  return lines.map((line) => (line.ok ? line.bytes.toString('latin1') : line.length))
}

property.prop([
  fc.array(fc.stringMatching(/^[a-z\n]{0,12}$/u), { maxLength: 20 }),
  fc.integer({ min: 1, max: 8 }),
])('gives the same lines however the bytes are cut into chunks', (pieces, maxLineBytes) => {
  const whole = pieces.join('')

  const inPieces = splitAll(
    pieces.map((piece) => Buffer.from(piece)),
    maxLineBytes,
  )

  const expected = whole.split('\n')
  if (expected.at(-1) === '') expected.pop()
  expect(text(inPieces)).toEqual(
    expected.map((line) => (line.length > maxLineBytes ? line.length : line)),
  )
})

test('keeps a character that lies across two chunks', () => {
  const bytes = Buffer.from('é€\n')

  const lines = splitAll([bytes.subarray(0, 1), bytes.subarray(1, 3), bytes.subarray(3)], 100)

  expect(lines.map((line) => line.ok && line.bytes.toString('utf8'))).toEqual(['é€'])
})

test('goes on after a line that is too long', () => {
  expect(text(splitAll([Buffer.from('aaaa'), Buffer.from('aaa\nb\n')], 5))).toEqual([7, 'b'])
})
