import { randomBytes } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { ValueGuard } from '../../../src/pipeline/value-guard.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'
import { samples } from '../messages/samples.ts'

const value = 'sk-CANARY-7f3a'

function guarded(draft: AnalysisMsgDraft): { safe: AnalysisMsgDraft; notes: unknown[] } {
  const values = new ValueScanner(randomBytes(seedBytes))
  values.add('one', value)
  const notes: unknown[] = []
  const safe = new ValueGuard(values).cleaned(draft, (note) => notes.push(note))
  return { safe, notes }
}

describe('a message', () => {
  test.each<[string, AnalysisMsgDraft]>([
    [
      'the host of a tunnel',
      { kind: 'tunnel-opened', host: `${value}.example`, port: 443, reason: 'not-allowlisted' },
    ],
    [
      'the host of a tunnel, in lower case',
      {
        kind: 'tunnel-opened',
        host: `${value.toLowerCase()}.example`,
        port: 443,
        reason: 'not-allowlisted',
      },
    ],
    ['the error of an analyzer', { kind: 'analyzer-failed', analyzer: 'a', error: `no ${value}` }],
    [
      'a header',
      {
        kind: 'request-ended',
        bytes: 0,
        trailers: [
          ['X-A', value],
          [value, 'x'],
        ],
      },
    ],
    ['the agent', { kind: 'request-ended', bytes: 0, agent: value }],
    [
      'a key of JSON',
      {
        kind: 'http-parsed',
        direction: 'request',
        json: { [value]: 1 },
        bytes: 1,
        truncated: false,
      },
    ],
    [
      'a binary frame',
      {
        kind: 'websocket-message',
        direction: 'response',
        opcode: 2,
        base64: Buffer.from(`\u0000${value}`).toString('base64'),
      },
    ],
  ])('with a value in %s is told without it', (_where, draft) => {
    const { safe, notes } = guarded(draft)
    const text = JSON.stringify(safe)

    expect(text.toLowerCase()).not.toContain(value.toLowerCase())
    expect(Buffer.from(('base64' in safe && safe.base64) || '', 'base64').toString()).not.toContain(
      value,
    )
    expect(notes).toMatchObject([{ kind: 'secret-withheld', where: draft.kind, secretId: 'one' }])
  })

  test('without one is the same', () => {
    for (const msg of samples) {
      expect(guarded(msg).safe).toBe(msg)
      expect(guarded(msg).notes).toEqual([])
    }
  })

  test('of a body is not read again: it was masked as it came', () => {
    const draft = { kind: 'response-body', text: value, offset: 0 } as const

    expect(guarded(draft).safe).toBe(draft)
  })
})

test('each secret is told once for an exchange and a kind of message', () => {
  const values = new ValueScanner(randomBytes(seedBytes))
  values.add('one', value)
  const guard = new ValueGuard(values)
  const notes: unknown[] = []
  const tell = (exchangeId: string, text: string): void => {
    const draft = {
      kind: 'sse-event',
      exchangeId,
      index: 0,
      data: text,
      sinceRequestMs: 0,
    } as const
    guard.cleaned(draft, (note) => notes.push(note))
  }

  tell('x1', `${value} and ${value}`)
  tell('x1', value)
  tell('x2', value)

  expect(notes).toEqual([
    { kind: 'secret-withheld', where: 'sse-event', secretId: 'one', count: 2 },
    { kind: 'secret-withheld', where: 'sse-event', secretId: 'one', count: 1 },
  ])
})

test('an empty vault costs no look', () => {
  const values = { isEmpty: true, find: () => expect.fail('was asked'), partialStart: () => 0 }
  const draft = { kind: 'request-ended', bytes: 1 } as const

  expect(new ValueGuard(values).cleaned(draft, () => {})).toBe(draft)
})
