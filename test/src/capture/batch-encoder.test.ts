import { describe, expect, test } from 'vitest'

import type { Clock } from '../../../src/base/clock.ts'
import { BatchEncoder, bytesOf } from '../../../src/capture/batch-encoder.ts'
import type { Entry } from '../../../src/capture/batch-encoder.ts'

const held: Clock = { now: () => 0, monotonicMs: () => 0 }

function encoderWith(entries: readonly Entry[], clock = held): BatchEncoder {
  const encoder = new BatchEncoder(clock)
  const waiting = [...entries]
  encoder.refill(() => waiting.shift())
  return encoder
}

/** Writes a blob of its own unless the file has it, then its line. */
function entry(hash: string, line: string): Entry {
  return {
    bytes: 10,
    *encode(known) {
      if (!known.take(hash, 1)) yield `blob ${hash}\n`
      yield `${line}\n`
    },
  }
}

describe('a batch', () => {
  test('holds what fits, and says which entries are whole', () => {
    const encoder = encoderWith(['one\n', entry('h', 'two'), entry('h', 'three')])

    const batch = encoder.encode(100, true)

    expect(batch.bytes.toString()).toBe('one\nblob h\ntwo\nthree\n')
    expect(batch).toMatchObject({ entryEnds: [4, 15, 21], needsFile: false })
    encoder.drop(3)
    expect(encoder.isEmpty).toBe(true)
  })

  test('ends before an entry that does not fit, which then has its blobs anew', () => {
    const encoder = encoderWith([entry('h', 'one'), entry('h', 'a long second line')])

    const first = encoder.encode(20, true)
    encoder.drop(first.entryEnds.length)
    const second = encoder.encode(100, true)

    expect(first).toMatchObject({ entryEnds: [11], needsFile: true })
    expect(first.bytes.toString()).toBe('blob h\none\n')
    expect(second.bytes.toString()).toBe('blob h\na long second line\n')
  })

  test('takes the first entry of a file whatever its size, and no other', () => {
    const encoder = encoderWith(['a longer line\n', 'b\n'])

    expect(encoder.encode(5, false)).toMatchObject({ entryEnds: [], needsFile: true })
    expect(encoder.encode(5, true)).toMatchObject({ entryEnds: [14], needsFile: true })
  })

  test('ends when its time is up, and goes on within the entry', () => {
    let ms = 0
    const encoder = encoderWith([entry('h', 'one'), 'two\n'], {
      now: () => 0,
      monotonicMs: () => (ms += 10),
    })

    const batches = [encoder.encode(100, true), encoder.encode(100, true)]

    expect(batches.map(({ bytes }) => bytes.toString())).toEqual(['blob h\n', 'one\n'])
    expect(batches.map(({ entryEnds }) => entryEnds)).toEqual([[], []])
  })

  test('begins an entry anew after it is not known what the file holds', () => {
    const encoder = encoderWith([entry('h', 'one')])
    encoder.encode(100, true)

    encoder.restart()

    expect(encoder.encode(100, true).bytes.toString()).toBe('blob h\none\n')
  })
})

test('entries that are given up are given back', () => {
  const encoder = encoderWith(['one\n', 'é\n'])

  expect(encoder.takeAll().map(bytesOf)).toEqual([4, 3])
  expect(encoder.isEmpty).toBe(true)
  expect(encoder.encode(10, true).bytes).toHaveLength(0)
})
