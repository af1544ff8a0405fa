import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { ExchangeRecord } from '../../../src/recorded/exchange-record.ts'
import type { GatherOptions } from '../../../src/recorded/record-gatherer.ts'
import { RecordGatherer } from '../../../src/recorded/record-gatherer.ts'

/** The messages of one whole exchange: `ping` to `pong`, with a model call. */
function exchange(exchangeId: string): AnalysisMsgDraft[] {
  const call = { exchangeId, by: 'model-calls', provider: 'openai', operation: 'chat' }
  return [
    {
      kind: 'request-started',
      exchangeId,
      method: 'POST',
      url: 'https://api.openai.com/v1/chat/completions',
      httpVersion: '1.1',
      headers: [['Host', 'api.openai.com']],
      host: 'api.openai.com',
    },
    { kind: 'request-body', exchangeId, text: 'pi', offset: 0 },
    { kind: 'request-body', exchangeId, text: 'ng', offset: 2 },
    { kind: 'request-ended', exchangeId, bytes: 4 },
    { kind: 'model-called', ...call, streaming: false, messages: [], tools: [] },
    { kind: 'response-started', exchangeId, status: 200, headers: [], ttfbMs: 5 },
    { kind: 'response-body', exchangeId, base64: 'cG9uZw==', offset: 0 },
    { kind: 'response-ended', exchangeId, bytes: 4, durationMs: 9 },
    {
      kind: 'exchange-completed',
      exchangeId,
      status: 200,
      requestBytes: 4,
      responseBytes: 4,
      durationMs: 9,
    },
    {
      kind: 'model-answered',
      ...call,
      output: [],
      toolCalls: [],
      durationMs: 9,
      complete: true,
    },
  ]
}

function gather(
  drafts: readonly AnalysisMsgDraft[],
  options?: GatherOptions,
): { readonly finished: ExchangeRecord[]; readonly left: ExchangeRecord[] } {
  const gatherer = new RecordGatherer(options)
  const messages = drafts.map((draft, seq) => ({ v: 1, seq, at: 1000 + seq, ...draft }))
  const finished = messages.flatMap((msg) => gatherer.take(msg as AnalysisMsg) ?? [])
  return { finished, left: gatherer.end() }
}

function bodyText(record: ExchangeRecord | undefined, side: 'request' | 'response'): string {
  const chunks = record?.[side].chunks ?? []
  return Buffer.concat(chunks.map(({ bytes }) => bytes)).toString()
}

describe('RecordGatherer', () => {
  test('gathers an exchange with what is said of its end', () => {
    const { finished, left } = gather([...exchange('a'), ...exchange('b')])
    expect(finished.map(({ id }) => id)).toEqual(['a'])
    expect(left.map(({ id }) => id)).toEqual(['b'])
    const [record] = finished
    expect(record?.started?.method).toBe('POST')
    expect(bodyText(record, 'request')).toBe('ping')
    expect(bodyText(record, 'response')).toBe('pong')
    expect(record?.request.chunks.map(({ at }) => at)).toEqual([1001, 1002])
    expect(record?.calls).toHaveLength(1)
    expect(record?.calls[0]?.answered?.complete).toBe(true)
    expect(record?.end?.kind).toBe('exchange-completed')
    expect([record?.request.isCut, record?.response.isCut]).toEqual([false, false])
  })

  test('keeps exchanges apart that run at the same time', () => {
    const [a, b] = [exchange('a'), exchange('b')]
    const { finished, left } = gather(a.flatMap((draft, at) => [draft, b[at] ?? draft]))
    const records = [...finished, ...left].toSorted((x, y) => x.id.localeCompare(y.id))
    expect(records.map(({ id }) => id)).toEqual(['a', 'b'])
    for (const record of records) expect(bodyText(record, 'response')).toBe('pong')
  })

  test('makes no second record of what is said too late', () => {
    const late = { kind: 'messages-dropped', exchangeId: 'a', where: 'x', count: 1, bytes: 0 }
    const { finished, left } = gather([
      ...exchange('a'),
      { kind: 'connection-opened', clientAddress: '127.0.0.1', clientPort: 1 },
      late as AnalysisMsgDraft,
    ])
    expect(finished).toHaveLength(1)
    expect(left).toHaveLength(0)
  })

  test('marks a body that has a gap, ends early, or passes the bound', () => {
    const whole = exchange('a')
    const gap = whole.filter((draft) => !('text' in draft && draft.text === 'pi'))
    expect(gather(gap).left[0]?.request).toEqual({ chunks: [], bytes: 0, isCut: true })
    const early = whole.filter(({ kind }) => kind !== 'response-ended')
    expect(gather(early).left[0]?.response.isCut).toBe(true)
    const bounded = gather(whole, { maxBodyBytes: 3 }).left[0]
    expect(bodyText(bounded, 'request')).toBe('pi')
    expect(bounded?.request.isCut).toBe(true)
    expect(gather(whole, { maxOpenBytes: 5 }).left[0]?.response.isCut).toBe(true)
  })

  test('tells the calls of one socket apart', () => {
    const called = { kind: 'model-called', exchangeId: 'w', provider: 'openai', operation: 'x' }
    const rest = { streaming: true, messages: [], tools: [] }
    const answered = { ...called, kind: 'model-answered', output: [], toolCalls: [] }
    const { left } = gather([
      { ...called, ...rest, call: 0 } as AnalysisMsgDraft,
      { ...called, ...rest, call: 1 } as AnalysisMsgDraft,
      { ...answered, call: 0, durationMs: 1, complete: true } as AnalysisMsgDraft,
    ])
    expect(left[0]?.calls.map((call) => call.answered !== undefined)).toEqual([true, false])
  })

  test('takes tunnels, refusals and failed handshakes for records of their own', () => {
    const tunnel = { host: 'github.com', port: 443, connectionId: 'c1' }
    const { finished, left } = gather([
      { kind: 'tunnel-opened', ...tunnel, reason: 'not-allowlisted' },
      { kind: 'connection-refused', status: 407, reason: 'unauthenticated' },
      { kind: 'tls-failed', host: 'x.org', side: 'client', code: 'alert', hint: 'h' },
      { kind: 'tunnel-closed', ...tunnel, bytesUp: 1, bytesDown: 2, durationMs: 3 },
    ])
    const records = [...finished, ...left]
    expect(records.map(({ type }) => type)).toEqual(['refused', 'tls', 'tunnel'])
    expect(records[2]?.connection?.kind).toBe('tunnel-closed')
  })
})
