import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { requestTab, responseTab } from '../../../src/tui/message-tabs.ts'
import { callStart, responseStart, stamp, wholeCall } from './sample-messages.ts'
import { linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

describe('the request', () => {
  it('shows the head as it came, the body indented, and the exchange with its notes', () => {
    const row = rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({
        kind: 'credential-injected',
        exchangeId: 'x1',
        secretId: 'openai',
        mode: 'header',
        location: 'Authorization',
      }),
    ])

    const lines = linesOf(requestTab(row, viewAt()))

    expect(lines.slice(0, 8)).toEqual([
      '  POST https://api.anthropic.com/v1/messages HTTP/1.1',
      '  Host: api.anthropic.com',
      '  X-Api-Key: [REDACTED]',
      '',
      'body application/json · 15 B',
      '  {',
      '    "stream": true',
      '  }',
    ])
    expect(lines.at(-1)).toContain('credential-injected: openai (header, Authorization)')
  })

  it('says which tokens became secrets or were taken out, how often and why', () => {
    const spot = { exchangeId: 'x1', secretId: 'github', mode: 'body', location: 'body' } as const
    const row = rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({ kind: 'token-replaced', ...spot, count: 3 }),
      stamp({ kind: 'token-stripped', ...spot, count: 1, reason: 'host' }),
    ])

    const lines = linesOf(requestTab(row, viewAt()))

    expect(lines.at(-2)).toContain('token-replaced: github (body, body) ×3')
    expect(lines.at(-1)).toContain('token-stripped: github (body, body, host)')
  })

  it('tells what came back of what was put into it, and what was withheld', () => {
    const row = rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({
        kind: 'credential-echoed',
        exchangeId: 'x1',
        secretId: 'openai',
        where: 'header',
        name: 'X-Echo',
        form: 'base64',
      }),
      stamp({
        kind: 'secret-withheld',
        exchangeId: 'x1',
        where: 'request-body',
        secretId: 'other',
        count: 1,
      }),
    ])

    const text = textOf(requestTab(row, viewAt()))

    expect(text).toContain('openai came back in the header X-Echo (base64)')
    expect(text).toContain('the value of other stood in a request-body: masked')
  })

  it('tells what rules decided, and which only would have; a rule that allows is no problem', () => {
    const rule = { kind: 'rule-matched', exchangeId: 'x1', mode: 'enforce' } as const
    const row = rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({ ...rule, rule: 'chat', decision: 'allow' }),
      stamp({ ...rule, rule: 'look', decision: 'observe', mode: 'observe' }),
      stamp({ ...rule, rule: 'trial', decision: 'block', mode: 'observe' }),
      stamp({ ...rule, kind: 'budget-exceeded', rule: 'daily', decision: 'limit' }),
    ])

    expect(row.detail?.notes).toMatchObject([
      { text: 'rule-matched: chat, allow', isProblem: false },
      { text: 'rule-matched: look, observe', isProblem: false },
      { text: 'rule-matched: trial, block (on trial: told only)', isProblem: true },
      { text: 'budget-exceeded: daily, limit', isProblem: true },
    ])
  })

  it('keeps numbers and the order of names as they were written', () => {
    const text = '{"b":12345678901234567890,"a":1e400}'
    const row = rowOf([stamp({ kind: 'request-body', exchangeId: 'x1', text, offset: 0 })])

    expect(textOf(requestTab(row, viewAt()))).toContain(
      '    "b": 12345678901234567890,\n    "a": 1e400',
    )
  })

  it('copies the body as it was sent', () => {
    const { blocks } = requestTab(rowOf(callStart({ id: 'x1' })), viewAt())

    expect(blocks.at(blocks.indexOf('body'))?.block.text()).toBe('{"stream":true}')
  })

  it('says when there is no body, and when it was not kept', () => {
    expect(textOf(requestTab(rowOf([responseStart({ id: 'x1' })]), viewAt()))).toContain(
      'body empty',
    )
    const ended = stamp({ kind: 'request-ended', exchangeId: 'x1', bytes: 9 })
    expect(textOf(requestTab(rowOf([ended]), viewAt()))).toContain('body 9 B\n  not kept')
  })
})

describe('the response', () => {
  it('shows the status, the head and the merged answer of a stream', () => {
    const text = textOf(responseTab(rowOf(wholeCall({ id: 'x1' })), viewAt()))

    expect(text).toContain('  200 OK\n  Content-Type: text/event-stream')
    expect(text).toContain('▾ answer, its events merged anthropic-messages, from 3 events')
    expect(text).toContain('"type": "message"')
  })

  it('undoes the content coding of a body', () => {
    const bytes = gzipSync('{"answer":42}')
    const row = rowOf([
      gzipHead('x1'),
      stamp({
        kind: 'response-body',
        exchangeId: 'x1',
        base64: bytes.toString('base64'),
        offset: 0,
      }),
      stamp({
        kind: 'http-parsed',
        exchangeId: 'x1',
        direction: 'response',
        contentEncoding: 'gzip',
        json: { answer: 42 },
        bytes: 13,
        truncated: false,
      }),
    ])

    expect(row.detail?.response.parsed?.json).toBeUndefined()
    expect(textOf(responseTab(row, viewAt()))).toContain('body gzip · 13 B\n  {\n    "answer": 42')
  })

  it('shows what was parsed where a part of the body is missing', () => {
    const row = rowOf([
      stamp({ kind: 'response-body', exchangeId: 'x1', text: 'late', offset: 50 }),
      stamp({
        kind: 'http-parsed',
        exchangeId: 'x1',
        direction: 'response',
        json: { whole: true },
        bytes: 54,
        truncated: false,
      }),
    ])

    expect(textOf(responseTab(row, viewAt()))).toContain('"whole": true')
  })

  it('names what went wrong', () => {
    const failed = stamp({
      kind: 'exchange-failed',
      exchangeId: 'x1',
      by: 'upstream',
      phase: 'waiting',
      code: 'ECONNRESET',
      durationMs: 3,
    })

    expect(textOf(responseTab(rowOf([failed]), viewAt()))).toMatch(/^ {2}none yet$[^]*ECONNRESET/mu)
  })
})

it('say so when the details were dropped', () => {
  const row = rowOf(wholeCall({ id: 'x1' }))
  row.detail = undefined

  for (const tab of [requestTab, responseTab]) {
    expect(textOf(tab(row, viewAt()))).toContain('dropped to make room')
  }
})

function gzipHead(exchangeId: string): AnalysisMsg {
  return stamp({
    kind: 'response-started',
    exchangeId,
    status: 200,
    headers: [['Content-Encoding', 'gzip']],
    ttfbMs: 1,
  })
}
