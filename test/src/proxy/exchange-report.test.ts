import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { BodyChunk } from '../../../src/pipeline/pipeline.ts'
import { ExchangeReport } from '../../../src/proxy/exchange-report.ts'

const secret = 'CANARY-7f3a'

interface Bench {
  readonly report: ExchangeReport
  readonly told: AnalysisMsgDraft[]
  readonly bodies: BodyChunk[]
  readonly clock: { ms: number }
}

function bench(options: { observed?: boolean; withholdBodies?: boolean } = {}): Bench {
  const clock = { ms: 100 }
  const told: AnalysisMsgDraft[] = []
  const bodies: BodyChunk[] = []
  const report = new ExchangeReport(
    {
      clock: { now: () => clock.ms, monotonicMs: () => clock.ms },
      publish: (draft) => told.push(draft),
      publishBody: (body) => bodies.push(body),
      publishUnread: () => true,
    },
    {
      connectionId: 'c1',
      exchangeId: 'x1',
      agent: 'g',
      path: '/v1/x',
      method: 'POST',
      httpVersion: '1.1',
      headers: [
        ['Host', 'a.example'],
        ['Authorization', `Bearer ${secret}`],
        ['Cookie', `sid=${secret}`],
      ],
      destination: { authority: { host: 'a.example' } },
    },
    { observed: options.observed ?? true, withholdBodies: options.withholdBodies ?? false },
  )
  return { report, told, bodies, clock }
}

const head = { status: 200, statusText: 'OK', httpVersion: '1.1' }

describe('a report', () => {
  test('tells an exchange in order, with ids, offsets, bytes and times', () => {
    const { report, told, bodies, clock } = bench()

    report.started('https://a.example/v1')
    report.requestBody(Buffer.from('abc'))
    report.requestBody(Buffer.from('de'))
    report.requestEnded([['X-T', '1']])
    clock.ms = 112.345
    report.responseStarted({ ...head, headers: [] })
    report.responseBody(Buffer.from('xyz'))
    clock.ms = 120
    report.responseEnded([])
    report.completed(200)

    expect(told.map(({ kind }) => kind)).toEqual([
      'request-started',
      'request-ended',
      'response-started',
      'response-ended',
      'exchange-completed',
    ])
    expect(told.every(({ exchangeId, agent }) => exchangeId === 'x1' && agent === 'g')).toBe(true)
    expect(bodies.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['request-body', 0],
      ['request-body', 3],
      ['response-body', 0],
    ])
    expect(told[1]).toMatchObject({ bytes: 5, trailers: [['X-T', '1']] })
    expect(told[2]).toMatchObject({ ttfbMs: 12.35 })
    expect(told[3]).toMatchObject({ bytes: 3, durationMs: 20 })
    expect(told[4]).toMatchObject({ requestBytes: 5, responseBytes: 3, status: 200 })
  })

  test('holds no secret of heads, URL or trailers', () => {
    const { report, told } = bench()

    report.started(`https://a.example/v1?api_key=${secret}`)
    report.requestEnded([['X-Api-Key', secret]])
    report.responseStarted({ ...head, headers: [['Set-Cookie', `a=${secret}`]] })
    report.responseEnded([['Authorization', secret]])

    expect(JSON.stringify(told)).not.toContain(secret)
  })

  test('ends an exchange once, whatever comes after', () => {
    const { report, told, bodies } = bench()

    expect(report.failed({ by: 'client', phase: 'request', code: 'gone' })).toBe(true)
    expect(report.failed({ by: 'upstream', phase: 'response', code: 'late' })).toBe(false)
    report.completed(200)
    report.refused({ status: 403, reason: 'r', message: 'm' })
    report.requestBody(Buffer.from('late'))
    report.requestEnded([])

    expect(told.map(({ kind }) => kind)).toEqual(['exchange-failed'])
    expect(bodies).toEqual([])
    expect(report.isOver).toBe(true)
  })

  test('tells a refusal and the end that goes with it', () => {
    const { report, told } = bench()

    report.refused({ status: 429, reason: 'rate', message: 'm', rule: 'r1', retryAfterSeconds: 1 })

    expect(told).toMatchObject([
      { kind: 'request-refused', status: 429, reason: 'rate', rule: 'r1' },
      { kind: 'exchange-completed', status: 429 },
    ])
  })

  test('tells the end of a request once', () => {
    const { report, told } = bench()

    report.requestEnded([])
    report.requestEnded([])

    expect(told).toHaveLength(1)
    expect(report.isRequestEnded).toBe(true)
  })

  test('withholds bodies that are credentials, and still counts them', () => {
    const { report, told, bodies } = bench({ withholdBodies: true })

    report.requestBody(Buffer.from(secret))
    report.responseBody(Buffer.from(secret))
    report.completed(200)

    expect(bodies).toEqual([])
    expect(told).toMatchObject([{ requestBytes: secret.length, responseBytes: secret.length }])
  })

  test('of an unobserved exchange tells nothing and counts all', () => {
    const { report, told, bodies } = bench({ observed: false })

    report.started('http://a.example/')
    report.requestBody(Buffer.from('abc'))
    report.responseStarted({ ...head, headers: [] })
    report.count('response', 7)
    report.completed(200)

    expect([told, bodies]).toEqual([[], []])
    expect(report.result).toEqual({ requestBytes: 3, responseBytes: 7, problem: undefined })
  })

  test('keeps the problem of an exchange that failed', () => {
    const { report } = bench({ observed: false })

    report.failed({ by: 'upstream', phase: 'connect', code: 'unreachable', message: 'no route' })

    expect(report.result.problem).toBe('no route')
  })
})
