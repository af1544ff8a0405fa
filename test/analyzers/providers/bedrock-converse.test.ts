/** What no recording shows of Converse: reasoning, citations, media, errors, streams cut off. */
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { bedrockConverseWire } from '../../../analyzers/providers/bedrock-converse-wire.ts'
import {
  bedrockConverse,
  createConverseMerger,
} from '../../../analyzers/providers/bedrock-converse.ts'
import { targetOf } from '../../../analyzers/providers/recognize.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { awsEvent, awsFrame } from '../../support/aws-frames.ts'
import { mergeTyped } from '../../support/merge-events.ts'
import type { ExchangeSpec } from '../../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const host = 'bedrock-runtime.eu-west-1.amazonaws.com'
const url = `https://${host}/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream`
const target = targetOf(host, url)

function run(frames: readonly Buffer[], more: Partial<ExchangeSpec> = {}): AnalysisMsg[] {
  const headers = [['Content-Type', 'application/vnd.amazon.eventstream']] as const
  return runAnalyzers(
    defaultAnalyzers(),
    exchangeMessages({
      request: { url, body: '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}' },
      response: { headers, body: Buffer.concat(frames) },
      ...more,
    }),
  )
}

const delta = (index: number, value: object): readonly [string, object] => [
  'contentBlockDelta',
  { contentBlockIndex: index, delta: value, p: 'abcdef' },
]
const stop = (index: number): readonly [string, object] => [
  'contentBlockStop',
  { contentBlockIndex: index },
]

describe('a Converse stream', () => {
  test('merges reasoning with its signature, redacted reasoning and text', () => {
    const result = mergeTyped(createConverseMerger(), [
      ['messageStart', { role: 'assistant', p: 'x' }],
      delta(0, { reasoningContent: { text: 'I ' } }),
      delta(0, { reasoningContent: { text: 'think' } }),
      delta(0, { reasoningContent: { signature: 'c2ln' } }),
      stop(0),
      delta(1, { reasoningContent: { redactedContent: 'AAAA' } }),
      stop(1),
      delta(2, { text: 'so' }),
      stop(2),
      ['messageStop', { stopReason: 'end_turn', p: 'y' }],
    ])

    expect(result).toEqual({
      merged: {
        output: {
          message: {
            role: 'assistant',
            content: [
              { reasoningContent: { reasoningText: { text: 'I think', signature: 'c2ln' } } },
              { reasoningContent: { redactedContent: 'AAAA' } },
              { text: 'so' },
            ],
          },
        },
        stopReason: 'end_turn',
      },
      text: 'so',
      complete: true,
    })
  })

  test('puts cited text with its citations, images and results of tools where answers have them', () => {
    const { merged, text } = mergeTyped(createConverseMerger(), [
      delta(0, { text: 'as said' }),
      delta(0, { citation: { title: 'a' } }),
      delta(0, { citation: { title: 'b' } }),
      stop(0),
      ['contentBlockStart', { contentBlockIndex: 1, start: { image: { format: 'png' } } }],
      delta(1, { image: { source: { bytes: 'AAAA' } } }),
      stop(1),
      [
        'contentBlockStart',
        { contentBlockIndex: 2, start: { toolResult: { toolUseId: 't', status: 'success' } } },
      ],
      delta(2, { toolResult: [{ text: 'done' }] }),
      stop(2),
    ])

    expect(text).toBe('as said')
    expect(merged['output']).toEqual({
      message: {
        role: 'assistant',
        content: [
          {
            citationsContent: {
              content: [{ text: 'as said' }],
              citations: [{ title: 'a' }, { title: 'b' }],
            },
          },
          { image: { format: 'png', source: { bytes: 'AAAA' } } },
          { toolResult: { toolUseId: 't', status: 'success', content: [{ text: 'done' }] } },
        ],
      },
    })
  })

  test('gives the input of a tool as a value, empty if nothing came, as text if cut off', () => {
    const start = (index: number): readonly [string, object] => [
      'contentBlockStart',
      { contentBlockIndex: index, start: { toolUse: { toolUseId: `t${index}`, name: 'f' } } },
    ]
    const result = mergeTyped(createConverseMerger(), [
      start(0),
      delta(0, { toolUse: { input: '{"a"' } }),
      delta(0, { toolUse: { input: ':1}' } }),
      stop(0),
      start(1),
      stop(1),
      start(2),
      delta(2, { toolUse: { input: '{"cu' } }),
    ])

    expect(result.complete).toBe(false)
    expect(result.merged['output']).toMatchObject({
      message: {
        content: [
          { toolUse: { toolUseId: 't0', name: 'f', input: { a: 1 } } },
          { toolUse: { input: {} } },
          { toolUse: { input: '{"cu' } },
        ],
      },
    })
  })

  test('takes no index beyond any real list, and no event that it does not know', () => {
    const { merged } = mergeTyped(createConverseMerger(), [
      delta(100_000, { text: 'x' }),
      delta(-1, { text: 'x' }),
      ['constructor', { contentBlockIndex: 0 }],
      ['__proto__', { contentBlockIndex: 0 }],
    ])

    expect(merged['output']).toEqual({ message: { role: 'assistant', content: [] } })
  })

  test('carries content in text, reasoning, a named tool and its input, and in nothing else', () => {
    const carries = (data: object): boolean => bedrockConverse.carriesContent(data as never)

    expect(carries({ delta: { text: 'a' } })).toBe(true)
    expect(carries({ delta: { reasoningContent: { text: 'a' } } })).toBe(true)
    expect(carries({ delta: { toolUse: { input: '{' } } })).toBe(true)
    expect(carries({ start: { toolUse: { name: 'f' } } })).toBe(true)
    expect(carries({ delta: { text: '' } })).toBe(false)
    expect(carries({ role: 'assistant' })).toBe(false)
  })
})

describe('a Converse call', () => {
  test('that an exception ends tells its type and text, and keeps what came', () => {
    const failed = awsFrame(
      { ':message-type': 'exception', ':exception-type': 'throttlingException' },
      '{"message":"Too many tokens"}',
    )
    const out = run([
      awsEvent('messageStart', { role: 'assistant' }),
      awsEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hel' } }),
      failed,
    ])

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      format: 'bedrock-converse',
      text: 'Hel',
      complete: false,
      problem: 'Too many tokens',
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      provider: 'aws',
      operation: 'converse',
      model: 'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      output: [{ type: 'text', text: 'Hel' }],
      complete: false,
      error: { type: 'throttlingException', message: 'Too many tokens' },
    })
  })

  test('that begins with an exception is one of this format too', () => {
    const headers = { ':message-type': 'exception', ':exception-type': 'validationException' }
    const out = run([awsFrame(headers, '{"message":"no such model"}')])

    expect(onlyOf(out, 'model-answered').error).toEqual({
      type: 'validationException',
      message: 'no such model',
    })
  })

  test('whose frames are damaged keeps what came before, and says so', () => {
    const damaged = awsEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'lo' } })
    damaged[20] = (damaged[20] ?? 0) ^ 1
    const out = run([
      awsEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hel' } }),
      damaged,
      awsEvent('messageStop', { stopReason: 'end_turn' }),
    ])

    expect(ofKind(out, 'sse-event')).toHaveLength(1)
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'Hel' }],
      error: {
        type: 'incomplete-stream',
        message: 'the checksum of a frame does not fit its bytes',
      },
    })
  })

  test('counts the cache beside the input, and long writes of it apart', () => {
    const usage = {
      inputTokens: 10,
      outputTokens: 5,
      totalTokens: 1_115,
      cacheReadInputTokens: 1_000,
      cacheWriteInputTokens: 100,
      cacheDetails: [
        { ttl: '1h', inputTokens: 60 },
        { ttl: '5m', inputTokens: 40 },
      ],
    }
    const out = run([
      awsEvent('messageStart', { role: 'assistant' }),
      awsEvent('messageStop', { stopReason: 'end_turn' }),
      awsEvent('metadata', { usage, metrics: { latencyMs: 7 } }),
    ])
    const answered = onlyOf(out, 'model-answered')

    expect(answered.usage).toEqual({
      inputTokens: 10,
      cacheReadTokens: 1_000,
      cacheWriteTokens: 100,
      outputTokens: 5,
      reasoningTokens: 0,
      totalTokens: 1_115,
      source: 'reported',
    })
    // The tables have no price for what Bedrock keeps for an hour.
    expect(answered.cost?.confidence).toBe('estimated')
    expect(answered.cost?.lines.map(({ bucket, tokens }) => [bucket, tokens])).toEqual([
      ['input', 10],
      ['cache-read', 1_000],
      ['cache-write', 40],
      ['cache-write-1h', 60],
      ['output', 5],
    ])
  })

  test.each([
    { serviceTier: { type: 'priority' } },
    { performanceConfig: { latency: 'optimized' } },
    { trace: { guardrail: {} } },
    { stopReason: 'guardrail_intervened' },
  ])('with %j has no exact price', (more) => {
    const body = {
      output: { message: { content: [] } },
      usage: { inputTokens: 1, outputTokens: 1 },
    }
    const reading = bedrockConverseWire.readAnswer({ ...body, ...more }, target)

    expect(reading.usage?.billing.isSpecial).toBe(true)
    expect(bedrockConverseWire.readAnswer(body, target).usage?.billing.isSpecial).toBe(false)
  })

  test('that is refused tells the error by the name that AWS gives it', () => {
    const headers = [
      ['Content-Type', 'application/json'],
      ['x-amzn-ErrorType', 'AccessDeniedException:http://internal.amazon.com/coral/'],
    ] as const
    const response = { status: 403, headers, body: '{"Message":"not allowed"}' }

    expect(onlyOf(run([], { response }), 'model-answered').error).toEqual({
      type: 'AccessDeniedException',
      message: 'not allowed',
    })
  })

  test('reads as parts of every kind, without cache points and data', () => {
    const bytes = Buffer.alloc(300, 7).toString('base64')
    const reading = bedrockConverseWire.readCall(
      {
        system: [{ text: 'be brief' }, { cachePoint: { type: 'default' } }],
        messages: [
          {
            role: 'user',
            content: [
              { text: 'look' },
              { image: { format: 'png', source: { bytes } } },
              {
                document: { format: 'pdf', name: 'd', source: { s3Location: { uri: 's3://b/k' } } },
              },
              { guardContent: { text: { text: 'guard this' } } },
              { cachePoint: { type: 'default' } },
              { hologram: { depth: 3 } },
            ],
          },
          {
            role: 'assistant',
            content: [{ toolUse: { toolUseId: 't', name: 'f', input: { a: 1 } } }],
          },
          {
            role: 'user',
            content: [
              { toolResult: { toolUseId: 't', content: [{ json: { ok: true } }, { text: '!' }] } },
            ],
          },
        ],
        toolConfig: {
          tools: [
            { toolSpec: { name: 'f', description: 'does it' } },
            { systemTool: { name: 'nova_grounding' } },
            { cachePoint: { type: 'default' } },
          ],
        },
      },
      target,
    )

    expect(reading).toEqual({
      model: 'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'look' },
            { type: 'media', mediaType: 'image/png', bytes: 300 },
            { type: 'media', mediaType: 'application/pdf' },
            { type: 'text', text: 'guard this' },
            { type: 'other', name: 'hologram', text: '{"hologram":{"depth":3}}' },
          ],
        },
        {
          role: 'assistant',
          parts: [{ type: 'tool-call', id: 't', name: 'f', arguments: '{"a":1}' }],
        },
        { role: 'user', parts: [{ type: 'tool-result', id: 't', text: '{"ok":true}!' }] },
      ],
      tools: [{ name: 'f', description: 'does it' }, { name: 'nova_grounding' }],
    })
  })
})
