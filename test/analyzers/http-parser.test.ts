import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { keptBodyBytes } from '../../analyzers/wire/bounds.ts'
import type { HeaderPairs, MsgOf } from '../../src/messages/schema.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import type { ExchangeSpec } from '../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'

analyzerConformance('HttpParser', () => new HttpParser())

const url = 'https://api.example.com/thing'

function parsedResponse(
  body: string | Uint8Array,
  headers: HeaderPairs,
  more: Partial<ExchangeSpec> = {},
): MsgOf<'http-parsed'> {
  const request = { method: 'GET', url }
  const messages = exchangeMessages({ request, response: { headers, body }, ...more })
  return onlyOf(runAnalyzers([new HttpParser()], messages), 'http-parsed')
}

function type(value: string): HeaderPairs {
  return [['Content-Type', value]]
}

describe('a body', () => {
  test('of JSON is parsed, one message per direction', () => {
    const out = runAnalyzers(
      [new HttpParser()],
      exchangeMessages({ request: { url, body: '{"a":1}' }, response: { body: '[true]' } }),
    )

    expect(ofKind(out, 'http-parsed')).toMatchObject([
      {
        direction: 'request',
        mediaType: 'application/json',
        json: { a: 1 },
        bytes: 7,
        truncated: false,
      },
      { direction: 'response', json: [true], by: 'http-parser', exchangeId: 'x1' },
    ])
  })

  test('is told as soon as its direction ended, before the exchange has', () => {
    const out = runAnalyzers(
      [new HttpParser()],
      exchangeMessages({ request: { url, body: '{}' }, response: { body: '{}' } }),
    ).map((msg) => msg.kind)

    expect(out.indexOf('http-parsed')).toBe(out.indexOf('request-ended') + 1)
  })

  test('that is empty is not told', () => {
    const out = runAnalyzers(
      [new HttpParser()],
      exchangeMessages({ request: { url }, response: { status: 204 } }),
    )

    expect(ofKind(out, 'http-parsed')).toEqual([])
  })

  test('of text is decoded from its charset', () => {
    expect(
      parsedResponse(Buffer.from('caf\u00e9', 'latin1'), type('text/plain; charset="ISO-8859-1"')),
    ).toMatchObject({ text: 'café' })
    expect(
      parsedResponse(Buffer.from('{"é":1}', 'utf16le'), type('application/json; charset=utf-16le')),
    ).toMatchObject({ json: { é: 1 } })
    expect(parsedResponse('grün', type('text/html'))).toMatchObject({ text: 'grün' })
  })

  test('that is not text in its charset stays bytes, and says so', () => {
    expect(parsedResponse(Buffer.from([0xff, 0xfe, 0x41]), type('text/plain'))).toMatchObject({
      base64: '//5B',
      problem: 'not text in utf-8',
    })
    expect(parsedResponse('x', type('text/plain; charset=klingon'))).toMatchObject({
      base64: 'eA==',
      problem: 'not text in klingon',
    })
  })

  test('of any other type is bytes', () => {
    expect(parsedResponse('GIF89b', type('application/pdf'))).toMatchObject({ base64: 'R0lGODli' })
  })

  test('that is a picture or a sound is described, and its bytes left out', () => {
    const gif = Buffer.from('GIF89a\u0003\u0000\u0002\u0000', 'latin1')

    const parsed = parsedResponse(gif, type('image/gif'))
    expect(parsed).toMatchObject({ media: { mediaType: 'image/gif', width: 3, height: 2 } })
    expect(parsed).not.toHaveProperty('base64')
    const frame = Buffer.from('fffb9000', 'hex')
    expect(parsedResponse(frame, type('audio/mpeg'))).toHaveProperty('media')
    expect(parsedResponse(frame, type('application/octet-stream'))).toHaveProperty('base64')
    expect(parsedResponse('???', type('audio/pcm'))).toMatchObject({
      media: { mediaType: 'audio/pcm' },
    })
  })

  test('that is a form is told field by field', () => {
    const body = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--'

    expect(parsedResponse(body, type('multipart/form-data; boundary=b'))).toMatchObject({
      form: [{ name: 'a', bytes: 1, text: '1' }],
    })
    expect(parsedResponse(body, type('multipart/form-data'))).toHaveProperty('base64')
  })

  test('without a type is what its bytes are', () => {
    expect(parsedResponse(' {"a":1}', [])).toMatchObject({ json: { a: 1 } })
    expect(parsedResponse('{not json', [])).toMatchObject({ text: '{not json' })
    expect(parsedResponse('hello', [])).not.toHaveProperty('problem')
    expect(parsedResponse(Buffer.from([0xff]), [])).toMatchObject({ base64: '/w==' })
  })

  test('of broken JSON is text, and says so', () => {
    expect(parsedResponse('{"a":', type('application/problem+json'))).toMatchObject({
      text: '{"a":',
      problem: 'not well-formed JSON',
    })
  })

  test.each([
    ['nests too deeply', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'nested too deeply'],
    ['holds a number beyond JSON', '{"a":[1e999]}', 'a number that JSON cannot hold'],
    [
      'is a list of a million records',
      `[${'{},'.repeat(1_000_000)}{}]`,
      'more records and lists than the limit',
    ],
  ])('of JSON that %s is text, and says so', (_name, body, problem) => {
    expect(parsedResponse(body, type('application/json'))).toMatchObject({ text: body, problem })
  })

  test('that is an event stream is counted, not kept', () => {
    const body = 'data: {"a":1}\n\n'
    for (const contentType of ['text/event-stream; charset=utf-8', 'text/plain']) {
      const parsed = parsedResponse(body, type(contentType), { chunkSize: 3 })

      expect(parsed.bytes).toBe(body.length)
      expect(parsed).not.toHaveProperty('text')
      expect(parsed).not.toHaveProperty('json')
    }
  })
})

describe('a coded body', () => {
  const json = { hello: 'world '.repeat(500) }
  const plain = Buffer.from(JSON.stringify(json))

  test.each([
    ['gzip', gzipSync(plain)],
    ['x-gzip', gzipSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['zstd', zstdCompressSync(plain)],
    ['gzip, br', brotliCompressSync(gzipSync(plain))],
  ])('in %s is decoded, whatever the chunks', (coding, body) => {
    const headers: HeaderPairs = [...type('application/json'), ['content-encoding', coding]]

    expect(parsedResponse(body, headers, { chunkSize: 11 })).toMatchObject({
      json,
      contentEncoding: coding,
      bytes: plain.length,
      truncated: false,
    })
  })

  test('with its codings in several headers is decoded in their order', () => {
    const headers: HeaderPairs = [
      ['Content-Encoding', 'gzip'],
      ...type('application/json'),
      ['Content-Encoding', 'br'],
    ]

    expect(parsedResponse(brotliCompressSync(gzipSync(plain)), headers)).toMatchObject({ json })
  })

  test('of a request is decoded too', () => {
    const headers: HeaderPairs = [...type('application/json'), ['Content-Encoding', 'zstd']]
    const out = runAnalyzers(
      [new HttpParser()],
      exchangeMessages({ request: { url, headers, body: zstdCompressSync(plain) } }),
    )

    expect(onlyOf(out, 'http-parsed')).toMatchObject({ direction: 'request', json })
  })

  test('that cannot be decoded says why, and has no content', () => {
    const headers: HeaderPairs = [...type('application/json'), ['Content-Encoding', 'gzip']]
    const parsed = parsedResponse('{"a":1}', headers)

    expect(parsed).toMatchObject({ truncated: true, problem: 'gzip: incorrect header check' })
    expect(parsed).not.toHaveProperty('json')
    expect(parsed).not.toHaveProperty('text')
  })

  test('that ends within its coding is truncated, with what decoded', () => {
    const headers: HeaderPairs = [...type('text/plain'), ['Content-Encoding', 'gzip']]
    const parsed = parsedResponse(gzipSync(plain).subarray(0, -9), headers)

    expect(parsed).toMatchObject({ truncated: true, problem: 'ends within its content coding' })
    expect(plain.toString().startsWith(parsed.text ?? 'nothing')).toBe(true)
  })

  test('that expands without end is stopped', () => {
    const headers: HeaderPairs = [...type('text/plain'), ['Content-Encoding', 'zstd']]
    const parsed = parsedResponse(zstdCompressSync(Buffer.alloc(200 * 1024 * 1024)), headers)

    expect(parsed).toMatchObject({ truncated: true, problem: 'expands to more than the limit' })
  })
})

describe('a truncated body', () => {
  test('comes at the end of an exchange that broke', () => {
    const parsed = parsedResponse('grüße', type('text/plain'), { failAfterBytes: 3 })

    // The third byte is the first half of a character, which is not made up.
    expect(parsed).toMatchObject({ text: 'gr', bytes: 3, truncated: true, problem: 'cut off' })
  })

  test('keeps what stood before a gap, and nothing after it', () => {
    const messages = exchangeMessages({
      request: { method: 'GET', url },
      response: { headers: type('text/plain'), body: 'aaabbbccc' },
      chunkSize: 3,
    }).filter((msg) => msg.kind !== 'response-body' || msg.offset !== 3)
    const parsed = onlyOf(runAnalyzers([new HttpParser()], messages), 'http-parsed')

    expect(parsed).toMatchObject({ text: 'aaa', truncated: true, problem: 'bytes are missing' })
  })

  test('is known by its length when its last chunk is lost, or all of them', () => {
    const all = exchangeMessages({ request: { url, body: 'aaabbb' }, chunkSize: 3 })
    for (const lost of [[3], [0, 3]]) {
      const messages = all.filter(
        (msg) => msg.kind !== 'request-body' || !lost.includes(msg.offset),
      )

      expect(onlyOf(runAnalyzers([new HttpParser()], messages), 'http-parsed')).toMatchObject({
        truncated: true,
        problem: 'bytes are missing',
      })
    }
  })

  test('past the bound is kept to the bound, and counted whole', () => {
    const body = Buffer.alloc(keptBodyBytes + 5, 'x')
    const parsed = parsedResponse(body, type('text/plain'), { chunkSize: 1024 * 1024 })

    expect(parsed.text).toHaveLength(keptBodyBytes)
    expect(parsed).toMatchObject({
      bytes: body.length,
      truncated: true,
      problem: 'longer than what is kept',
    })
  })

  test('is not made of chunks whose head was lost: its coding is not known', () => {
    const messages = exchangeMessages({ request: { url }, response: { body: '{}' } })
    const headless = messages.filter((msg) => msg.kind !== 'response-started')

    expect(ofKind(runAnalyzers([new HttpParser()], headless), 'http-parsed')).toEqual([])
  })
})

test('keeps exchanges that run at the same time apart', () => {
  const one = exchangeMessages({ exchangeId: 'x1', request: { url, body: '"one"' } })
  const two = exchangeMessages({ exchangeId: 'x2', request: { url, body: '"two"' } })
  const mixed = one.flatMap((msg, index) => [msg, two[index] ?? msg])

  expect(
    ofKind(runAnalyzers([new HttpParser()], mixed), 'http-parsed').map((msg) => [
      msg.exchangeId,
      msg.json,
    ]),
  ).toEqual([
    ['x1', 'one'],
    ['x2', 'two'],
  ])
})
