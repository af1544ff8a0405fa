import { har } from 'har-validator'
import { describe, expect, test } from 'vitest'

import { harEntry } from '../../../../src/capture/export/har-entry.ts'
import type { AnalysisMsg } from '../../../../src/messages/schema.ts'
import { specOf } from '../../../support/recorded-exchanges.ts'
import {
  gatherMessages,
  recordOfExchange,
  recordOfFixture,
  recordedFixtures,
} from '../../../support/records.ts'

const creator = { name: 'Porthole', version: '0' }

function archive(...entries: unknown[]): unknown {
  return JSON.parse(JSON.stringify({ log: { version: '1.2', creator, entries } }))
}

describe('an entry of an archive', () => {
  test('of every fixture is valid, and holds the bodies', async () => {
    const fixtures = recordedFixtures()
    const entries = fixtures.map((fixture) => harEntry(recordOfExchange(specOf(fixture))))

    await expect(har(archive(...entries))).resolves.toBeTruthy()
    expect(entries.length).toBeGreaterThan(20)
    for (const entry of entries) {
      expect(entry?.response.content.text?.length).toBeGreaterThan(0)
      expect(entry?.response.content.size).toBeGreaterThan(0)
      expect(Object.values(entry?.timings ?? {}).every((time) => time >= -1)).toBe(true)
    }
  })

  test('says who was asked, what it took and what it cost', () => {
    const record = recordOfFixture('messages-tools-stream')
    const answered = record.calls[0]?.answered

    expect(harEntry(record)).toMatchObject({
      startedDateTime: new Date(record.startedAt).toISOString(),
      request: { method: 'POST', httpVersion: 'HTTP/1.1', bodySize: record.request.bytes },
      response: { status: 200, bodySize: record.response.bytes },
      _resourceType: 'fetch',
      _porthole: {
        id: record.id,
        calls: [
          {
            provider: 'anthropic',
            model: answered?.model,
            usage: answered?.usage,
            costUsd: answered?.cost?.usd,
            tools: answered?.toolCalls.map(({ name }) => name),
          },
        ],
      },
    })
  })

  test('undoes content codings, and counts both sizes', () => {
    const record = recordOfFixture('chat-gzip')
    const entry = harEntry(record)
    const content = entry?.response.content

    expect(JSON.parse(content?.text ?? '')).toMatchObject({ object: 'chat.completion' })
    expect(content?.encoding).toBeUndefined()
    expect((content?.size ?? 0) - (content?.compression ?? 0)).toBe(record.response.bytes)
  })

  test('holds bytes that are no text as base64, both ways', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x41])
    const entry = harEntry(
      recordOfExchange({
        request: { url: 'https://a.example/?a=1&b=%zz#x', body: bytes },
        response: { body: bytes, headers: [] },
      }),
    )

    expect(entry?.request.postData).toMatchObject({ encoding: 'base64', text: '/wBB' })
    expect(entry?.response.content).toMatchObject({ encoding: 'base64', text: '/wBB', size: 3 })
    expect(entry?.request.queryString).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '%zz' },
    ])
    await expect(har(archive(entry))).resolves.toBeTruthy()
  })

  test('writes the URL as the standard wants it, masked secrets too', async () => {
    const entry = harEntry(
      recordOfExchange({
        request: {
          url: 'https://[::1]:8443/v1/models/ä b:gen?key=[REDACTED]&q=%41%',
          headers: [['Cookie', 'a=[REDACTED]; b']],
        },
        response: {
          status: 302,
          headers: [
            ['Location', '/there'],
            ['Set-Cookie', 'c=1; Path=/'],
          ],
        },
      }),
    )

    expect(entry?.request.url).toBe(
      'https://[::1]:8443/v1/models/%C3%A4%20b:gen?key=%5BREDACTED%5D&q=%41%25',
    )
    expect(entry?.request.cookies).toEqual([
      { name: 'a', value: '[REDACTED]' },
      { name: 'b', value: '' },
    ])
    expect(entry?.response.redirectURL).toBe('/there')
    expect(entry?.response.cookies).toEqual([{ name: 'c', value: '1' }])
    await expect(har(archive(entry))).resolves.toBeTruthy()
  })

  test('says what is unknown: a body that broke off has no size, and none is no error of ours', async () => {
    const broken = harEntry(
      recordOfExchange({
        request: { url: 'https://a.example/' },
        response: { body: 'half of it' },
        failAfterBytes: 4,
      }),
    )
    const unanswered = harEntry(recordOfExchange({ request: { url: 'https://a.example/' } }))

    expect(broken?.response).toMatchObject({
      status: 200,
      bodySize: -1,
      content: { size: -1, text: 'half', comment: 'the recorded body is incomplete' },
      _error: 'ECONNRESET',
    })
    expect(unanswered?.response).toMatchObject({ status: 0, bodySize: 0, content: { size: 0 } })
    await expect(har(archive(broken, unanswered))).resolves.toBeTruthy()
  })

  test('of a WebSocket holds its messages', async () => {
    const common = { v: 1, exchangeId: 'x' } as const
    const messages = [
      {
        kind: 'request-started',
        method: 'GET',
        url: 'wss://a.example/live',
        httpVersion: '1.1',
        headers: [],
        host: 'a.example',
      },
      { kind: 'websocket-message', direction: 'request', opcode: 1, text: 'hi' },
      { kind: 'websocket-message', direction: 'response', opcode: 2, base64: '/w==' },
    ].map((draft, seq) => Object.assign(draft, common, { seq, at: 1000 + seq }))
    const [record] = gatherMessages(messages as AnalysisMsg[])
    const entry = record === undefined ? undefined : harEntry(record)

    expect(entry).toMatchObject({
      _resourceType: 'websocket',
      _webSocketMessages: [
        { type: 'send', time: 1.001, opcode: 1, data: 'hi' },
        { type: 'receive', time: 1.002, opcode: 2, data: '/w==' },
      ],
    })
    await expect(har(archive(entry))).resolves.toBeTruthy()
  })

  test('is not made of a tunnel', () => {
    const closed = { kind: 'tunnel-closed', host: 'a', port: 443, bytesUp: 1, bytesDown: 1 }
    const [record] = gatherMessages([
      { v: 1, seq: 0, at: 1, connectionId: 'c', durationMs: 1, ...closed } as AnalysisMsg,
    ])

    expect(record === undefined ? 'none' : harEntry(record)).toBeUndefined()
  })
})
