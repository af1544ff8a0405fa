import { gzipSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { parseFilter } from '../../../src/query/filter.ts'
import type { Filter } from '../../../src/query/filter.ts'
import { matchesRecord, subjectOf, subjectsOf } from '../../../src/recorded/record-subject.ts'
import { gatherMessages, recordOfExchange, recordOfFixture } from '../../support/records.ts'

function filterOf(text: string): Filter {
  const parsed = parseFilter(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.filter
}

/** One record of messages without the fields that all have. */
function recordOf(...drafts: object[]): ReturnType<typeof gatherMessages>[number] {
  const messages = Array.from(drafts, (draft, seq) => ({ v: 1, seq, at: 1000 + seq, ...draft }))
  const [record] = gatherMessages(messages as AnalysisMsg[])
  if (record === undefined) throw new Error('no record')
  return record
}

describe('the subject of a record', () => {
  test('says of a model call what its messages say', () => {
    const record = recordOfFixture('messages-tools-stream')
    const [subject, ...others] = subjectsOf(record)
    const answered = record.calls[0]?.answered

    expect(others).toEqual([])
    expect(subject).toMatchObject({
      kind: 'call',
      method: 'POST',
      host: 'api.anthropic.com',
      status: 200,
      hasResponse: true,
      isError: false,
      provider: 'anthropic',
      model: answered?.model,
      operation: 'messages',
      stop: 'tool_use',
      costUsd: answered?.cost?.usd,
      tokens: answered?.usage?.totalTokens,
      ttftMs: answered?.ttftMs,
      durationMs: record.end?.durationMs,
      sessions: [record.calls[0]?.link?.sessionId],
    })
    expect(subject?.tools()).toEqual(answered?.toolCalls.map(({ name }) => name))
    expect(subject?.tools().length).toBeGreaterThan(0)
    expect(subject?.costUsd).toBeGreaterThan(0)
  })

  test('gives bodies decoded, and the conversation as text', () => {
    const record = recordOfExchange({
      request: {
        url: 'https://api.openai.com/v1/chat/completions',
        body: JSON.stringify({
          model: 'gpt-4o',
          messages: [{ role: 'user', content: 'why blue' }],
        }),
      },
      response: {
        headers: [
          ['content-type', 'application/json'],
          ['content-encoding', 'gzip'],
        ],
        body: gzipSync(
          JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Rayleigh' } }] }),
        ),
      },
    })
    const subject = subjectOf(record, record.calls[0])

    expect(subject.requestBody()).toContain('why blue')
    expect(subject.responseBody()).toContain('"Rayleigh"')
    expect(subject.conversation()).toBe('Rayleigh\nwhy blue')
    expect(matchesRecord(filterOf('~bs rayleigh & ~t json & blue'), record)).toBe(true)
  })

  test('has no text of a body that is none', () => {
    const record = recordOfExchange({
      request: { url: 'http://a.example:8080/x', body: new Uint8Array([0xff, 0, 1]) },
      response: { status: 500 },
    })

    expect(subjectOf(record)).toMatchObject({
      kind: 'http',
      host: 'a.example:8080',
      status: 500,
      isError: true,
    })
    expect(subjectOf(record).requestBody()).toBe('')
  })

  test('calls an exchange without an answer an error, and waiting', () => {
    const record = recordOfExchange({ request: { url: 'https://a.example/' } })

    expect(subjectOf(record)).toMatchObject({ hasResponse: false, isError: true })
    expect(matchesRecord(filterOf('~q ~e'), record)).toBe(true)
  })

  test.each([
    [
      { kind: 'tunnel-closed', host: 'a.example', port: 443, durationMs: 7 },
      { kind: 'tunnel', host: 'a.example', isError: false, durationMs: 7 },
    ],
    [
      { kind: 'tunnel-closed', host: 'a.example', port: 8443, durationMs: 7, error: 'ECONNRESET' },
      { kind: 'tunnel', host: 'a.example:8443', isError: true },
    ],
    [
      { kind: 'connection-refused', host: 'a.example', status: 407, reason: 'unauthenticated' },
      { kind: 'refused', host: 'a.example', isError: true, status: 407 },
    ],
    [
      { kind: 'tls-failed', host: 'a.example', side: 'client', code: 'X', hint: '' },
      { kind: 'tls', host: 'a.example', isError: true },
    ],
  ])('of %j is %j', (msg, expected) => {
    expect(subjectOf(recordOf({ connectionId: 'c1', ...msg }))).toMatchObject({
      method: '',
      url: '',
      hasResponse: false,
      ...expected,
    })
  })

  test('is one for each call of a WebSocket, with its own answer', () => {
    const call = { exchangeId: 'x', by: 'a', provider: 'openai', operation: 'responses' }
    const answer = { output: [], toolCalls: [], durationMs: 3, complete: true }
    const record = recordOf(
      {
        kind: 'request-started',
        exchangeId: 'x',
        method: 'GET',
        url: 'wss://api.openai.com/v1/responses',
        httpVersion: '1.1',
        headers: [],
        host: 'api.openai.com',
      },
      { kind: 'websocket-message', exchangeId: 'x', direction: 'request', opcode: 1, text: 'ask' },
      { kind: 'model-called', ...call, call: 0, streaming: true, messages: [], tools: [] },
      { kind: 'model-answered', ...call, ...answer, call: 0, model: 'first' },
      { kind: 'model-called', ...call, call: 1, streaming: true, messages: [], tools: [] },
      {
        kind: 'model-answered',
        ...call,
        ...answer,
        call: 1,
        model: 'second',
        error: { type: 't', message: 'm' },
      },
      {
        kind: 'exchange-failed',
        exchangeId: 'x',
        by: 'client',
        phase: 'response',
        code: 'C',
        durationMs: 9,
      },
    )

    expect(subjectsOf(record)).toMatchObject([
      { model: 'first', isError: false, durationMs: 3 },
      { model: 'second', isError: true, durationMs: 3 },
    ])
    expect(subjectOf(record, record.calls[0]).requestBody()).toBe('ask')
    expect(matchesRecord(filterOf('~model first ~e'), record)).toBe(false)
    expect(matchesRecord(filterOf('~model second ~e'), record)).toBe(true)
  })
})
