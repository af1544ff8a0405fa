/** Anthropic's requests beside messages: legacy completions, counting tokens, batches. */
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { createCompleteMerger } from '../../../analyzers/providers/anthropic-complete.ts'
import type { AnalysisMsg, HeaderPairs } from '../../../src/messages/schema.ts'
import { mergeData } from '../../support/merge-events.ts'
import { readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

function run(path: string, request: object, body: string, headers?: HeaderPairs): AnalysisMsg[] {
  return runAnalyzers(
    defaultAnalyzers(),
    exchangeMessages({
      request: { url: `https://api.anthropic.com${path}`, body: JSON.stringify(request) },
      response: { body, ...(headers === undefined ? {} : { headers }) },
    }),
  )
}

describe('a legacy completion', () => {
  test('is read as recorded, its usage estimated, for none is reported', () => {
    const out = runAnalyzers(
      defaultAnalyzers(),
      exchangeMessages(specOf(readRecorded('anthropic-complete'))),
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'complete',
      model: 'claude-instant-1.2',
      streaming: false,
      messages: [{ role: 'user' }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: ' Hello!' }],
      finishReason: 'stop_sequence',
      complete: true,
    })
    expect(onlyOf(out, 'model-answered').usage?.source).toBe('estimated')
    expect(onlyOf(out, 'model-answered').cost?.confidence).not.toBe('exact')
  })

  test('streams pieces between pings', () => {
    const events = [
      { type: 'ping' },
      { type: 'completion', completion: ' Hel', stop_reason: null, model: 'claude-2' },
      { type: 'completion', completion: 'lo', stop_reason: 'stop_sequence', model: 'claude-2' },
    ]
    const body = events
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join('')
    const sse = [['Content-Type', 'text/event-stream']] as const
    const out = run('/v1/complete', { model: 'claude-2', prompt: 'x', stream: true }, body, sse)

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      format: 'anthropic-complete',
      merged: {
        type: 'completion',
        completion: ' Hello',
        stop_reason: 'stop_sequence',
        model: 'claude-2',
      },
      text: ' Hello',
      complete: true,
    })
  })

  test('of the first version, whose events each hold all of the text, is not doubled', () => {
    const result = mergeData(createCompleteMerger(), [
      { completion: ' Hel', stop_reason: null },
      { completion: ' Hello', stop_reason: null },
      { completion: ' Hello', stop_reason: 'stop_sequence' },
    ])

    expect(result).toMatchObject({ text: ' Hello', complete: true })
  })

  test('tells the error of a stream, and what came before it', () => {
    const result = mergeData(createCompleteMerger(), [
      { type: 'completion', completion: 'a', stop_reason: null },
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    ])

    expect(result).toMatchObject({ text: 'a', complete: false, problem: 'Overloaded' })
  })
})

test('counting tokens says the count, and costs nothing', () => {
  const request = { model: 'claude-x', messages: [{ role: 'user', content: 'hi' }] }
  const out = run('/v1/messages/count_tokens?beta=true', request, '{"input_tokens":14}')

  expect(onlyOf(out, 'model-called')).toMatchObject({
    operation: 'count_tokens',
    model: 'claude-x',
    streaming: false,
    messages: [{ role: 'user', parts: [{ text: 'hi' }] }],
  })
  const answered = onlyOf(out, 'model-answered')
  expect(answered).toMatchObject({
    output: [{ type: 'other', name: 'input_tokens', text: '14' }],
    complete: true,
  })
  expect(answered.usage).toBeUndefined()
  expect(answered.cost).toBeUndefined()
})

describe('a batch', () => {
  const params = (model: string, content: string): object => ({
    params: { model, messages: [{ role: 'user', content }], tools: [{ name: 'f' }] },
  })
  const created = '{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress"}'

  test('is one call with the messages of all its requests', () => {
    const request = { requests: [params('m', 'a'), params('m', 'b')] }
    const out = run('/v1/messages/batches', request, created)

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'batches',
      model: 'm',
      messages: [{ parts: [{ text: 'a' }] }, { parts: [{ text: 'b' }] }],
      tools: [{ name: 'f' }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'other', name: 'message_batch', text: created }],
      finishReason: 'in_progress',
      complete: true,
    })
    expect(onlyOf(out, 'model-answered').usage).toBeUndefined()
  })

  test('of several models has none', () => {
    const request = { requests: [params('m', 'a'), params('n', 'b')] }

    expect(onlyOf(run('/v1/messages/batches', request, created), 'model-called').model).toBe(
      undefined,
    )
  })
})
