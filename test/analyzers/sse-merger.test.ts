import { brotliCompressSync } from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import type { AnalysisMsg, HeaderPairs } from '../../src/messages/schema.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import { bodyBytes, readRecorded, specOf } from '../support/recorded-exchanges.ts'
import type { ExchangeSpec } from '../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'
import { sdkResult, withoutSdkExtras } from '../support/sdk-oracles.ts'

analyzerConformance('SseMerger', () => new SseMerger(), { before: () => [new HttpParser()] })

const chatUrl = 'https://api.openai.com/v1/chat/completions'
const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]

function run(
  body: string | Uint8Array,
  more: Partial<ExchangeSpec> = {},
  url = chatUrl,
): AnalysisMsg[] {
  const spec = { request: { url, body: '{}' }, response: { headers: sse, body }, ...more }
  return runAnalyzers([new SseMerger()], exchangeMessages(spec))
}

function chat(...deltas: readonly object[]): string {
  return deltas
    .map((delta) => `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, ...delta }] })}\n\n`)
    .join('')
}

const answer = `${chat({ delta: { role: 'assistant', content: 'Hel' } }, { delta: { content: 'lo' }, finish_reason: 'stop' })}data: [DONE]\n\n`

describe('events', () => {
  test('are told as their chunk arrives, with the time since the request', () => {
    const out = run('data: 1\n\nevent: x\nid: 7\ndata: 2\n\n', { chunkSize: 9, stepMs: 10 })

    expect(ofKind(out, 'sse-event')).toMatchObject([
      { index: 0, data: '1', sinceRequestMs: 40, by: 'sse-merger' },
      { index: 1, data: '2', event: 'x', id: '7', sinceRequestMs: 70 },
    ])
  })

  test('of a compressed stream come as their flushed bytes arrive', () => {
    const headers: HeaderPairs = [...sse, ['Content-Encoding', 'br']]
    const out = run('', { response: { headers, body: brotliCompressSync(answer) }, chunkSize: 5 })

    expect(ofKind(out, 'sse-event').map((msg) => msg.data)).toContain('[DONE]')
    expect(onlyOf(out, 'stream-merged')).toMatchObject({ text: 'Hello', complete: true })
  })

  test('of a stream of no known format are told, and nothing is merged', () => {
    const out = run('data: {"jsonrpc":"2.0"}\n\n', {}, 'https://mcp.example.com/rpc')

    expect(ofKind(out, 'sse-event')).toHaveLength(1)
    expect(ofKind(out, 'stream-merged')).toEqual([])
  })

  test('are found where the media type says nothing', () => {
    const out = run('', { response: { headers: [], body: answer }, chunkSize: 1 })

    expect(ofKind(out, 'sse-event')).toHaveLength(3)
  })

  test('are not looked for in a JSON body', () => {
    const headers: HeaderPairs = [['content-type', 'application/json']]
    expect(ofKind(run('', { response: { headers, body: answer } }), 'sse-event')).toEqual([])
  })
})

describe('the merged object', () => {
  test('comes at the end of the response, before the exchange has ended', () => {
    const kinds = run(answer).map((msg) => msg.kind)

    expect(kinds.slice(-3)).toEqual(['response-ended', 'stream-merged', 'exchange-completed'])
  })

  test('tells how many events came, when the first did and when the last', () => {
    const out = onlyOf(run(answer, { chunkSize: 40, stepMs: 10 }), 'stream-merged')
    const events = ofKind(run(answer, { chunkSize: 40, stepMs: 10 }), 'sse-event')

    expect(out).toMatchObject({
      format: 'openai-chat',
      eventCount: 3,
      firstEventMs: events[0]?.sinceRequestMs,
      lastEventMs: events[2]?.sinceRequestMs,
      complete: true,
    })
    expect(out).not.toHaveProperty('problem')
  })

  test('of a stream that broke holds what came, and is not complete', () => {
    const out = run(answer, { failAfterBytes: answer.indexOf('lo') - 3 })

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      text: 'Hel',
      complete: false,
      problem: 'cut off',
    })
    expect(ofKind(out, 'sse-event').at(-1)).toMatchObject({ unterminated: true })
  })

  test('of a stream whose client left after its end is complete', () => {
    const out = run(answer, { failAfterBytes: answer.length })

    expect(onlyOf(out, 'stream-merged')).toMatchObject({ text: 'Hello', complete: true })
  })

  test('holds nothing from after a gap', () => {
    const lossy = exchangeMessages({
      request: { url: chatUrl, body: '{}' },
      response: { headers: sse, body: answer },
      chunkSize: 16,
    }).filter((msg) => msg.kind !== 'response-body' || msg.offset !== 16 * 6)
    const out = runAnalyzers([new SseMerger()], lossy)

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      text: 'Hel',
      complete: false,
      problem: 'bytes are missing',
    })
  })

  test('of a stream that ends before the answer does is not complete', () => {
    expect(onlyOf(run(chat({ delta: { content: 'a' } })), 'stream-merged')).toMatchObject({
      text: 'a',
      complete: false,
      problem: 'ends before the answer does',
    })
  })

  test('of an error inside a stream keeps the partial answer and the error', () => {
    const body = `${chat({ delta: { content: 'par' } })}data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`

    expect(onlyOf(run(body), 'stream-merged')).toMatchObject({
      text: 'par',
      complete: false,
      problem: 'overloaded',
      merged: { error: { type: 'server_error' } },
    })
  })

  test('of a stream on a known path without one known event is empty', () => {
    expect(onlyOf(run('data: {"value":1}\n\n'), 'stream-merged')).toMatchObject({
      merged: { choices: [] },
      complete: false,
      problem: 'no event of this format',
    })
  })

  test('is of the format that the shape shows where the path says nothing', () => {
    const recording = readRecorded('messages-tools-stream')
    const body = bodyBytes(recording.response.body)
    const out = run(body, {}, 'https://gateway.example.com/anything')

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      format: 'anthropic-messages',
      complete: true,
    })
  })

  test('stops growing when one event passes the bound', () => {
    const out = run(`${chat({ delta: { content: 'a' } })}data: ${'x'.repeat(9 * 1024 * 1024)}`, {
      chunkSize: 1024 * 1024,
    })

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      text: 'a',
      complete: false,
      problem: 'an event is longer than the limit',
    })
  })
})

describe('a recorded stream', () => {
  const names = [
    'chat-tools-stream',
    'chat-usage-stream',
    'azure-stream',
    'messages-tools-stream',
    'messages-thinking-stream',
    'responses-tools-stream',
    'responses-text-stream',
  ]

  test.each(names)('merges to what the official SDK makes of it: %s', async (name) => {
    const recording = readRecorded(name)
    const anyChunks = fc.sample(fc.integer({ min: 1, max: 300 }), 20)
    for (const chunkSize of [1, anyChunks, undefined]) {
      const spec = { ...specOf(recording), ...(chunkSize === undefined ? {} : { chunkSize }) }
      const out = runAnalyzers([new SseMerger()], exchangeMessages(spec))
      const merged = onlyOf(out, 'stream-merged')
      const expected = await sdkResult(merged.format, bodyBytes(recording.response.body))

      expect(merged.complete).toBe(true)
      expect(JSON.parse(JSON.stringify(merged.merged))).toEqual(withoutSdkExtras(expected))
    }
  })

  test('of legacy completions joins the text', () => {
    const out = runAnalyzers(
      [new SseMerger()],
      exchangeMessages(specOf(readRecorded('completions-stream'))),
    )
    const merged = onlyOf(out, 'stream-merged')

    expect(merged).toMatchObject({ format: 'openai-completions', complete: true })
    expect(merged.text).not.toBe('')
    expect(merged.merged).toMatchObject({ choices: [{ index: 0, text: merged.text }] })
  })
})
