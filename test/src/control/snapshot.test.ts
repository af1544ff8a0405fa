import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { Snapshot } from '../../../src/control/snapshot.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'

let seq = 0
interface Fields {
  readonly kind: string
  readonly exchangeId?: string | undefined
}

function message(fields: Fields): AnalysisMsg {
  seq += 1
  return { v: 1, seq, at: 1, ...fields } as unknown as AnalysisMsg
}

function add(snapshot: Snapshot, fields: Fields, bytes = 100): void {
  const msg = message(fields)
  const name = `${fields.exchangeId ?? ''} ${msg.kind}`
  snapshot.add(msg, Buffer.from(name.padEnd(bytes)))
}

function exchange(snapshot: Snapshot, exchangeId: string, bodyBytes = 100): void {
  add(snapshot, { kind: 'request-started', exchangeId })
  add(snapshot, { kind: 'response-body', exchangeId }, bodyBytes)
  add(snapshot, { kind: 'exchange-completed', exchangeId })
  add(snapshot, { kind: 'model-answered', exchangeId })
}

function names(snapshot: Snapshot): string[] {
  return snapshot.lines().map((line) => line.toString().trim())
}

test('gives lines in the order in which they came, across exchanges', () => {
  const snapshot = new Snapshot(1e6)
  for (const kind of ['request-started', 'response-started']) {
    for (const exchangeId of ['a', 'b']) add(snapshot, { kind, exchangeId })
  }

  expect(names(snapshot)).toEqual([
    'a request-started',
    'b request-started',
    'a response-started',
    'b response-started',
  ])
})

test('forgets whole exchanges, oldest first, and what is said of them afterwards', () => {
  const snapshot = new Snapshot(4000)
  for (const exchangeId of ['a', 'b', 'c', 'd', 'e', 'f']) exchange(snapshot, exchangeId)
  add(snapshot, { kind: 'model-answered', exchangeId: 'a' })

  const left = names(snapshot)

  expect(left.length % 4).toBe(0)
  expect(left.at(-1)).toBe('f model-answered')
  expect(left.some((name) => name.startsWith('a '))).toBe(false)
})

test('keeps a running exchange while ended ones can go', () => {
  const snapshot = new Snapshot(4000)
  add(snapshot, { kind: 'request-started', exchangeId: 'running' })
  for (let n = 0; n < 100; n += 1) exchange(snapshot, `x${n}`)

  expect(names(snapshot)[0]).toBe('running request-started')
})

test('keeps the heads of an exchange whose bodies would fill it', () => {
  const snapshot = new Snapshot(10_000)
  exchange(snapshot, 'small')
  add(snapshot, { kind: 'request-started', exchangeId: 'big' })
  for (let n = 0; n < 100; n += 1) add(snapshot, { kind: 'response-body', exchangeId: 'big' }, 1000)
  add(snapshot, { kind: 'exchange-completed', exchangeId: 'big' })

  expect(names(snapshot).filter((name) => name.startsWith('big'))).toEqual([
    'big request-started',
    'big exchange-completed',
  ])
  expect(names(snapshot)).toHaveLength(6)
})

property.prop([
  fc.array(
    fc.record({
      kind: fc.constantFrom('request-started', 'response-body', 'exchange-failed', 'tunnel-closed'),
      exchangeId: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
      bytes: fc.integer({ min: 1, max: 3000 }),
    }),
    { maxLength: 60 },
  ),
])('never passes its bound, and counts what it holds', (added) => {
  const snapshot = new Snapshot(5000)
  for (const { bytes, ...fields } of added) {
    add(snapshot, fields, bytes)

    const lines = snapshot.lines()
    expect(snapshot.bytes).toBeLessThanOrEqual(5000)
    expect(snapshot.bytes).toBe(lines.reduce((sum, line) => sum + line.length + 128, 0))
  }
})

test('encodes a message that was given as it is when its line is asked for, and counts it before', () => {
  const snapshot = new Snapshot(1e6)
  let encoded = 0
  const encode = (): Buffer => {
    encoded += 1
    return Buffer.from('made')
  }
  snapshot.add(message({ kind: 'model-called', exchangeId: 'a' }), { length: 5000, encode })
  snapshot.add(message({ kind: 'http-parsed', exchangeId: 'a' }), {
    length: 10,
    encode: () => undefined,
  })

  expect(snapshot.bytes).toBeGreaterThan(5000)
  expect(encoded).toBe(0)
  expect(names(snapshot)).toEqual(['made'])
})
