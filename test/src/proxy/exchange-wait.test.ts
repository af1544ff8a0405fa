import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { PassThrough } from 'node:stream'

import { describe, expect, test } from 'vitest'

import type { HeaderPairs } from '../../../src/messages/schema.ts'
import type { ExchangeProgress } from '../../../src/proxy/exchange-wait.ts'
import { waitStateOf } from '../../../src/proxy/exchange-wait.ts'

const begun: ExchangeProgress = {
  requestBytes: 0,
  responseBytes: 0,
  isRequestEnded: false,
  hasAnswer: false,
  isSwitched: false,
  interims: 0,
}

function parts(headers: HeaderPairs = []): Parameters<typeof waitStateOf>[0] & {
  readonly body: PassThrough
} {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  return { body: new PassThrough(), response, headers }
}

test.each([
  [{}, 'request'],
  [{ isRequestEnded: true }, 'waiting'],
  [{ hasAnswer: true }, 'response'],
  [{ hasAnswer: true, isRequestEnded: true }, 'response'],
  [{ hasAnswer: true, isSwitched: true }, 'relay'],
] as const)('an exchange with %j is in the phase %s', (over, phase) => {
  expect(waitStateOf(parts(), { ...begun, ...over })).toMatchObject({ phase, isHeldBack: false })
})

test('an answer that a module has begun is an answer', () => {
  const input = parts()

  input.response.writeHead(200)

  expect(waitStateOf(input, begun).phase).toBe('response')
})

test('bytes are those of the exchange, and interim answers are signs of life', () => {
  const progress = { ...begun, requestBytes: 3, responseBytes: 4, interims: 5 }

  expect(waitStateOf(parts(), progress)).toMatchObject({ bytesUp: 3, bytesDown: 4, signs: 5 })
})

describe('a request is held back', () => {
  test('while its body is paused', () => {
    const input = parts()

    input.body.pause()

    expect(waitStateOf(input, begun).isHeldBack).toBe(true)
  })

  test('where it waits to be told to go on, until it is', () => {
    const input = parts([['Expect', '100-continue']])

    expect(waitStateOf(input, begun).isHeldBack).toBe(true)
    expect(waitStateOf(input, { ...begun, interims: 1 }).isHeldBack).toBe(false)
    expect(waitStateOf(input, { ...begun, requestBytes: 1 }).isHeldBack).toBe(false)
  })
})
