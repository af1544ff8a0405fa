/**
 * `node test/bench/large-capture.ts FILE [MEGABYTES]`: a capture of made-up agents at work, through
 * the analyzers and the writer that a proxy has; 1000 MB unless told otherwise, in one file.
 */
import { statSync } from 'node:fs'

import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import { createSystemClock } from '../../src/base/clock.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'

const turnsOfSession = 30
const headers: Array<[string, string]> = [['content-type', 'application/json']]
const streamHeaders: Array<[string, string]> = [['content-type', 'text/event-stream']]

let state = 1
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state >>> 8
}

const words = 'the file returns config error test value when model reads of line and proxy'.split(
  ' ',
)
function prose(length: number): string {
  let text = ''
  while (text.length < length) {
    text += `${random() % 3 === 0 ? random().toString(36) : (words[random() % words.length] ?? '')} `
    if (random() % 12 === 0) text += '\n'
  }
  return text.slice(0, length)
}

const tools = Array.from({ length: 12 }, (_, index) => ({
  name: `tool_${index}`,
  description: prose(800),
  input_schema: { type: 'object', properties: { path: { type: 'string' } } },
}))
const system = prose(9000)

/** As Anthropic streams it, in packets of some events. */
function streamOf(text: string, id: string): Buffer[] {
  const event = (name: string, data: object): string =>
    `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`
  const usage = { input_tokens: 30, cache_read_input_tokens: 9000, output_tokens: 1 }
  const message = { id: 'msg_1', role: 'assistant', model: 'claude-sonnet-4-5', content: [], usage }
  const deltas = text.match(/[\s\S]{1,18}/gu) ?? []
  const block = (index: number, content_block: object): string =>
    event('content_block_start', { index, content_block })
  const parts = [
    event('message_start', { message }) + block(0, { type: 'text', text: '' }),
    ...deltas.map((piece) =>
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } }),
    ),
    event('content_block_stop', { index: 0 }) +
      block(1, { type: 'tool_use', id, name: 'tool_1', input: {} }) +
      event('content_block_delta', {
        index: 1,
        delta: { type: 'input_json_delta', partial_json: '{"path":"src/config/settings.ts"}' },
      }) +
      event('content_block_stop', { index: 1 }) +
      event('message_delta', {
        delta: { stop_reason: 'tool_use' },
        usage: { output_tokens: deltas.length * 4 },
      }) +
      event('message_stop', {}),
  ]
  const packets: Buffer[] = []
  for (let at = 0; at < parts.length; at += 6) {
    packets.push(Buffer.from(parts.slice(at, at + 6).join('')))
  }
  return packets
}

function publishTurn(pipeline: Pipeline, id: string, request: Buffer, packets: Buffer[]): void {
  const ids = { connectionId: `${id}-c`, exchangeId: id }
  const url = 'https://api.anthropic.com/v1/messages'
  const head = { method: 'POST', url, httpVersion: '1.1', headers, host: 'api.anthropic.com' }
  pipeline.publish({ kind: 'request-started', ...head, ...ids })
  pipeline.publishBody({ kind: 'request-body', ...ids, offset: 0, chunk: request })
  pipeline.publish({ kind: 'request-ended', bytes: request.length, ...ids })
  const response = { status: 200, headers: streamHeaders, ttfbMs: 5 }
  pipeline.publish({ kind: 'response-started', ...response, ...ids })
  let bytes = 0
  for (const chunk of packets) {
    pipeline.publishBody({ kind: 'response-body', ...ids, offset: bytes, chunk })
    bytes += chunk.length
  }
  pipeline.publish({ kind: 'response-ended', bytes, durationMs: 9, ...ids })
  const sizes = { requestBytes: request.length, responseBytes: bytes }
  pipeline.publish({ kind: 'exchange-completed', status: 200, ...sizes, durationMs: 9, ...ids })
}

async function main(path: string, megabytes: number): Promise<void> {
  const logger = new FileLogger(path, { queueBytes: 2e9, maxBytes: 2 ** 40 })
  const analyzers = [...defaultAnalyzers(), logger]
  const pipeline = new Pipeline({ analyzers, clock: createSystemClock(), queueBytes: 2e9 })
  let count = 0
  const size = (): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
  while (size() < megabytes * 1e6) {
    const messages: object[] = []
    for (let turn = 0; turn < turnsOfSession; turn += 1) {
      const id = `bench0-x${(count += 1)}`
      const result = { type: 'tool_result', tool_use_id: `t${count - 1}`, content: prose(12_000) }
      const asked = { type: 'text', text: prose(200) }
      messages.push({ role: 'user', content: turn === 0 ? [asked] : [result] })
      const body = { model: 'claude-sonnet-4-5', stream: true, max_tokens: 9000 }
      const request = Buffer.from(JSON.stringify({ ...body, system, tools, messages }))
      const text = prose(3000)
      publishTurn(pipeline, id, request, streamOf(text, `t${count}`))
      const call = { type: 'tool_use', id: `t${count}`, name: 'tool_1', input: { path: 'src' } }
      messages.push({ role: 'assistant', content: [{ type: 'text', text }, call] })
      pipeline.flush()
    }
    // The writer works between turns of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await pipeline.close()
  process.stdout.write(`${path}: ${count} calls, ${(size() / 1e6).toFixed(0)} MB\n`)
}

const [path, megabytes = '1000'] = process.argv.slice(2)
if (path === undefined) {
  process.exitCode = 2
  process.stderr.write('usage: node test/bench/large-capture.ts FILE [MEGABYTES]\n')
} else await main(path, Number(megabytes))
