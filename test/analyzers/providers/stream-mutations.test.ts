/** Streams of every framing with their bytes cut, flipped, repeated and spliced. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { bodyBytes, readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, runAnalyzers } from '../../support/run-analyzers.ts'

const names = [
  'bedrock-messages-stream',
  'bedrock-converse-tools-stream',
  'bedrock-titan-stream',
  'ollama-chat-stream',
  'cohere-v1-chat-stream',
  'cohere-tools-stream',
] as const

const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: place }),
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('repeat' as const), at: place, to: place }),
  fc.record({
    kind: fc.constant('splice' as const),
    at: place,
    to: place,
    bytes: fc.uint8Array({ maxLength: 20 }),
  }),
)
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never

function mutate(bytes: Buffer, change: Mutation): Buffer {
  const at = Math.floor(change.at * bytes.length)
  if (change.kind === 'cut') return bytes.subarray(0, at)
  if (change.kind === 'flip') {
    const flipped = Buffer.from(bytes)
    if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << change.bit)
    return flipped
  }
  const to = Math.floor(change.to * bytes.length)
  const [from, until] = at < to ? [at, to] : [to, at]
  return change.kind === 'repeat'
    ? Buffer.concat([bytes.subarray(0, until), bytes.subarray(from)])
    : Buffer.concat([bytes.subarray(0, from), change.bytes, bytes.subarray(until)])
}

function run(name: string, body: Buffer, chunkSize?: readonly number[]): AnalysisMsg[] {
  const spec = specOf(readRecorded(name))
  const response = { ...spec.response, body }
  const chunks = chunkSize === undefined ? {} : { chunkSize }
  const all = exchangeMessages({ ...spec, response, stepMs: 0, ...chunks })
  return runAnalyzers(defaultAnalyzers(), all).filter(({ by }) => by !== undefined)
}

describe.each(names)('%s', (name) => {
  const whole = bodyBytes(readRecorded(name).response.body)

  test('gives valid messages and one answer, whatever happens to its bytes, in any chunks', () => {
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 }),
        (changes, sizes) => {
          const body = changes.reduce(mutate, whole)
          const out = run(name, body)
          expect(ofKind(out, 'model-answered')).toHaveLength(1)
          for (const msg of out) {
            const copy: unknown = JSON.parse(JSON.stringify(msg))
            expect(analysisMsgSchema.safeParse(copy).error).toBeUndefined()
          }
          const chunked = run(name, body, sizes)
          expect(chunked.map(withoutSeq)).toEqual(out.map(withoutSeq))
        },
      ),
      { numRuns: 25 },
    )
  })

  test('is the same byte by byte, and not complete without its second half', () => {
    expect(run(name, whole, [1]).map(withoutSeq)).toEqual(run(name, whole).map(withoutSeq))
    const cut = run(name, whole.subarray(0, whole.length / 2))

    expect(ofKind(run(name, whole), 'stream-merged')[0]?.complete).toBe(true)
    expect(ofKind(cut, 'stream-merged')[0]?.complete).toBe(false)
  })
})

function withoutSeq({ seq: _seq, ...rest }: AnalysisMsg): object {
  return rest
}
