/**
 * Opaque tokens among hostile agents and upstreams, over real TLS: each becomes its secret on the
 * way to hosts that it is bound to, and nothing at all on the way to any other.
 */
import { afterEach, describe, expect, test } from 'vitest'

import {
  boundHost,
  chunked,
  otherHost,
  plainValue,
  requestBytes,
  secretValue,
  sendPieces,
  startTokenBench,
} from '../support/token-bench.ts'
import type { TokenBench, TokenBenchSetup } from '../support/token-bench.ts'

const opened: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function bench(setup: TokenBenchSetup = {}): Promise<TokenBench> {
  const made = await startTokenBench(setup)
  opened.push(made)
  return made
}

const json = 'Content-Type: application/json'
const form = 'Content-Type: application/x-www-form-urlencoded'

describe('a token', () => {
  test('works', async () => {
    const { token, ...all } = await bench()
    const it = { token, ...all }
    const answer = await sendPieces(it, boundHost, [
      requestBytes(boundHost, {
        target: `/x/${token}/y?k=${token}&b=1`,
        fields: [json, `X-Basic: ${token}`],
        body: JSON.stringify({ a: token, b: 'x' }),
      })
        .toString('latin1')
        .replace(
          'X-Basic',
          'Authorization: Basic ' + Buffer.from('u:' + token).toString('base64') + '\r\nX-H',
        ),
    ])
    console.log(
      answer,
      it.upstreams[boundHost]?.requests,
      it.proxy.messages.filter(
        (m) =>
          m.kind.startsWith('token') ||
          m.kind.startsWith('exchange') ||
          m.kind === 'request-refused' ||
          m.kind === 'request-started',
      ),
    )
    expect(answer.status).toBe(200)
    void form
    void chunked
    void otherHost
    void plainValue
    void secretValue
  })
})
