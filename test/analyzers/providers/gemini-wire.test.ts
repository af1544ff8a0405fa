/** How requests and plain answers of Google's methods read, and whom they are sent to. */
import { extractUsage, findProvider } from '@pydantic/genai-prices'
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../../analyzers/http-parser.ts'
import { ModelCalls } from '../../../analyzers/model-calls.ts'
import { readGeminiUsage } from '../../../analyzers/providers/gemini-usage.ts'
import { geminiWire } from '../../../analyzers/providers/gemini-wire.ts'
import { modelInPath, recognizeCall, targetOf } from '../../../analyzers/providers/recognize.ts'
import { SseMerger } from '../../../analyzers/sse-merger.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const pixel = Buffer.alloc(300, 7).toString('base64')
const gemini = 'https://generativelanguage.googleapis.com/v1beta/models/'
const vertex =
  'https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/'

function exchange(url: string, request: object, answer: object): AnalysisMsg[] {
  const spec = {
    request: { url, body: JSON.stringify(request) },
    response: { body: JSON.stringify(answer) },
  }
  return runAnalyzers([new HttpParser(), new SseMerger(), new ModelCalls()], exchangeMessages(spec))
}

describe('a request', () => {
  test('reads as parts of every kind, under either spelling of its fields', () => {
    const target = targetOf('h', `${gemini}gemini-2.5-pro:streamGenerateContent?alt=sse`)
    const reading = geminiWire.readCall(
      {
        system_instruction: { parts: { text: 'be brief' } },
        contents: [
          { parts: [{ text: 'look' }, { inline_data: { mime_type: 'image/png', data: pixel } }] },
          {
            role: 'model',
            parts: [
              { text: 'hm', thought: true },
              { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' },
              { functionCall: { id: 'c2', name: 'g' } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'f', response: { output: 'done' } } },
              {
                functionResponse: {
                  id: 'c2',
                  name: 'g',
                  response: {},
                  parts: [{ inlineData: { mimeType: 'image/jpeg', data: pixel } }],
                },
              },
              { fileData: { mimeType: 'video/mp4', fileUri: 'https://example.com/v' } },
              { executableCode: { language: 'PYTHON', code: 'print(1)' } },
              { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1\n' } },
              { hologram: { depth: 3 } },
              { thoughtSignature: 'alone' },
            ],
          },
        ],
        tools: [
          { function_declarations: [{ name: 'f', description: 'does it' }] },
          { googleSearch: {} },
        ],
      },
      target,
    )

    expect(reading).toEqual({
      model: 'gemini-2.5-pro',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'look' },
            { type: 'media', mediaType: 'image/png', bytes: 300 },
          ],
        },
        {
          role: 'model',
          parts: [
            { type: 'reasoning', text: 'hm' },
            { type: 'tool-call', name: 'f', arguments: '{"a":1}' },
            { type: 'tool-call', id: 'c2', name: 'g', arguments: '{}' },
          ],
        },
        {
          role: 'user',
          parts: [
            { type: 'tool-result', id: 'f', text: '{"output":"done"}' },
            { type: 'tool-result', id: 'c2', text: '{}' },
            { type: 'media', mediaType: 'image/jpeg', bytes: 300 },
            { type: 'media', mediaType: 'video/mp4' },
            { type: 'other', name: 'executableCode', text: 'print(1)' },
            { type: 'other', name: 'codeExecutionResult', text: '1\n' },
            { type: 'other', name: 'hologram', text: '{"depth":3}' },
          ],
        },
      ],
      tools: [{ name: 'f', description: 'does it' }, { name: 'googleSearch' }],
    })
  })

  test('of a recording is read, answered and priced', () => {
    const spec = specOf(readRecorded('gemini-gzip'))
    const out = runAnalyzers(
      [new HttpParser(), new SseMerger(), new ModelCalls()],
      exchangeMessages(spec),
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'google',
      operation: 'generate-content',
      model: 'gemini-2.5-flash',
      streaming: false,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: true,
      finishReason: 'STOP',
      usage: { inputTokens: 5, outputTokens: 1_807, reasoningTokens: 1_096, totalTokens: 1_812 },
      cost: { confidence: 'exact' },
    })
  })
})

describe('other methods', () => {
  test('count tokens', () => {
    const request = { generateContentRequest: { contents: [{ parts: [{ text: 'a' }] }] } }
    const out = exchange(`${gemini}gemini-2.5-flash:countTokens`, request, { totalTokens: 7 })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'count-tokens',
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'a' }] }],
    })
    expect(onlyOf(out, 'model-answered').output).toMatchObject([{ text: '7 tokens' }])
    expect(onlyOf(out, 'model-answered').usage).toBeUndefined()
  })

  test('count tokens for Code Assist, which names the model within its wrapping', () => {
    const contents = [{ role: 'user', parts: [{ text: 'a' }] }]
    const out = exchange(
      'https://cloudcode-pa.googleapis.com/v1internal:countTokens',
      { request: { model: 'models/gemini-2.5-pro', contents } },
      { totalTokens: 1 },
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'gemini-2.5-pro',
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'a' }] }],
    })
  })

  test('embed one content, or many', () => {
    const content = { parts: [{ text: 'a' }] }
    const one = exchange(
      `${gemini}gemini-embedding-001:embedContent`,
      { content },
      {
        embedding: { values: [1, 2, 3] },
      },
    )
    const many = exchange(
      `${gemini}gemini-embedding-001:batchEmbedContents`,
      { requests: [{ model: 'models/gemini-embedding-001', content }, { content }] },
      { embeddings: [{ values: [1, 2] }, { values: [3, 4] }] },
    )

    expect(onlyOf(one, 'model-called')).toMatchObject({
      operation: 'embeddings',
      model: 'gemini-embedding-001',
    })
    expect(onlyOf(one, 'model-answered').output).toMatchObject([{ text: '1 × 3 dimensions' }])
    expect(onlyOf(many, 'model-called').messages[0]?.parts).toHaveLength(2)
    expect(onlyOf(many, 'model-answered').output).toMatchObject([{ text: '2 × 2 dimensions' }])
  })

  test('predict embeddings with their counts, and images', () => {
    const embeddings = (count: number): object => ({
      embeddings: { values: [1, 2], statistics: { token_count: count, truncated: false } },
    })
    const vectors = exchange(
      `${vertex}google/models/text-embedding-004:predict`,
      { instances: [{ content: 'a' }, { content: 'b' }] },
      { predictions: [embeddings(3), embeddings(4)] },
    )
    const images = exchange(
      `${vertex}google/models/imagen-4:predict`,
      { instances: [{ prompt: 'a cat' }] },
      { predictions: [{ mimeType: 'image/png', bytesBase64Encoded: pixel }] },
    )

    expect(onlyOf(vectors, 'model-answered')).toMatchObject({
      operation: 'predict',
      output: [{ text: '2 × 2 dimensions' }],
      usage: { inputTokens: 7, totalTokens: 7 },
    })
    expect(onlyOf(images, 'model-called').messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'a cat' }] },
    ])
    expect(onlyOf(images, 'model-answered').output).toEqual([
      { type: 'media', mediaType: 'image/png', bytes: 300 },
    ])
  })

  test('of other publishers speak the format of the publisher', () => {
    const messages = [{ role: 'user', content: 'hi' }]
    const claude = exchange(
      `${vertex}anthropic/models/claude-sonnet-4-5@20250929:rawPredict`,
      { anthropic_version: 'vertex-2023-10-16', messages, max_tokens: 9 },
      {
        content: [{ type: 'text', text: 'hello' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 3, output_tokens: 1 },
      },
    )

    expect(onlyOf(claude, 'model-answered')).toMatchObject({
      provider: 'google',
      operation: 'messages',
      model: 'claude-sonnet-4-5@20250929',
      output: [{ type: 'text', text: 'hello' }],
      // A region costs more than `global`, and the tables do not say how much.
      cost: { confidence: 'estimated' },
    })
  })
})

test.each([
  [`${gemini}gemini-2.5-flash:generateContent?key=k`, 'generate-content', 'gemini-2.5-flash'],
  [`${gemini}gemini-2.5-flash%3AstreamGenerateContent`, 'generate-content', 'gemini-2.5-flash'],
  ['https://h/v1beta/tunedModels/mine-7:generateContent', 'generate-content', 'mine-7'],
  [`${vertex}google/models/gemini-3:streamGenerateContent`, 'generate-content', 'gemini-3'],
  [
    'https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent',
    'generate-content',
    undefined,
  ],
  ['https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist', undefined, undefined],
  ['https://generativelanguage.googleapis.com/v1beta/openai/chat/completions', 'chat', undefined],
  [`${vertex}anthropic/models/claude:streamRawPredict`, 'messages', 'claude'],
  [`${vertex}mistralai/models/mistral-large:rawPredict`, 'chat', 'mistral-large'],
])('%s is %s of %s', (url, operation, model) => {
  const target = targetOf(new URL(url).host, url)

  expect(recognizeCall('POST', target)?.operation).toBe(operation)
  expect(modelInPath(target)).toBe(model)
})

describe('usage', () => {
  const read = (
    usageMetadata: JsonRecord,
    more: JsonRecord = {},
  ): ReturnType<typeof readGeminiUsage> => readGeminiUsage({ usageMetadata, ...more })

  test('puts the cache, tools and thoughts where they belong', () => {
    const usageMetadata = {
      promptTokenCount: 1_000,
      cachedContentTokenCount: 600,
      toolUsePromptTokenCount: 50,
      candidatesTokenCount: 200,
      thoughtsTokenCount: 300,
      totalTokenCount: 1_550,
    }

    expect(read(usageMetadata)?.usage).toEqual({
      inputTokens: 450,
      cacheReadTokens: 600,
      cacheWriteTokens: 0,
      outputTokens: 500,
      reasoningTokens: 300,
      totalTokens: 1_550,
      source: 'reported',
    })
  })

  test.each([
    { promptTokenCount: 12, candidatesTokenCount: 32, thoughtsTokenCount: 44, totalTokenCount: 88 },
    {
      promptTokenCount: 210,
      candidatesTokenCount: 44,
      totalTokenCount: 254,
      cachedContentTokenCount: 128,
    },
    { promptTokenCount: 6, totalTokenCount: 6 },
  ])('agrees with the price tables’ own reader on %j', (usageMetadata) => {
    const google = findProvider({ providerId: 'google' })
    if (google === undefined) throw new Error('no prices of Google')
    const theirs = extractUsage(google, { usageMetadata, modelVersion: 'gemini-2.5-flash' }).usage
    const ours = read(usageMetadata)?.usage

    expect((ours?.inputTokens ?? 0) + (ours?.cacheReadTokens ?? 0)).toBe(
      theirs['input_tokens'] ?? 0,
    )
    expect(ours?.outputTokens).toBe(theirs['output_tokens'] ?? 0)
    expect(ours?.cacheReadTokens).toBe(theirs['cache_read_tokens'] ?? 0)
  })

  test('believes a total that counts thoughts among the candidates', () => {
    const counts = {
      promptTokenCount: 10,
      candidatesTokenCount: 90,
      thoughtsTokenCount: 40,
      totalTokenCount: 100,
    }

    expect(read(counts)?.usage).toMatchObject({
      outputTokens: 90,
      reasoningTokens: 40,
      totalTokens: 100,
    })
  })

  test('tells audio apart, without the part of it that was cached', () => {
    const audio = (tokenCount: number): JsonRecord[] => [
      { modality: 'TEXT', tokenCount: 1 },
      { modality: 'AUDIO', tokenCount },
    ]
    const billing = read({
      promptTokenCount: 100,
      promptTokensDetails: audio(80),
      cachedContentTokenCount: 50,
      cacheTokensDetails: audio(45),
      candidatesTokenCount: 30,
      candidatesTokensDetails: audio(25),
      totalTokenCount: 130,
    })?.billing

    // Sound in the cache has a rate of its own.
    expect(billing).toMatchObject({ inputAudioTokens: 35, outputAudioTokens: 25, isSpecial: true })
  })

  test('says that searches, images and other traffic are billed in other ways', () => {
    const counts = { promptTokenCount: 1, totalTokenCount: 1 }
    const image = { candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 9 }] }
    const seen = { modality: 'VIDEO', tokenCount: 1 }
    const special = [
      read({ ...counts, ...image }),
      read({ ...counts, trafficType: 'PROVISIONED_THROUGHPUT' }),
      read(counts, { candidates: [{ groundingMetadata: { webSearchQueries: ['a'] } }] }),
      read({ ...counts, serviceTier: 'flex' }),
      read({ ...counts, serviceTier: 'SERVICE_TIER_PRIORITY' }),
      read({ ...counts, responseTokenCount: 0, promptTokensDetails: [seen] }),
    ]
    const plain = [
      read({ ...counts, trafficType: 'ON_DEMAND' }),
      read({ ...counts, serviceTier: 'standard' }),
      read({ ...counts, serviceTier: 'unspecified' }),
      read({ ...counts, promptTokensDetails: [seen] }),
    ]

    expect(special.map((usage) => usage?.billing.isSpecial)).toEqual(special.map(() => true))
    expect(special[3]?.billing.tier).toBe('flex')
    expect(plain.map((usage) => usage?.billing.isSpecial)).toEqual(plain.map(() => false))
  })

  test('is nothing where the counts contradict their total, or are not there', () => {
    expect(
      read({ promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 9 }),
    ).toBeUndefined()
    expect(read({ totalTokenCount: 9 })).toBeUndefined()
    expect(readGeminiUsage({})).toBeUndefined()
  })
})
