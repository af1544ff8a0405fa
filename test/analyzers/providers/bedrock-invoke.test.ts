/** The families of models behind InvokeModel: their requests, answers and streams, and usage. */
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { bedrockInvokeWire } from '../../../analyzers/providers/bedrock-invoke-wire.ts'
import { bedrockInvoke, createInvokeMerger } from '../../../analyzers/providers/bedrock-invoke.ts'
import { bedrockModel } from '../../../analyzers/providers/bedrock-model.ts'
import { recognizeCall, targetOf } from '../../../analyzers/providers/recognize.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'
import type { HeaderPairs } from '../../../src/messages/schema.ts'
import { asServerSent, awsChunk, awsFrame, innerEvents } from '../../support/aws-frames.ts'
import { mergeData } from '../../support/merge-events.ts'
import { bodyBytes, readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'
import { sdkResult, withoutSdkExtras } from '../../support/sdk-oracles.ts'

const host = 'bedrock-runtime.us-east-1.amazonaws.com'
const pathTo = (id: string, method = 'invoke'): string => `https://${host}/model/${id}/${method}`
const target = targetOf(host, pathTo('any'))
const metrics = { inputTokenCount: 11, outputTokenCount: 7, invocationLatency: 1 }
const withMetrics = { 'amazon-bedrock-invocationMetrics': metrics }

function read(body: JsonRecord, headers: HeaderPairs = []): unknown[] {
  const { output, finishReason, usage } = bedrockInvokeWire.readAnswer(body, target, headers)
  const counts = usage === undefined ? [] : [usage.usage.inputTokens, usage.usage.outputTokens]
  return [output.map((part) => ('text' in part ? part.text : part.type)), finishReason, counts]
}

describe('the model of a path', () => {
  const profile = 'arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x-v1:0'
  test.each([
    ['anthropic.claude-x-v1%3A0', 'anthropic.claude-x-v1:0'],
    ['anthropic.claude-x-v1:0', 'anthropic.claude-x-v1:0'],
    ['global.amazon.nova-2-lite-v1:0', 'global.amazon.nova-2-lite-v1:0'],
    [encodeURIComponent(profile), 'us.anthropic.claude-x-v1:0'],
    [profile, 'us.anthropic.claude-x-v1:0'],
    ['arn:aws:bedrock:us-east-1::foundation-model/meta.llama-v1', 'meta.llama-v1'],
    [
      'arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc',
      'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc',
    ],
    ['%zz', '%zz'],
  ])('is, of %s, %s', (id, model) => {
    expect(bedrockModel(targetOf(host, pathTo(id)))).toBe(model)
  })

  test('tells embeddings from all else', () => {
    const operation = (id: string, method?: string): string | undefined =>
      recognizeCall('POST', targetOf(host, pathTo(id, method)))?.operation

    expect(operation('amazon.titan-embed-text-v2%3A0')).toBe('embeddings')
    expect(operation('cohere.embed-english-v3')).toBe('embeddings')
    expect(operation('amazon.titan-text-express-v1')).toBe('invoke')
    expect(operation('anthropic.claude', 'invoke-with-response-stream')).toBe('invoke')
    expect(operation('anthropic.claude', 'converse-stream')).toBe('converse')
    expect(operation('anthropic.claude', 'invoke-with-bidirectional-stream')).toBeUndefined()
  })

  test('is the answer, if the id is one of your own that says nothing', () => {
    const own = targetOf(
      host,
      pathTo('arn:aws:bedrock:us-east-1:1:application-inference-profile/a'),
    )
    const body = { type: 'message', model: 'claude-x', content: [], stop_reason: 'end_turn' }

    expect(bedrockInvokeWire.readAnswer(body, own).model).toBe('claude-x')
    expect(bedrockInvokeWire.readAnswer(body, target).model).toBeUndefined()
  })
})

describe('a request', () => {
  const nova = { role: 'user', content: [{ text: 'hi' }] }
  test.each<[string, JsonRecord]>([
    [
      'Claude',
      {
        anthropic_version: 'bedrock-2023-05-31',
        messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      },
    ],
    ['Claude 2', { prompt: 'hi', max_tokens_to_sample: 9 }],
    ['Nova', { messages: [nova] }],
    ['gpt-oss', { messages: [{ role: 'user', content: 'hi' }] }],
    ['Titan', { inputText: 'hi', textGenerationConfig: {} }],
    ['Llama', { prompt: 'hi', max_gen_len: 9 }],
    ['Command R', { message: 'hi' }],
    ['Cohere embeddings', { texts: ['hi'], input_type: 'search_query' }],
    ['an image task', { taskType: 'TEXT_IMAGE', textToImageParams: { text: 'hi' } }],
  ])('of %s says what was asked', (_, body) => {
    const { messages } = bedrockInvokeWire.readCall(body, target)

    expect(messages).toEqual([{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }])
  })

  test('of no known family is a call without messages', () => {
    expect(bedrockInvokeWire.readCall({ strange: true }, target)).toEqual({
      model: 'any',
      streaming: false,
      messages: [],
      tools: [],
    })
  })
})

describe('counting tokens', () => {
  const count = targetOf(host, pathTo('anthropic.claude-x', 'count-tokens'))
  const wire = recognizeCall('POST', count)
  const prompt = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }]
  const body = Buffer.from('{"prompt":"hi"}').toString('base64')

  test.each<[string, JsonRecord, unknown[]]>([
    [
      'of Converse',
      { converse: { messages: [{ role: 'user', content: [{ text: 'hi' }] }] } },
      prompt,
    ],
    ['of Invoke', { invokeModel: { body } }, prompt],
    ['of neither', { invokeModel: { body: '!' } }, []],
  ])('reads the prompt %s', (_, input, messages) => {
    expect(wire?.isCall({ input }, count)).toBe(true)
    expect(wire?.readCall({ input }, count)).toEqual({
      model: 'anthropic.claude-x',
      streaming: false,
      messages,
      tools: [],
    })
  })

  test('says the count, and has no usage', () => {
    expect(wire?.readAnswer({ inputTokens: 9 }, count)).toEqual({
      output: [{ type: 'other', name: 'input_tokens', text: '9' }],
      toolCalls: [],
    })
    expect(wire?.readAnswer({}, count).output).toEqual([])
  })
})

describe('an answer', () => {
  const choice = { index: 0, message: { role: 'assistant', content: 'yes' } }
  test.each<[string, JsonRecord, unknown[]]>([
    [
      'Claude 2',
      { completion: 'yes', stop_reason: 'stop_sequence' },
      [['yes'], 'stop_sequence', []],
    ],
    [
      'Titan',
      {
        inputTextTokenCount: 3,
        results: [{ tokenCount: 4, outputText: 'yes', completionReason: 'FINISH' }],
      },
      [['yes'], 'FINISH', [3, 4]],
    ],
    [
      'Llama',
      {
        generation: 'yes',
        prompt_token_count: 3,
        generation_token_count: 4,
        stop_reason: 'stop',
      },
      [['yes'], 'stop', [3, 4]],
    ],
    ['Mistral', { outputs: [{ text: 'yes', stop_reason: 'stop' }] }, [['yes'], 'stop', []]],
    ['Mistral Large', { choices: [{ ...choice, stop_reason: 'stop' }] }, [['yes'], 'stop', []]],
    [
      'gpt-oss',
      {
        choices: [{ ...choice, finish_reason: 'stop' }],
        usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
      },
      [['yes'], 'stop', [3, 4]],
    ],
    ['DeepSeek', { choices: [{ text: 'yes', stop_reason: 'stop' }] }, [['yes'], 'stop', []]],
    [
      'Jurassic',
      { completions: [{ data: { text: 'yes' }, finishReason: { reason: 'endoftext' } }] },
      [['yes'], 'endoftext', []],
    ],
    [
      'Command',
      { generations: [{ text: 'yes', finish_reason: 'COMPLETE' }] },
      [['yes'], 'COMPLETE', []],
    ],
    ['Command R', { text: 'yes', finish_reason: 'COMPLETE' }, [['yes'], 'COMPLETE', []]],
    [
      'Titan embeddings',
      { embedding: [1, 2, 3], inputTextTokenCount: 5 },
      [['1 × 3 dimensions'], undefined, [5, 0]],
    ],
    [
      'Cohere embeddings',
      {
        embeddings: {
          int8: [
            [1, 2],
            [3, 4],
          ],
        },
      },
      [['2 × 2 dimensions'], undefined, []],
    ],
    [
      'Rerank',
      { results: [{ index: 1, relevance_score: 0.5 }] },
      [['document 1: 0.5'], undefined, []],
    ],
    ['an image model', { images: ['AAAA'] }, [['media'], undefined, []]],
    ['no known family', { strange: 1 }, [['{"strange":1}'], undefined, []]],
  ])('of %s is read', (_, body, expected) => {
    expect(read(body)).toEqual(expected)
  })

  test('has the counts of the body, else of the metrics, else of the fields', () => {
    const headers: HeaderPairs = [
      ['X-Amzn-Bedrock-Input-Token-Count', '20'],
      ['X-Amzn-Bedrock-Output-Token-Count', '30'],
      ['X-Amzn-Bedrock-Cache-Read-Input-Token-Count', '40'],
    ]
    const own = { generation: 'a', prompt_token_count: 1, generation_token_count: 2 }
    const none = { outputs: [{ text: 'a' }] }

    expect(read({ ...own, ...withMetrics }, headers)[2]).toEqual([1, 2])
    expect(read({ ...none, ...withMetrics }, headers)[2]).toEqual([11, 7])
    expect(read(none, headers)[2]).toEqual([20, 30])
    expect(bedrockInvokeWire.readAnswer(none, target, headers).usage?.usage).toMatchObject({
      cacheReadTokens: 40,
      totalTokens: 90,
    })
    expect(read(none, [['x-amzn-bedrock-input-token-count', '-1']])[2]).toEqual([])
    expect(read(none)[2]).toEqual([])
  })
})

describe('a stream', () => {
  const last = { ...withMetrics }
  test.each<[string, object[], object]>([
    [
      'Titan',
      [
        { outputText: 'y', index: 0, inputTextTokenCount: 3, totalOutputTextTokenCount: null },
        { outputText: 'es', index: 0, totalOutputTextTokenCount: 4, completionReason: 'FINISH' },
      ],
      {
        inputTextTokenCount: 3,
        results: [{ outputText: 'yes', tokenCount: 4, completionReason: 'FINISH' }],
        ...last,
      },
    ],
    [
      'Llama',
      [
        { generation: 'y', prompt_token_count: 3, generation_token_count: 1, stop_reason: null },
        {
          generation: 'es',
          prompt_token_count: null,
          generation_token_count: 4,
          stop_reason: 'stop',
        },
      ],
      {
        generation: 'yes',
        prompt_token_count: 3,
        generation_token_count: 4,
        stop_reason: 'stop',
        ...last,
      },
    ],
    [
      'Mistral',
      [
        { outputs: [{ text: 'y', stop_reason: null }] },
        { outputs: [{ text: 'es', stop_reason: 'stop' }] },
      ],
      { outputs: [{ text: 'yes', stop_reason: 'stop' }], ...last },
    ],
    [
      'Mistral Large',
      [
        {
          choices: [{ index: 0, message: { role: 'assistant', content: 'y' }, stop_reason: null }],
        },
        { choices: [{ index: 0, message: { content: 'es' }, stop_reason: 'stop' }] },
      ],
      { choices: [{ index: 0, message: { content: 'yes' }, finish_reason: 'stop' }], ...last },
    ],
    [
      'gpt-oss',
      [
        { id: 'c', choices: [{ index: 0, delta: { content: 'y' } }] },
        { id: 'c', choices: [{ index: 0, delta: { content: 'es' }, finish_reason: 'stop' }] },
        { id: 'c', choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } },
      ],
      { choices: [{ message: { content: 'yes' } }], usage: { prompt_tokens: 3 } },
    ],
    [
      'DeepSeek',
      [
        { choices: [{ text: 'y', stop_reason: null }] },
        { choices: [{ text: 'es', stop_reason: 'stop' }] },
      ],
      { choices: [{ text: 'yes', finish_reason: 'stop' }], ...last },
    ],
    [
      'Command R',
      [
        { event_type: 'text-generation', is_finished: false, text: 'y' },
        { event_type: 'text-generation', is_finished: false, text: 'es' },
        { event_type: 'stream-end', is_finished: true, finish_reason: 'COMPLETE' },
      ],
      { text: 'yes', finish_reason: 'COMPLETE', ...last },
    ],
    [
      'Command, in one event',
      [{ generations: [{ text: 'yes' }] }],
      { generations: [{ text: 'yes' }] },
    ],
    [
      'Claude 2',
      [
        { type: 'completion', completion: 'y', stop_reason: null },
        { completion: 'es', stop_reason: 'stop_sequence' },
      ],
      { completion: 'yes', stop_reason: 'stop_sequence', ...last },
    ],
  ])('of %s merges to what it answers without one', (_, events, expected) => {
    const ended = events.map((event, index) =>
      index === events.length - 1 ? Object.assign({}, event, last) : event,
    )
    const result = mergeData(createInvokeMerger(), ended)

    expect(result).toMatchObject({ merged: expected, text: 'yes', complete: true })
    expect(bedrockInvoke.carriesContent(events[0] as JsonRecord)).toBe(true)
    if (events.length > 1) {
      const cut = mergeData(createInvokeMerger(), events.slice(0, 1))
      expect(cut).toMatchObject({ text: 'y', complete: false })
    }
  })

  test('of Claude merges as the SDK does the same events, and is told as those', async () => {
    const recording = readRecorded('bedrock-messages-stream')
    const events = innerEvents(bodyBytes(recording.response.body))
    const out = runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))

    const told = out.flatMap((msg) => (msg.kind === 'sse-event' ? [JSON.parse(msg.data)] : []))
    expect(told).toEqual(events)
    expect(onlyOf(out, 'stream-merged').merged).toEqual(
      withoutSdkExtras(await sdkResult('anthropic-messages', asServerSent(events))),
    )
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      provider: 'aws',
      model: 'anthropic.claude-3-sonnet-20240229-v1:0',
      usage: { inputTokens: 16, outputTokens: 21 },
      cost: { confidence: 'exact' },
      complete: true,
    })
  })

  test('keeps what a guardrail says, and has no exact price then', () => {
    const recording = readRecorded('bedrock-titan-stream')
    const out = runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))

    expect(onlyOf(out, 'stream-merged').merged).toMatchObject({
      'amazon-bedrock-guardrailAction': 'INTERVENED',
      'amazon-bedrock-trace': {},
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      usage: { inputTokens: 28, outputTokens: 188 },
      cost: { confidence: 'estimated' },
    })
  })

  test.each(['bedrock-messages-stream', 'bedrock-titan-stream'])(
    'that an exception ends tells it, and keeps what came: %s',
    (name) => {
      const frames = innerEvents(bodyBytes(readRecorded(name).response.body)).slice(0, -2)
      const exception = awsFrame(
        { ':message-type': 'exception', ':exception-type': 'modelStreamErrorException' },
        '{"message":"it broke"}',
      )
      const spec = specOf(readRecorded(name))
      const body = Buffer.concat([...frames.map(awsChunk), exception])
      const response = { ...spec.response, body }
      const out = runAnalyzers(defaultAnalyzers(), exchangeMessages({ ...spec, response }))
      const alone = { ...spec, response: { ...spec.response, body: exception } }

      const answered = onlyOf(out, 'model-answered')
      expect(answered.error).toEqual({ type: 'modelStreamErrorException', message: 'it broke' })
      expect(answered.output).toHaveLength(Math.min(frames.length, 1))
      expect(
        onlyOf(runAnalyzers(defaultAnalyzers(), exchangeMessages(alone)), 'model-answered').error,
      ).toEqual(answered.error)
    },
  )

  test('of no known family is told event by event, and called none of this format', () => {
    const out = runAnalyzers(
      defaultAnalyzers(),
      exchangeMessages({
        request: { url: pathTo('x.y', 'invoke-with-response-stream'), body: '{"prompt":"a"}' },
        response: {
          headers: [['Content-Type', 'application/vnd.amazon.eventstream']],
          body: awsChunk({ strange: 1 }),
        },
      }),
    )

    expect(onlyOf(out, 'sse-event').data).toBe('{"strange":1}')
    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      complete: false,
      problem: 'no event of this format',
    })
  })
})
