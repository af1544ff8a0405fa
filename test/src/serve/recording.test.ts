import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { RecordGatherer } from '../../../src/recorded/record-gatherer.ts'
import type { Recording } from '../../../src/serve/recording.ts'
import { canonicalPath, toRecording } from '../../../src/serve/recording.ts'

const started: AnalysisMsgDraft = {
  kind: 'request-started',
  exchangeId: 'x1',
  method: 'post',
  url: 'https://api.openai.com/v1/responses?a=1',
  httpVersion: '1.1',
  headers: [['Content-Type', 'application/json']],
  host: 'api.openai.com',
}
const asked: AnalysisMsgDraft[] = [
  started,
  { kind: 'request-body', exchangeId: 'x1', text: '{"n":1}', offset: 0 },
  { kind: 'request-ended', exchangeId: 'x1', bytes: 7 },
]
const head: AnalysisMsgDraft = {
  kind: 'response-started',
  exchangeId: 'x1',
  status: 200,
  statusText: 'OK',
  headers: [
    ['Content-Type', 'text/event-stream'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'keep-alive'],
  ],
  ttfbMs: 5,
}
const chunk = (text: string, offset: number): AnalysisMsgDraft => ({
  kind: 'response-body',
  exchangeId: 'x1',
  text,
  offset,
})
const ended = (bytes: number): AnalysisMsgDraft => ({
  kind: 'response-ended',
  exchangeId: 'x1',
  bytes,
  durationMs: 5,
})
const completed: AnalysisMsgDraft = {
  kind: 'exchange-completed',
  exchangeId: 'x1',
  status: 200,
  requestBytes: 7,
  responseBytes: 4,
  durationMs: 5,
}
const failed = (by: 'client' | 'upstream' | 'proxy'): AnalysisMsgDraft => ({
  kind: 'exchange-failed',
  exchangeId: 'x1',
  by,
  phase: 'response',
  code: 'ECONNRESET',
  durationMs: 5,
})

/** Messages come 10 ms apart. */
function recorded(...drafts: readonly AnalysisMsgDraft[]): Recording | undefined {
  const gatherer = new RecordGatherer()
  for (const [seq, draft] of drafts.entries()) {
    gatherer.take({ v: 1, seq, at: 1000 + seq * 10, ...draft })
  }
  const [record] = gatherer.end()
  return record === undefined ? undefined : toRecording(record)
}

test('an exchange becomes its request, and the answer with chunks at their times', () => {
  expect(recorded(...asked, head, chunk('ab', 0), chunk('cd', 2), ended(4), completed)).toEqual({
    id: 'x1',
    startedAt: 1000,
    method: 'POST',
    host: 'api.openai.com',
    path: '/v1/responses',
    query: 'a=1',
    mediaType: 'application/json',
    body: Buffer.from('{"n":1}'),
    answer: {
      kind: 'answer',
      answer: {
        status: 200,
        statusText: 'OK',
        headers: [['Content-Type', 'text/event-stream']],
        headAfterMs: 10,
        chunks: [
          { afterMs: 10, bytes: Buffer.from('ab') },
          { afterMs: 20, bytes: Buffer.from('cd') },
        ],
        endAfterMs: 30,
        trailers: [],
        isBroken: false,
      },
    },
  })
})

describe('an exchange that broke off', () => {
  test('keeps what had come, and breaks off when it did', () => {
    expect(recorded(...asked, head, chunk('ab', 0), failed('upstream'))?.answer).toMatchObject({
      kind: 'answer',
      answer: { isBroken: true, endAfterMs: 20, chunks: [{ bytes: Buffer.from('ab') }] },
    })
  })

  test('before any answer breaks off without one', () => {
    expect(recorded(...asked, failed('upstream'))?.answer).toEqual({ kind: 'broken', afterMs: 10 })
  })
})

describe('what the capture does not hold whole is not served', () => {
  const dropped: AnalysisMsgDraft = {
    kind: 'messages-dropped',
    exchangeId: 'x1',
    where: 'redaction',
    count: 1,
    bytes: 2,
  }

  test.each<[string, string, AnalysisMsgDraft[]]>([
    [
      'a gap in the answer',
      'answer is not whole',
      [...asked, head, chunk('cd', 2), ended(4), completed],
    ],
    [
      'a cut answer that had more',
      'answer is not whole',
      [...asked, head, dropped, failed('client')],
    ],
    ['a gap in the request', 'request is not whole', [started, head, ended(0), completed]],
    ['no end', 'capture ends before', [...asked, head, chunk('ab', 0)]],
    ['a client that left', 'client left', [...asked, failed('client')]],
    ['no upstream', 'no upstream', [...asked, failed('proxy')]],
    ['a WebSocket', 'WebSocket', [...asked, { ...head, status: 101 }, failed('client')]],
  ])('%s', (_, why, drafts) => {
    expect(recorded(...drafts)?.answer).toEqual({
      kind: 'unservable',
      why: expect.stringContaining(why),
    })
  })
})

test('what the proxy itself refused was no upstream asked', () => {
  const refused: AnalysisMsgDraft = {
    kind: 'request-refused',
    exchangeId: 'x1',
    status: 403,
    reason: 'rule',
  }

  expect(recorded(started, refused)).toBeUndefined()
})

test('a host has its port where that is not the usual one', () => {
  const at = (url: string) => recorded({ ...started, url })?.host

  expect(at('http://localhost:11434/api/chat')).toBe('localhost:11434')
  expect(at('https://API.Example:443/v1')).toBe('api.example')
})

test.each([
  ['/v1/models/a%2fb', '/v1/models/a%2Fb'],
  ['/%7Euser', '/~user'],
  ['/v1/models/x:generate', '/v1/models/x%3Agenerate'],
  ['/a;b=c,d@e', '/a%3bb%3Dc%2Cd%40e'],
  ['/bad%zz', '/bad%zz'],
])('the paths %s and %s are one', (one, other) => {
  expect(canonicalPath(one)).toBe(canonicalPath(other))
})

test('a path reads as it was sent', () => {
  expect(canonicalPath('/v1beta/models/gemini-2.5-pro:generateContent')).toBe(
    '/v1beta/models/gemini-2.5-pro:generateContent',
  )
  expect(canonicalPath('/a%2Fb/c%20d')).toBe('/a%2Fb/c%20d')
})
