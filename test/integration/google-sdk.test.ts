/** Google's own SDK through a route of a real proxy: what it accumulates is what is told. */
import type { ServerResponse } from 'node:http'

import { GoogleGenAI } from '@google/genai'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { closesAfterEach } from '../support/opened.ts'
import { startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { bodyBytes, readRecorded } from '../support/recorded-exchanges.ts'
import { cut } from '../support/recorded-provider.ts'
import { startHttpUpstream } from '../support/upstream.ts'

const open = closesAfterEach()

interface Bench {
  readonly proxy: ProxyUnderTest
  /** Base address of the route. */
  readonly url: string
}

async function bench(answer: (response: ServerResponse) => void): Promise<Bench> {
  const upstream = await startHttpUpstream((_request, response) => answer(response))
  open(upstream)
  const proxy = await startProxy({
    configure: (builder) => {
      builder.route(`gemini=http://127.0.0.1:${upstream.port}`)
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
    },
  })
  open(proxy)
  return { proxy, url: `http://127.0.0.1:${proxy.running.port}/gemini` }
}

describe('the SDK', () => {
  test.each([1, 2, 3])('streams and remembers what is told, cut at random (%i)', async (seed) => {
    const body = bodyBytes(readRecorded('gemini-thoughts-stream').response.body)
    const { proxy, url } = await bench((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const piece of cut(body, { seed, maxSize: 90 })) response.write(piece)
      response.end()
    })
    const client = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url } })
    const chat = client.chats.create({ model: 'gemini-2.5-flash' })
    let text = ''
    for await (const chunk of await chat.sendMessageStream({ message: 'Draw a square' })) {
      text += (chunk.candidates?.[0]?.content?.parts ?? [])
        .map((part) => (part.thought === true ? '' : (part.text ?? '')))
        .join('')
    }
    const merged = await proxy.waitFor('stream-merged')
    const called = await proxy.waitFor('model-called')
    const answer = await proxy.waitFor('model-answered')
    const thoughts = chat.getHistory().flatMap(({ parts }) => parts ?? [])

    expect(merged).toMatchObject({ format: 'gemini', complete: true, text })
    expect(called).toMatchObject({
      model: 'gemini-2.5-flash',
      streaming: true,
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'Draw a square' }] }],
    })
    expect(answer).toMatchObject({
      complete: true,
      finishReason: 'STOP',
      usage: { totalTokens: 88 },
    })
    expect(answer.output[0]).toEqual({
      type: 'reasoning',
      text: thoughts.map((part) => (part.thought === true ? part.text : '')).join(''),
    })
    expect(JSON.stringify(proxy.messages)).not.toContain('"none"')
  })
})

test('an array is told element by element, while it is still being sent', async () => {
  const recording = readRecorded('gemini-candidates-array')
  const body = bodyBytes(recording.response.body)
  const end = body.indexOf('\n}') + 2
  let send: (() => void) | undefined
  const { proxy, url } = await bench((response) => {
    response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' })
    response.write(body.subarray(0, end))
    send = () => response.end(body.subarray(end))
  })
  const asked = fetch(`${url}/v1beta/models/gemini-2.5-flash:streamGenerateContent`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: bodyBytes(recording.request.body),
  })

  const first = await proxy.waitFor('sse-event')
  expect(first.index).toBe(0)
  expect(proxy.of('response-ended')).toEqual([])
  send?.()
  expect(Buffer.from(await (await asked).arrayBuffer()).equals(body)).toBe(true)
  expect(await proxy.waitFor('model-answered')).toMatchObject({ complete: true })
  expect(proxy.of('sse-event')).toHaveLength(4)
})
