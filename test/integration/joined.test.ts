/**
 * Rules, opaque tokens, credentials and the audit in one proxy, over real sockets: what one of them
 * does to a request gets it past none of the others.
 */
import { gzipSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import type { Rule } from '../../src/policy/rules/rule.ts'
import { closesAfterEach } from '../support/opened.ts'
import { rule, testRules } from '../support/rules.ts'
import {
  otherHost,
  plainValue,
  requestBytes,
  sendPieces,
  startTokenBench,
} from '../support/token-bench.ts'
import type { TokenBench, TokenBenchSetup } from '../support/token-bench.ts'

const open = closesAfterEach()

async function bench(rules: readonly Rule[], setup: TokenBenchSetup = {}): Promise<TokenBench> {
  const made = await startTokenBench({
    value: plainValue,
    ...setup,
    configure: (builder) => {
      builder.rules(testRules(rules))
      setup.configure?.(builder)
    },
  })
  open(made)
  return made
}

const json = 'Content-Type: application/json'
const target = '/v1/chat/completions'
const noGpt = (): Rule => rule({ name: 'no-gpt', action: 'block', model: 'gpt-4*' })
const form = (token: string): string =>
  `--b\r\nContent-Disposition: form-data; name="mod${token}el"\r\n\r\ngpt-4o\r\n--b--\r\n`

describe('a token that is taken out on the way', () => {
  test.each([
    ['in the name of a model', [json], (token: string) => `{"model":"gp${token}t-4o"}`],
    ['in its key', [json], (token: string) => `{"mod${token}el":"gpt-4o"}`],
    [
      'with an escape',
      [json],
      (token: string) => String.raw`{"model":"gpt-4\u0070${token.slice(1)}o"}`,
    ],
    ['in a form', ['Content-Type: multipart/form-data; boundary=b'], form],
    [
      'in a coded body',
      [json, 'Content-Encoding: gzip'],
      (token: string) => gzipSync(`{"model":"gp${token}t-4o"}`),
    ],
  ])('S18 %s hides no model from a rule', async (_where, fields, body) => {
    const all = await bench([noGpt()])
    const request = requestBytes(otherHost, { target, fields, body: body(all.token) })

    expect((await sendPieces(all, otherHost, [request])).status).toBe(403)
    expect(all.upstreams[otherHost]?.received()).toBe('')
  })

  test('S18 hides no path and no method from a rule, whatever token it is', async () => {
    const rules = [
      rule({ action: 'block', path: '/admin/*' }),
      rule({ action: 'block', method: 'DELETE' }),
    ]
    const all = await bench(rules)
    const requests = [
      { target: `/adm${all.token}in/x` },
      { target: `/adm${all.agentToken}in/x` },
      { target: `/${all.token}admin` },
      { fields: [`X-HTTP-Method-Override: DEL${all.token}ETE`] },
    ]

    for (const request of requests) {
      const answer = await sendPieces(all, otherHost, [requestBytes(otherHost, request)])
      expect(answer.status).toBe(403)
    }
    expect(all.upstreams[otherHost]?.received()).toBe('')
  })

  test('makes nothing of what a rule allows', async () => {
    const rules = [rule({ action: 'allow', path: '/v1/*' }), rule({ action: 'block', path: '/x' })]
    const all = await bench([], {
      configure: (builder) => builder.rules(testRules(rules, 'block')),
    })
    const ask = (path: string) =>
      sendPieces(all, otherHost, [requestBytes(otherHost, { target: path })])

    expect((await ask(`/v${all.token}1/chat`)).status).toBe(403)
    expect((await ask(`/v1/chat?key=${all.token}`)).status).toBe(200)
  })
})
