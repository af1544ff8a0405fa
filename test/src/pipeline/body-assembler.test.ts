import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { pieceBytes } from '../../../src/base/content-pieces.ts'
import { BodyAssembler } from '../../../src/pipeline/body-assembler.ts'
import type { BodyChunk, BodyPart } from '../../../src/pipeline/body-assembler.ts'

function chunk(offset: number, bytes: Uint8Array, exchangeId = 'x1'): BodyChunk {
  return { kind: 'request-body', connectionId: 'c1', exchangeId, agent: 'g', offset, chunk: bytes }
}

/** Text in which nothing repeats, with characters of several bytes. */
function prose(length: number): Buffer {
  let state = 7
  const words = Array.from({ length: length / 8 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state.toString(36).padStart(8, '€')
  })
  return Buffer.from(words.join(''))
}

function assemble(bytes: Buffer, sizes: readonly number[]): BodyPart[] {
  const assembler = new BodyAssembler()
  const parts: BodyPart[] = []
  for (let [at, index] = [0, 0]; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    parts.push(...assembler.push(chunk(at, bytes.subarray(at, at + size))))
    at += size
  }
  return [...parts, ...assembler.flush('x1')]
}

function cutsOf(parts: readonly BodyPart[]): number[] {
  return parts.flatMap(({ body, pieceEnds = [] }) => pieceEnds.map((end) => body.offset + end))
}

const whole = prose(300_000)
const sizes = fc.array(fc.integer({ min: 1_000, max: 90_000 }), { minLength: 1, maxLength: 5 })

property.prop([sizes])('parts are the whole body, in order, each of them text', (chunkSizes) => {
  const parts = assemble(whole, chunkSizes)

  expect(Buffer.concat(parts.map(({ body }) => body.chunk)).equals(whole)).toBe(true)
  let offset = 0
  for (const { body } of parts) {
    expect(body).toMatchObject({ offset, exchangeId: 'x1', connectionId: 'c1', agent: 'g' })
    expect(Buffer.from(body.chunk).toString('utf8')).not.toContain('\ufffd')
    offset += body.chunk.length
  }
})

property.prop([sizes, sizes])('pieces are the same whatever the chunks were', (one, other) => {
  expect(cutsOf(assemble(whole, one))).toEqual(cutsOf(assemble(whole, other)))
})

test('a short body is one part, told when anything else of its exchange is', () => {
  const assembler = new BodyAssembler()

  expect(assembler.push(chunk(0, Buffer.from('ab')))).toEqual([])
  expect(assembler.push(chunk(2, Buffer.from('cd')))).toEqual([])
  expect(assembler.flush('x2')).toEqual([])
  expect(assembler.flush(undefined)).toEqual([])

  const parts = assembler.flush('x1')
  expect(parts).toHaveLength(1)
  expect(parts[0]).toMatchObject({ body: { offset: 0 }, pieceEnds: [4] })
  expect(Buffer.from(parts[0]?.body.chunk ?? []).toString()).toBe('abcd')
  expect(assembler.flush('x1')).toEqual([])
})

test('bytes on the two sides of a gap are not joined', () => {
  const assembler = new BodyAssembler()
  assembler.push(chunk(0, Buffer.from('ab')))

  const parts = [...assembler.push(chunk(5, Buffer.from('cd'))), ...assembler.flush('x1')]

  expect(parts.map(({ body }) => [body.offset, String(body.chunk)])).toEqual([
    [0, 'ab'],
    [5, 'cd'],
  ])
})

test('what a response sends is told as it comes', () => {
  const response: BodyChunk = { ...chunk(0, Buffer.from('data')), kind: 'response-body' }

  expect(new BodyAssembler().push(response)).toEqual([{ body: response }])
})

test('only so many bodies wait at a time, each of them for a bounded part', () => {
  const assembler = new BodyAssembler()
  const told: BodyPart[] = []
  let sent = 0
  for (let index = 0; index < 300; index += 1) {
    for (let offset = 0; offset < 100_000; offset += 20_000) {
      told.push(
        ...assembler.push(chunk(offset, whole.subarray(offset, offset + 20_000), `x${index}`)),
      )
      sent += 20_000
    }
  }

  const tell = (parts: readonly BodyPart[]): number =>
    parts.reduce((sum, { body }) => sum + body.chunk.length, 0)
  const waiting = assembler.flushAll()
  expect(waiting).toHaveLength(256)
  expect(tell(told) + tell(waiting)).toBe(sent)
  for (const { body } of waiting) expect(body.chunk.length).toBeLessThan(64 * 1024 + pieceBytes.max)
})
