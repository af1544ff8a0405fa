import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'

import { array, assert, integer, property, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { bodyBytes, loadRecordings } from '../../src/demo/recordings.ts'
import { cut, recordedIdHeader, startRecordedProvider } from './recorded-provider.ts'

const recordings = await loadRecordings()

async function post(
  url: string,
  headers: readonly string[],
  body: string,
): Promise<{ response: IncomingMessage; bytes: Buffer; chunks: number[] }> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const outgoing = request(url, { method: 'POST', headers: [...headers], agent: false }, resolve)
  outgoing.once('error', reject)
  outgoing.end(body)
  const response = await promise
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { response, bytes: Buffer.concat(chunks), chunks: chunks.map(({ length }) => length) }
}

describe('the recorded provider', () => {
  test.each(['chunked', 'content-length', 'close'] as const)(
    'serves every exchange byte for byte, framed as %s',
    async (framing) => {
      await using provider = await startRecordedProvider({
        exchanges: recordings,
        framing,
        chunking: { seed: 7, maxSize: 900 },
      })

      for (const { id, request: recorded, response: expected } of recordings) {
        const { pathname } = new URL(recorded.url)
        const headers = ['Host', 'example.test', recordedIdHeader, id]
        const { response, bytes } = await post(`${provider.url}${pathname}`, headers, 'x')

        expect(response.statusCode).toBe(expected.status)
        expect(bytes.equals(bodyBytes(expected.body))).toBe(true)
        expect('content-length' in response.headers).toBe(framing === 'content-length')
        expect('transfer-encoding' in response.headers).toBe(framing === 'chunked')
      }
    },
  )

  test('keeps what it received as it came', async () => {
    await using provider = await startRecordedProvider({ exchanges: recordings })
    const headers = ['Host', 'example.test', 'X-Twice', 'a', 'x-TWICE', 'b', 'Content-Length', '2']

    await post(`${provider.url}/v1/embeddings?a=1`, headers, '{}')
    const missing = await post(`${provider.url}/v1/nothing`, ['Host', 'example.test'], '')

    expect(missing.response.statusCode).toBe(404)
    expect(provider.requests).toHaveLength(2)
    expect(provider.requests[0]).toMatchObject({ method: 'POST', url: '/v1/embeddings?a=1' })
    expect(provider.requests[0]?.body.toString()).toBe('{}')
    expect(provider.requests[0]?.rawHeaders).toEqual(
      expect.arrayContaining([
        ['X-Twice', 'a'],
        ['x-TWICE', 'b'],
      ]),
    )
    expect(provider.requests[1]?.servedId).toBeUndefined()
  })

  test('serves the exchanges of one path in turn, the last one again', async () => {
    const chats = recordings.filter(({ request }) => request.url.endsWith('/chat/completions'))
    await using provider = await startRecordedProvider({ exchanges: chats })
    const url = `${provider.url}/v1/chat/completions`

    for (let count = 0; count <= chats.length; count += 1) {
      await post(url, ['Host', 'example.test'], '{}')
    }

    const ids = chats.map(({ id }) => id)
    expect(provider.requests.map(({ servedId }) => servedId)).toEqual([...ids, ids.at(-1)])
  })
})

test('the chunks are those that were asked for, and joined they are the body', () => {
  expect(cut(Buffer.from('abcdefg'), { sizes: [1, 3] }).map(String)).toEqual([
    'a',
    'bcd',
    'e',
    'fg',
  ])
  assert(
    property(uint8Array(), integer(), integer({ min: 1, max: 20 }), (bytes, seed, maxSize) => {
      const parts = cut(Buffer.from(bytes), { seed, maxSize })

      expect(Buffer.concat(parts).equals(Buffer.from(bytes))).toBe(true)
      for (const part of parts) expect(part.length).toBeLessThanOrEqual(maxSize)
    }),
  )
  assert(
    property(uint8Array(), array(integer({ min: 0, max: 9 }), { minLength: 1 }), (bytes, sizes) => {
      expect(Buffer.concat(cut(Buffer.from(bytes), { sizes })).equals(Buffer.from(bytes))).toBe(
        true,
      )
    }),
  )
})
