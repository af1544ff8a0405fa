import { describe, expect, test } from 'vitest'

import { analysisMsgSchema, captureOpenedSchema } from '../../../src/messages/schema.ts'
import { samples } from './samples.ts'

const kinds = analysisMsgSchema.options.map((option) => option.shape.kind.value)
const named = samples.map((msg) => [msg.kind, msg] as const)

test('the samples hold every kind once', () => {
  expect(samples.map(({ kind }) => kind).toSorted()).toEqual(kinds.toSorted())
  expect(new Set(kinds).size).toBe(kinds.length)
})

describe.each(named)('%s', (_kind, msg) => {
  test('is accepted as it stands', () => {
    expect(analysisMsgSchema.parse(msg)).toEqual(msg)
  })

  test('is accepted without its optional fields and refused without a required one', () => {
    const option = analysisMsgSchema.options.find(({ shape }) => shape.kind.value === msg.kind)
    const shape: Record<string, { safeParse(value: unknown): { success: boolean } }> = {
      ...option?.shape,
    }
    for (const name of Object.keys(msg)) {
      const without: Record<string, unknown> = { ...msg }
      delete without[name]
      const isOptional = shape[name]?.safeParse(undefined).success ?? false

      expect([name, analysisMsgSchema.safeParse(without).success]).toEqual([name, isOptional])
    }
  })

  test.each([
    ['another version', { v: 2 }],
    ['a negative seq', { seq: -1 }],
    ['a fraction as seq', { seq: 0.5 }],
    ['a date as text', { at: '2026-01-01' }],
    ['a number as id', { exchangeId: 7 }],
  ])('is refused with %s', (_what, change) => {
    expect(analysisMsgSchema.safeParse({ ...msg, ...change }).success).toBe(false)
  })
})

test('a kind that is not known is refused by the schema itself', () => {
  const msg = { v: 1, seq: 0, at: 0, kind: 'from-the-future' }

  expect(analysisMsgSchema.safeParse(msg).success).toBe(false)
})

test.each([
  [{ kind: 'capture-opened', v: 1, porthole: '0.1.0', startedAt: 1 }, true],
  [{ kind: 'capture-opened', v: 1, porthole: '0.1.0', startedAt: 1, continues: 2 }, true],
  [{ kind: 'capture-opened', v: 2, porthole: '0.1.0', startedAt: 1 }, false],
  [{ kind: 'capture-opened', v: 1, startedAt: 1 }, false],
  [{ kind: 'capture-opened', v: 1, porthole: '0.1.0', startedAt: -1 }, false],
])('the first line %j of a capture is accepted: %s', (line, isAccepted) => {
  expect(captureOpenedSchema.safeParse(line).success).toBe(isAccepted)
})
