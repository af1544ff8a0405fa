import { gunzipSync } from 'node:zlib'

import { assert, property, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'

import {
  bodyBytes,
  loadRecordings,
  parseRecording,
  servableHeaders,
  splitEvents,
} from '../../../src/demo/recordings.ts'

const recordings = await loadRecordings()

test('there is a stream, an answer, a tool call, an embedding and an error to show', () => {
  const seen = recordings.map(({ request, response }) => {
    const { pathname } = new URL(request.url)
    const type = response.headers.find(([name]) => /^content-type$/iu.test(name))?.[1] ?? ''
    return `${pathname} ${response.status} ${type.includes('event-stream') ? 'stream' : 'json'}`
  })

  expect(seen.sort()).toEqual([
    '/v1/chat/completions 200 json',
    '/v1/chat/completions 200 stream',
    '/v1/chat/completions 404 json',
    '/v1/embeddings 200 json',
    '/v1/messages 200 json',
    '/v1/messages 200 stream',
    '/v1/responses 200 stream',
  ])
})

test('encoded bodies can be decoded: the bytes are those of the wire', () => {
  const encoded = recordings.filter(({ response }) =>
    response.headers.some(([name, value]) => /^content-encoding$/iu.test(name) && value === 'gzip'),
  )

  expect(encoded.length).toBeGreaterThan(0)
  for (const { response } of encoded) {
    const text = gunzipSync(bodyBytes(response.body)).toString('utf8')
    expect(JSON.parse(text)).toBeTypeOf('object')
  }
})

test('headers of the connection are not served', () => {
  for (const recorded of recordings) {
    const names = servableHeaders(recorded).map(([name]) => name.toLowerCase())
    expect(names).toContain('content-type')
    expect(names).not.toContain('connection')
    expect(names).not.toContain('date')
  }
})

test('events are cut after their blank line, and nothing is lost', () => {
  expect(splitEvents(Buffer.from('data: a\n\ndata: b\n\nrest')).map(String)).toEqual([
    'data: a\n\n',
    'data: b\n\n',
    'rest',
  ])
  assert(
    property(uint8Array({ max: 12 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      expect(Buffer.concat(splitEvents(buffer)).equals(buffer)).toBe(true)
    }),
  )
})

test('a missing body means no bytes, and what is no recording is refused', () => {
  expect(bodyBytes(null)).toHaveLength(0)
  expect(() => parseRecording('{"id":"x"}')).toThrow()
})
