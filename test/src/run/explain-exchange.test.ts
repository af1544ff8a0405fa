import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { explainExchange } from '../../../src/run/explain-exchange.ts'

const at = Date.UTC(2026, 10, 22, 8, 30)
const ids = { connectionId: 'p-c1', exchangeId: 'p-x1', agent: 'claude' }

function explain(
  connection: readonly AnalysisMsgDraft[],
  messages: readonly AnalysisMsgDraft[],
): string[] {
  let seq = 0
  const tell = (draft: AnalysisMsgDraft): AnalysisMsg => {
    seq += 1
    return { v: 1, seq, at, ...draft }
  }
  const told = { connection: connection.map(tell), messages: messages.map(tell) }
  return explainExchange(told).map(({ topic, text }) => `${topic}: ${text}`)
}

const opened = {
  kind: 'connection-opened',
  connectionId: 'p-c1',
  clientAddress: '127.0.0.1',
  clientPort: 5,
} as const
const started = {
  kind: 'request-started',
  ...ids,
  method: 'POST',
  url: 'https://api.openai.com/v1/responses',
  httpVersion: '1.1',
  headers: [],
  host: 'api.openai.com',
} as const
const completed = {
  kind: 'exchange-completed',
  ...ids,
  status: 200,
  requestBytes: 2048,
  responseBytes: 512,
  durationMs: 1500,
} as const
const response = {
  kind: 'response-started',
  ...ids,
  status: 200,
  headers: [],
  ttfbMs: 3,
} as const

describe('an exchange is explained', () => {
  test('that was read, given a credential, and answered', () => {
    const rule = { ...ids, rule: 'only-chat', mode: 'enforce' } as const
    const usage = {
      inputTokens: 1000,
      cacheReadTokens: 200,
      cacheWriteTokens: 0,
      outputTokens: 30,
      reasoningTokens: 0,
      totalTokens: 1230,
      source: 'estimated',
    } as const

    expect(
      explain(
        [opened],
        [
          started,
          { kind: 'rule-matched', ...rule, decision: 'allow' },
          { kind: 'rule-matched', ...rule, rule: 'trial', decision: 'block', mode: 'observe' },
          {
            kind: 'credential-injected',
            ...ids,
            secretId: 'openai',
            mode: 'header',
            location: 'header Authorization',
          },
          {
            kind: 'token-replaced',
            ...ids,
            secretId: 'other',
            mode: 'body',
            location: 'the body',
          },
          response,
          completed,
          {
            kind: 'model-answered',
            ...ids,
            provider: 'openai',
            operation: 'responses',
            model: 'gpt-5',
            output: [],
            toolCalls: [],
            usage,
            cost: { usd: 0.25, confidence: 'exact', lines: [] },
            durationMs: 1500,
            complete: true,
          },
        ],
      ),
    ).toEqual([
      'who: the agent claude, from 127.0.0.1',
      'what: POST https://api.openai.com/v1/responses at 2026-11-22 08:30:00Z',
      'read: yes: api.openai.com is on the allowlist, or a route leads there',
      'rules: only-chat: it allows the request',
      'rules: trial: it would block the request (told only: the rule is on trial)',
      'credentials: the secret openai was put into header Authorization',
      'tokens: a token in the body was replaced by the secret other',
      'addresses: the address guard let it pass',
      'call: gpt-5 of openai, 1,200 tokens sent and 30 answered (estimated), $0.2500',
      'end: completed with 200 in 1.50 s: 2.0 kB up, 512 B down',
    ])
  })

  test('that a budget refused, in the words that the client was given', () => {
    const told = explain(
      [opened],
      [
        started,
        {
          kind: 'budget-exceeded',
          ...ids,
          rule: 'daily',
          decision: 'limit',
          mode: 'enforce',
        },
        {
          kind: 'request-refused',
          ...ids,
          status: 403,
          reason: 'budget-exceeded',
          rule: 'daily',
          message: 'The budget daily is spent.',
        },
        { ...completed, status: 403 },
      ],
    )

    expect(told).toContain('budget: daily: it is used up')
    expect(told).toContain(
      'end: refused with 403 (budget-exceeded, rule daily): The budget daily is spent.',
    )
    expect(told.some((line) => line.startsWith('addresses'))).toBe(false)
  })

  test('that was a tunnel, and why', () => {
    const place = { connectionId: 'p-c1', host: 'example.com', port: 443 }

    expect(
      explain(
        [
          opened,
          { kind: 'tunnel-opened', ...place, reason: 'not-allowlisted' },
          { kind: 'tunnel-closed', ...place, bytesUp: 5, bytesDown: 7, durationMs: 20 },
        ],
        [],
      ),
    ).toEqual([
      'who: a client without a name: no token was demanded, from 127.0.0.1',
      'what: a connection to example.com:443 at 2026-11-22 08:30:00Z',
      'read: no, it passed as a tunnel: its host is not on the allowlist',
      'addresses: the address guard let it pass',
      'end: closed after 20 ms: 5 B up, 7 B down',
    ])
  })

  test('that the address guard refused, and one that came without a token', () => {
    const refused = { kind: 'connection-refused', connectionId: 'p-c1', status: 403 } as const

    expect(
      explain(
        [
          {
            ...refused,
            host: '169.254.169.254',
            port: 80,
            reason: 'address-denied',
            message: 'no',
          },
        ],
        [],
      ),
    ).toContain('addresses: refused by the address guard: no')
    expect(explain([opened, { ...refused, status: 407, reason: 'unauthenticated' }], [])).toEqual([
      'who: nobody known: it came without a token that is valid, from 127.0.0.1',
      'what: a connection at 2026-11-22 08:30:00Z',
      'end: refused with 407 (unauthenticated)',
    ])
    const request = { method: 'GET', host: 'h', port: 443, reason: 'unauthenticated' } as const
    expect(explain([{ ...refused, ...request }], [])).toContain(
      'what: a GET request to h:443 at 2026-11-22 08:30:00Z',
    )
  })

  test('that was refused before it was dialled, by what the audit calls it too', () => {
    const refused = { kind: 'connection-refused', connectionId: 'p-c1', status: 403 } as const

    expect(explain([{ ...refused, reason: 'rule', code: 'host-not-in-scope' }], []).at(-1)).toBe(
      'end: refused with 403 (host-not-in-scope)',
    )
    expect(explain([{ ...refused, reason: 'rule', code: 'default-action' }], [])).toContain(
      'rules: no rule allows it, and what no rule allows is blocked',
    )
    expect(explain([{ ...refused, reason: 'rule', code: 'rule', rule: 'no-x' }], []).at(-1)).toBe(
      'end: refused with 403 (rule, rule no-x)',
    )
  })

  test('that was passed on unread, but got nowhere: nothing is said of its address', () => {
    const place = { connectionId: 'p-c1', host: '169.254.169.254', port: 80 }
    const told = explain(
      [
        { kind: 'tunnel-opened', ...place, reason: 'not-allowlisted' },
        {
          kind: 'tunnel-closed',
          ...place,
          bytesUp: 0,
          bytesDown: 0,
          durationMs: 2,
          error: 'it leads to a metadata address',
        },
      ],
      [],
    )

    expect(told.filter((line) => line.startsWith('addresses'))).toEqual([])
    const closed = { kind: 'tunnel-closed', ...place, durationMs: 2, error: 'no' } as const
    const denied = { ...closed, bytesUp: 0, bytesDown: 0, code: 'address-denied' }
    expect(explain([denied], [])).toContain('addresses: refused by the address guard: no')
    expect(told.at(-1)).toBe(
      'end: closed after 2 ms: 0 B up, 0 B down; it leads to a metadata address',
    )
  })

  test('with the credentials that came back, values that were masked, and tokens taken out', () => {
    const token = {
      kind: 'token-stripped',
      secretId: 'hub',
      mode: 'body',
      location: 'body',
    } as const
    const echo = { kind: 'credential-echoed', form: 'raw' } as const

    expect(
      explain(
        [],
        [
          { ...started },
          { kind: 'rule-matched', ...ids, rule: 'look', decision: 'observe', mode: 'observe' },
          { kind: 'secret-withheld', ...ids, where: 'request-body', secretId: 'openai', count: 2 },
          { ...token, ...ids, reason: 'host' },
          { ...token, ...ids },
          { ...echo, ...ids, secretId: 'openai', where: 'header', name: 'x-echo' },
          { ...echo, ...ids, where: 'body' },
        ],
      ),
    ).toEqual(
      expect.arrayContaining([
        'rules: look: it only watches',
        "credentials: the secret openai came back in the answer's header x-echo: the program got it, here it is masked",
        "credentials: a credential came back in the answer's body: the program got it, here it is masked",
        'tokens: a token for the secret hub in body was taken out: it is not for this host',
        'tokens: a token for the secret hub in body was taken out',
        'secrets: the value of openai stood in a request-body, and is masked there',
      ]),
    )
  })

  test('that broke, and one that still runs', () => {
    const failed = {
      kind: 'exchange-failed',
      ...ids,
      by: 'upstream',
      phase: 'response',
      code: 'ECONNRESET',
      durationMs: 90,
    } as const

    expect(explain([], [started, response, failed]).at(-1)).toBe(
      'end: failed by the upstream while the answer was sent, after 90 ms (ECONNRESET)',
    )
    expect(explain([], [started]).at(-1)).toBe('end: it had not ended when the capture was read')
  })

  test('in words that cannot move the cursor', () => {
    const hostile = { ...started, url: 'https://h/\u001B[2J\u202E', agent: 'a\nb' }

    expect(explain([], [hostile]).join('')).not.toMatch(/[\u0000-\u001F\u202E]/u)
  })
})
