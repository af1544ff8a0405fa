/**
 * Every recorded exchange with Bedrock, Ollama, Cohere and Anthropic's legacy completions: all are
 * recognised, every stream is merged to what plain accumulation makes of it (the official SDK where
 * there is one), and usage is what was reported.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import type { JsonRecord } from '../../analyzers/wire/json.ts'
import { countOf, recordOf } from '../../analyzers/wire/json.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import { asServerSent, innerEvents } from '../support/aws-frames.ts'
import { plainBody } from '../support/merge-oracle.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import { corpusPath, readCorpus, specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'
import { sdkResult, withoutSdkExtras } from '../support/sdk-oracles.ts'
import { accumulate } from '../support/stream-accumulation.ts'

const hosts = /bedrock-runtime|cohere\.com|:11434\/|anthropic\.com\/v1\/complete$/u
const corpus = readCorpus().filter(({ request }) => hosts.test(request.url))
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'
const streamTypes = /eventstream|ndjson|event-stream|stream\+json/u

function typeOf({ response }: RecordedExchange): string {
  return headerValues(response.headers, 'content-type')[0] ?? ''
}

const streams = corpus.filter((recording) => streamTypes.test(typeOf(recording)))
const isAnthropicStream = ({ request }: RecordedExchange): boolean =>
  /anthropic.*\/invoke-with-response-stream$/u.test(request.url)

/** What was reported, by any of the names that the services have for it. */
function reportedCounts(recording: RecordedExchange, answer: JsonRecord): number[] | undefined {
  const counts = recordOf(answer['usage'] ?? answer['meta'])
  const usage = recordOf(counts['billed_units'] ?? counts)
  const first = recordOf((answer['results'] as JsonRecord[] | undefined)?.[0])
  const metrics = recordOf(answer['amazon-bedrock-invocationMetrics'])
  const fromHeader = (name: string): number | undefined => {
    const [text] = headerValues(recording.response.headers, `x-amzn-bedrock-${name}-token-count`)
    return text === undefined ? undefined : Number(text)
  }
  const pairs: ReadonlyArray<readonly [unknown, unknown]> = [
    [usage['input_tokens'], usage['output_tokens']],
    [usage['inputTokens'], usage['outputTokens']],
    [usage['prompt_tokens'], usage['completion_tokens']],
    [answer['prompt_token_count'], answer['generation_token_count']],
    [answer['inputTextTokenCount'], first['tokenCount']],
    [metrics['inputTokenCount'], metrics['outputTokenCount']],
    [fromHeader('input'), fromHeader('output')],
    [answer['prompt_eval_count'], answer['eval_count']],
    [usage['input_tokens'], 0],
    // Ollama leaves a zero out.
    [0, answer['eval_count']],
  ]
  return pairs
    .map((pair) => pair.map((count) => countOf(count as number)))
    .find((pair): pair is number[] => pair.every((count) => count !== undefined))
}

describe.skipIf(corpusPath === undefined)(`the corpus (${corpusPath ?? reason})`, () => {
  test('is recognised and answered, every exchange of it, with the usage that was reported', () => {
    const kinds = new Set<string>()
    for (const recording of corpus) {
      const { id, request, response } = recording
      const out = runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))
      const called = onlyOf(out, 'model-called')
      const answered = onlyOf(out, 'model-answered')
      const [merged] = ofKind(out, 'stream-merged')
      const isStream = streamTypes.test(typeOf(recording))
      const answer = recordOf(
        isStream ? merged?.merged : (JSON.parse(plainBody(recording).toString()) as JsonRecord),
      )
      kinds.add(`${called.provider} ${called.operation}${isStream ? ' stream' : ''}`)

      expect(called.streaming, id).toBe(isStream)
      expect(called.model, id).toBeDefined()
      expect(called.messages.length, id).toBeGreaterThan(0)
      expect(answered.complete, id).toBe(response.status === 200)
      if (response.status !== 200) continue
      expect(answered.output.length, id).toBeGreaterThan(0)
      expect(
        answered.output.some((part) => part.type === 'other' && part.name === 'unknown'),
        id,
      ).toBe(false)
      const { usage } = answered
      const isReported = usage?.source === 'reported'
      const counts = isReported ? [usage.inputTokens, usage.outputTokens] : undefined
      expect(counts, id).toEqual(reportedCounts(recording, answer))
      if (request.url.includes('11434')) expect(answered.cost?.usd, id).toBeUndefined()
      for (const msg of out.filter(({ by }) => by !== undefined)) {
        expect(analysisMsgSchema.safeParse(JSON.parse(JSON.stringify(msg))).error).toBeUndefined()
      }
    }

    expect(corpus).toHaveLength(184)
    expect([...kinds].toSorted()).toEqual([
      'anthropic complete',
      'aws converse',
      'aws converse stream',
      'aws invoke',
      'aws invoke stream',
      'cohere chat',
      'cohere chat stream',
      'cohere embeddings',
      'cohere generate',
      'cohere rerank',
      'ollama chat',
      'ollama chat stream',
      'ollama embeddings',
      'ollama generate',
      'ollama generate stream',
    ])
  })

  test('merges every stream as plain accumulation does, in any chunks', () => {
    const others = streams.filter((recording) => !isAnthropicStream(recording))
    expect(others.length).toBeGreaterThan(40)
    for (const recording of others) {
      const { id, request } = recording
      const expected = accumulate(new URL(request.url).pathname, plainBody(recording))
      const anyChunks = fc.sample(fc.integer({ min: 1, max: 3_000 }), 30)
      for (const chunkSize of [1, anyChunks]) {
        const spec = { ...specOf(recording), chunkSize }
        const merged = onlyOf(
          runAnalyzers([new SseMerger()], exchangeMessages(spec)),
          'stream-merged',
        )

        expect(merged.complete, id).toBe(true)
        expect(merged.merged, id).toEqual(expected)
      }
    }
  })

  test('merges the streams of Claude on Bedrock as the SDK does the same events', async () => {
    const ours = streams.filter(isAnthropicStream)
    expect(ours.length).toBeGreaterThan(2)
    for (const recording of ours) {
      const sse = asServerSent(innerEvents(plainBody(recording)))
      const expected = withoutSdkExtras(await sdkResult('anthropic-messages', sse))
      for (const chunkSize of [1, 700]) {
        const spec = { ...specOf(recording), chunkSize }
        const merged = onlyOf(
          runAnalyzers([new SseMerger()], exchangeMessages(spec)),
          'stream-merged',
        )

        expect(merged.complete, recording.id).toBe(true)
        expect(merged.merged, recording.id).toEqual(expected)
      }
    }
  })
})
