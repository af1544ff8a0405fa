import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { KnownSecrets, maskEmitted, maskFrame } from '../../../src/pipeline/message-masking.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { ofKind, onlyOf } from '../../support/run-analyzers.ts'

/** Looks like no key, and stands in no field of a credential. */
const known = ['correct-horse-battery']
const ids = { connectionId: 'c1', exchangeId: 'x1' }
const clock = { now: () => 1_700_000_000_000, monotonicMs: () => 0 }

/** All messages of a pipeline with the default analyzers. */
function told(report: (pipeline: Pipeline) => void): AnalysisMsg[] {
  const messages: AnalysisMsg[] = []
  const pipeline = new Pipeline({ analyzers: defaultAnalyzers(), clock, queueBytes: 1e9 })
  pipeline.subscribe((msg) => messages.push(msg))
  report(pipeline)
  pipeline.flush()
  return messages
}

function start(pipeline: Pipeline, method: string, url: string): void {
  const head = { httpVersion: '1.1', headers: [], host: 'api.openai.com' } as const
  pipeline.publish({ ...ids, kind: 'request-started', method, url, ...head })
}

function end(pipeline: Pipeline): void {
  const sizes = { requestBytes: 0, responseBytes: 0, durationMs: 1 }
  pipeline.publish({ ...ids, kind: 'exchange-completed', status: 200, ...sizes })
}

describe('a credential of the exchange that a model spells', () => {
  const spelled = ['It is correct', '-horse', '-battery', ', keep it']

  test('in several events of a stream is hidden in the answer', () => {
    const messages = told((pipeline) => {
      start(pipeline, 'POST', 'https://api.openai.com/v1/chat/completions')
      const body = JSON.stringify({ model: 'gpt-4o', stream: true, messages: [] })
      const request = { ...ids, kind: 'request-body', offset: 0, chunk: Buffer.from(body), known }
      pipeline.publishBody({ ...request, kind: 'request-body' })
      pipeline.publish({ ...ids, kind: 'request-ended', bytes: body.length })
      const headers = [['Content-Type', 'text/event-stream']] as const
      pipeline.publish({ ...ids, kind: 'response-started', status: 200, headers, ttfbMs: 1 })
      let offset = 0
      for (const content of spelled) {
        const choices = [{ index: 0, delta: { content }, finish_reason: null }]
        const event = { object: 'chat.completion.chunk', choices }
        const chunk = Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
        pipeline.publishBody({ ...ids, kind: 'response-body', offset, chunk, known })
        offset += chunk.length
      }
      pipeline.publish({ ...ids, kind: 'response-ended', bytes: offset, durationMs: 1 })
      end(pipeline)
    })
    const hidden = 'It is [REDACTED]***********, keep it'

    expect(onlyOf(messages, 'stream-merged')).toMatchObject({ text: hidden })
    expect(onlyOf(messages, 'model-answered').output).toEqual([{ type: 'text', text: hidden }])
    expect(JSON.stringify(ofKind(messages, 'stream-merged'))).not.toContain(known[0])
    expect(JSON.stringify(ofKind(messages, 'model-answered'))).not.toContain(known[0])
  })

  test('in several messages of a WebSocket is hidden in the answer', () => {
    const sent = [
      { direction: 'request', text: JSON.stringify({ type: 'response.create' }) },
      ...[
        { type: 'response.created', response: { id: 'r1', output: [] } },
        ...spelled.map((delta) => ({
          type: 'response.output_text.delta',
          response_id: 'r1',
          item_id: 'i1',
          output_index: 0,
          content_index: 0,
          delta,
        })),
        {
          type: 'response.done',
          response: {
            id: 'r1',
            status: 'completed',
            output: [
              {
                id: 'i1',
                type: 'message',
                role: 'assistant',
                content: [{ type: 'output_text', text: spelled.join('') }],
              },
            ],
          },
        },
      ].map((event) => ({ direction: 'response', text: JSON.stringify(event) })),
    ] as const
    const messages = told((pipeline) => {
      start(pipeline, 'GET', 'https://api.openai.com/v1/realtime?model=gpt-realtime')
      for (const frame of sent) {
        const draft = { ...ids, kind: 'websocket-message', opcode: 1, ...frame } as AnalysisMsgDraft
        pipeline.publishUnread({ bytes: 100, known, read: () => [draft].values() })
      }
      end(pipeline)
    })

    expect(onlyOf(messages, 'model-answered').output).not.toEqual([])
    expect(JSON.stringify(messages)).not.toContain(known[0])
  })
})

describe('a frame of a WebSocket', () => {
  interface Content {
    readonly text?: string
    readonly base64?: string
  }

  const frame = (content: Content): AnalysisMsgDraft => ({
    ...ids,
    kind: 'websocket-message',
    direction: 'response',
    opcode: 2,
    ...content,
  })

  test('is masked where it is binary, without a change of its length', () => {
    const key = `sk-${'a1'.repeat(20)}`
    const bytes = Buffer.from(`\0\u0001{"a":"${known[0]}"} ${key} \u00ff`, 'latin1')
    const masked = maskFrame(frame({ base64: bytes.toString('base64') }), 'secrets', known)
    const shown = Buffer.from('base64' in masked ? (masked.base64 ?? '') : '', 'base64')

    expect(shown).toHaveLength(bytes.length)
    expect(shown.toString('latin1')).toMatch(
      /^\0\u0001\{"a":"\[REDACTED\]\*+"\} \[REDACTED\]\*+ \u00ff$/u,
    )
  })

  test('is the same message where there is nothing to mask', () => {
    const binary = frame({ base64: Buffer.of(0, 255, 7).toString('base64') })
    const text = frame({ text: 'hello' })

    expect(maskFrame(binary, 'pii', known)).toBe(binary)
    expect(maskFrame(text, 'pii', known)).toBe(text)
    expect(maskFrame(frame({}), 'pii', known)).toEqual(frame({}))
  })
})

test('what analyzers say beside answers stays as it is', () => {
  const draft: AnalysisMsgDraft = {
    kind: 'messages-dropped',
    where: known[0] ?? '',
    count: 1,
    bytes: 1,
  }

  expect(maskEmitted(draft, 'pii', known)).toBe(draft)
})

test('the credentials of many exchanges are known, and of ended ones not for ever', () => {
  const secrets = new KnownSecrets()
  for (let number = 0; number < 5_000; number += 1) secrets.remember(`x${number}`, { known })
  secrets.remember('none', { known: [] })
  secrets.remember(undefined, { known })

  expect(secrets.of('x0')).toEqual({ known: [] })
  expect(secrets.of('x4999').known).toBe(known)
  expect(secrets.of(undefined)).toEqual({ known: [] })

  secrets.end('x4999')
  expect(secrets.of('x4999').known).toBe(known)
  for (let number = 4_000; number < 4_100; number += 1) secrets.end(`x${number}`)
  expect(secrets.of('x4999')).toEqual({ known: [] })
})
