import { array, assert, nat, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { Funnel } from '../../../src/recorded/funnel.ts'
import type { FunnelVerdict } from '../../../src/recorded/funnel.ts'
import { anyMessage, answered, called, messages } from '../run/message-samples.ts'

const startedAt = 1_700_000_000_000

function verdictOf(drafts: readonly AnalysisMsgDraft[], now = startedAt): FunnelVerdict {
  const funnel = new Funnel()
  for (const msg of messages(...drafts)) funnel.take(msg)
  return funnel.verdict(now)
}

const connected: AnalysisMsgDraft = {
  kind: 'connection-opened',
  connectionId: 'c1',
  clientAddress: '127.0.0.1',
  clientPort: 1,
}
const tunnel = (host: string, port = 443): AnalysisMsgDraft => ({
  kind: 'tunnel-opened',
  host,
  port,
  reason: 'not-allowlisted',
})
const rejected = (host: string): AnalysisMsgDraft => ({
  kind: 'tls-failed',
  host,
  side: 'client',
  code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
  hint: 'set NODE_EXTRA_CA_CERTS',
})
const request = (exchangeId: string, url: string): AnalysisMsgDraft => ({
  kind: 'request-started',
  exchangeId,
  method: 'POST',
  url,
  httpVersion: '1.1',
  headers: [],
  host: new URL(url).hostname,
})
const failed = (exchangeId: string, by: 'client' | 'upstream'): AnalysisMsgDraft => ({
  kind: 'exchange-failed',
  exchangeId,
  by,
  phase: 'connect',
  code: 'ENOTFOUND',
  message: 'no such host',
  durationMs: 1,
})

describe('the step that was reached', () => {
  test.each<[string, FunnelVerdict['step'], AnalysisMsgDraft[]]>([
    ['nothing at all', 'no-connection', []],
    ['a silent connection', 'no-connect', [connected]],
    [
      'a CONNECT without its token',
      'refused',
      [
        connected,
        { kind: 'connection-refused', status: 407, reason: 'unauthenticated', host: 'a.example' },
      ],
    ],
    ['a tunnel', 'tunnelled', [connected, tunnel('llm.example')]],
    ['a certificate that was rejected', 'tls-rejected', [connected, rejected('api.openai.com')]],
    [
      'an upstream that is not there',
      'upstream-failed',
      [request('x1', 'https://api.openai.com/v1/models'), failed('x1', 'upstream')],
    ],
    [
      'requests that are no model calls',
      'no-model-call',
      [connected, request('x1', 'https://api.openai.com/v1/models')],
    ],
    [
      'a call without its answer',
      'streaming',
      [request('x1', 'https://api.openai.com/v1/responses'), called('x1')],
    ],
    [
      'a call and its answer',
      'model-call',
      [request('x1', 'https://api.openai.com/v1/responses'), called('x1'), answered('x1')],
    ],
  ])('after %s is %s', (_, step, drafts) => {
    expect(verdictOf(drafts).step).toBe(step)
  })

  test('is the call, whatever else went wrong', () => {
    const drafts = [rejected('api.openai.com'), tunnel('a.example'), called('x1'), answered('x1')]

    expect(verdictOf(drafts)).toEqual({
      step: 'model-call',
      text: 'a model call was seen',
      fix: '',
    })
  })

  test('is not reached by a call that got no answer', () => {
    const verdict = verdictOf([
      request('x1', 'https://api.openai.com/v1/responses'),
      called('x1'),
      failed('x1', 'upstream'),
      { ...answered('x1'), status: undefined, complete: false } as AnalysisMsgDraft,
    ])

    expect(verdict).toMatchObject({ step: 'upstream-failed', host: 'api.openai.com' })
    expect(verdict.text).toContain('no such host')
  })
})

describe('where several hosts are in question', () => {
  test('the host of a provider is named before one that merely passes by', () => {
    const drafts = [tunnel('api.anthropic.com'), tunnel('telemetry.example')]

    expect(verdictOf(drafts).host).toBe('api.anthropic.com')
  })

  test('a rejected certificate comes before a tunnel to a provider', () => {
    const drafts = [rejected('llm.example'), tunnel('api.anthropic.com')]

    expect(verdictOf(drafts)).toMatchObject({
      step: 'tls-rejected',
      host: 'llm.example',
      fix: 'set NODE_EXTRA_CA_CERTS',
    })
  })

  test('what is read comes before a tunnel to an unknown host, which the advice names', () => {
    const verdict = verdictOf([
      request('x1', 'https://api.openai.com/v1/models?limit=2'),
      tunnel('gateway.example', 8443),
    ])

    expect(verdict.text).toContain('api.openai.com/v1/models')
    expect(verdict.text).not.toContain('limit')
    expect(verdict.fix).toContain('--allow gateway.example:8443')
  })

  test('a host whose requests are read by now is no trouble any more', () => {
    const drafts = [rejected('api.openai.com'), request('x1', 'https://api.openai.com/v1/models')]

    expect(verdictOf(drafts).step).toBe('no-model-call')
  })

  test('a client that leaves by itself is no trouble of the upstream', () => {
    const drafts = [request('x1', 'https://api.openai.com/v1/models'), failed('x1', 'client')]

    expect(verdictOf(drafts).step).toBe('no-model-call')
  })
})

test('names no host where what was asked for could not be read', () => {
  const verdict = verdictOf([
    { kind: 'connection-refused', status: 400, reason: 'bad-authority', message: 'no port' },
  ])

  expect(verdict).toMatchObject({ step: 'refused', text: 'refused with 400: no port' })
  expect(verdict).not.toHaveProperty('host')
})

test('says how long a call has been under way', () => {
  const drafts = [request('x1', 'https://api.openai.com/v1/responses'), called('x1')]

  expect(verdictOf(drafts, startedAt + 12_001)).toMatchObject({
    text: 'a model call to api.openai.com has been under way for 12 s',
    host: 'api.openai.com',
  })
})

test('names the option that shows a tunnelled host', () => {
  expect(verdictOf([tunnel('llm.example')])).toEqual({
    step: 'tunnelled',
    text: 'llm.example passes unread: it is not on the allowlist',
    fix: 'to see it, add --allow llm.example',
    host: 'llm.example',
  })
})

test('says which status a call was answered with, where that is an error', () => {
  const verdict = verdictOf([called('x1'), answered('x1', { status: 401 })])

  expect(verdict.text).toBe('a model call was seen; the last was answered with 401')
})

test('makes one printable line of whatever it is told', () => {
  assert(
    property(array(anyMessage, { maxLength: 40 }), nat(), (drafts, laterMs) => {
      const { text, fix, host = '' } = verdictOf(drafts, startedAt + laterMs)

      for (const line of [text, fix, host]) {
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\ud800-\udfff]/u)
        expect(line.length).toBeLessThan(4000)
      }
    }),
  )
})

test('forgets the oldest of endless hosts', () => {
  const drafts = Array.from({ length: 600 }, (_, index) => tunnel(`h${index}.example`))

  expect(verdictOf(drafts).host).toBe('h599.example')
  expect(verdictOf([...drafts, request('x1', 'https://late.example/')]).fix).toContain(
    '--allow h599.example',
  )
})

test('what a rule refused names the rule', () => {
  const verdict = verdictOf([
    connected,
    { kind: 'connection-refused', status: 403, reason: 'rule', rule: 'no-b', host: 'b.example' },
  ])

  expect(verdict).toMatchObject({
    step: 'refused',
    fix: 'porthole rules show no-b tells what it concerns',
  })
})
