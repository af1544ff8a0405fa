/** What an agent's session takes in a capture: it sends its whole context again at every turn. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import { createSystemClock } from '../../src/base/clock.ts'
import { readCapture } from '../../src/capture/reader.ts'
import { reanalyze } from '../../src/capture/reanalyze.ts'
import { encodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-session-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** Text of words that repeat as words do, and of lines that do not. */
function prose(length: number, seed: number): string {
  let state = seed + 1
  let text = ''
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    text += `${(state >>> 8).toString(36)} ${['the', 'file', '“naïve”', 'returns', '\n'][state % 5]} `
  }
  return text.slice(0, length)
}

const tools = Array.from({ length: 8 }, (_, index) => ({
  name: `tool_${index}`,
  description: prose(500, index),
  input_schema: { type: 'object', properties: { path: { type: 'string' } } },
}))
const system = [{ type: 'text', text: prose(4_000, 77) }]

interface Block {
  readonly type: string
  readonly [name: string]: unknown
}

/** The request of one turn; the marks for caching move along with the end, as agents set them. */
function requestOf(history: ReadonlyArray<{ role: string; content: readonly Block[] }>): Buffer {
  const marked = history.map(({ role, content }, index) => {
    if (index < history.length - 2) return { role, content }
    const [last, ...before] = content.toReversed()
    return {
      role,
      content: [...before.toReversed(), { ...last, cache_control: { type: 'ephemeral' } }],
    }
  })
  return Buffer.from(
    JSON.stringify({
      model: 'claude-sonnet-4-5',
      messages: marked,
      system,
      tools,
      max_tokens: 32_000,
    }),
  )
}

function publishTurn(pipeline: Pipeline, turn: number, request: Buffer, answer: Buffer): void {
  const ids = { connectionId: 'c1', exchangeId: `x${turn}` }
  const headers: Array<[string, string]> = [['content-type', 'application/json']]
  const url = 'https://api.anthropic.com/v1/messages'
  const head = { method: 'POST', url, httpVersion: '1.1', headers, host: 'api.anthropic.com' }
  pipeline.publish({ kind: 'request-started', ...head, ...ids })
  // The first record holds the head too, so that packets never begin at the same places.
  for (let at = 0, size = 16_000 - turn * 7; at < request.length; at += size, size = 16_384) {
    const chunk = request.subarray(at, at + size)
    pipeline.publishBody({ kind: 'request-body', ...ids, offset: at, chunk })
  }
  pipeline.publish({ kind: 'request-ended', bytes: request.length, ...ids })
  pipeline.publish({ kind: 'response-started', status: 200, headers, ttfbMs: 5, ...ids })
  pipeline.publishBody({ kind: 'response-body', ...ids, offset: 0, chunk: answer })
  const [requestBytes, responseBytes] = [request.length, answer.length]
  pipeline.publish({ kind: 'response-ended', bytes: responseBytes, durationMs: 9, ...ids })
  const ended = { status: 200, requestBytes, responseBytes, durationMs: 9 }
  pipeline.publish({ kind: 'exchange-completed', ...ended, ...ids })
}

test('a session of 200 turns takes less than a tenth of its plain size, and reads as it was', async ({
  annotate,
}) => {
  const path = join(folder, 'traffic.jsonl')
  const clock = createSystemClock()
  const analyzers = [...defaultAnalyzers(), new FileLogger(path, { queueBytes: 1e9 })]
  const pipeline = new Pipeline({ analyzers, clock, queueBytes: 1e9 })
  const live: string[] = []
  const all: AnalysisMsg[] = []
  let plainBytes = 0
  pipeline.subscribe((msg) => {
    if (msg.exchangeId === 'x199') all.push(msg)
    if (msg.kind === 'http-parsed' || msg.kind === 'sse-event') return
    const line = encodeLine(msg)
    plainBytes += Buffer.byteLength(line)
    live.push(line.slice(0, -1))
  })

  const history: Array<{ role: string; content: Block[] }> = []
  for (let turn = 0; turn < 200; turn += 1) {
    const id = `toolu_${turn}`
    const asked: Block[] = [{ type: 'text', text: prose(150, turn) }]
    const result = {
      type: 'tool_result',
      tool_use_id: `toolu_${turn - 1}`,
      content: prose(450, turn),
    }
    history.push({ role: 'user', content: turn === 0 ? asked : [result, ...asked] })
    const content = [
      { type: 'text', text: prose(200, turn * 3) },
      { type: 'tool_use', id, name: 'tool_1', input: { path: prose(40, turn) } },
    ]
    const usage = { input_tokens: 10, output_tokens: 20 }
    const answer = {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content,
    }
    const body = Buffer.from(JSON.stringify({ ...answer, stop_reason: 'tool_use', usage }))
    publishTurn(pipeline, turn, requestOf(history), body)
    history.push({ role: 'assistant', content })
    pipeline.flush()
  }
  await pipeline.close()

  const storedBytes = statSync(path).size
  const inMb = (bytes: number): string => (bytes / 1e6).toFixed(1)
  const share = storedBytes / plainBytes
  await annotate(
    `200 turns: ${inMb(storedBytes)} MB stored of ${inMb(plainBytes)} MB plain, ${(share * 100).toFixed(1)} %`,
  )
  expect(share).toBeLessThan(0.1)

  const read: string[] = []
  for await (const line of readCapture(path)) {
    if (line.type === 'message') read.push(line.raw)
    else expect(line.type).toBe('header')
  }
  expect(read).toEqual(live)

  const anew: AnalysisMsg[] = []
  for await (const line of reanalyze(readCapture(path), defaultAnalyzers())) {
    if (line.type === 'message' && line.msg.exchangeId === 'x199') anew.push(line.msg)
  }
  expect(anew).toEqual(all.map((msg) => JSON.parse(JSON.stringify(msg))))
})
