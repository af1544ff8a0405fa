/**
 * Every recorded exchange through the observing analyzers: what is merged must equal what the
 * provider's own SDK accumulates from the same bytes, whatever the chunks.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { ModelCalls } from '../../analyzers/model-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import { isRecord, recordOf } from '../../analyzers/wire/json.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import { bytesForSdk } from '../support/merge-oracle.ts'
import { corpusPath, readCorpus, specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'
import { sdkResult, withoutSdkExtras } from '../support/sdk-oracles.ts'

const corpus = readCorpus()
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'

/** Formats with an SDK to compare with. */
const formats = ['openai-chat', 'openai-responses', 'anthropic-messages'] as const

function chain(): [HttpParser, SseMerger, ModelCalls] {
  return [new HttpParser(), new SseMerger(), new ModelCalls()]
}

/** The recorded streams of one format, with what is merged of them when they come in one piece. */
function streamsOf(format: string): typeof corpus {
  return corpus.filter((recording) => {
    const out = runAnalyzers([new SseMerger()], exchangeMessages(specOf(recording)))
    return ofKind(out, 'stream-merged')[0]?.format === format
  })
}

describe.skipIf(corpusPath === undefined)(`the corpus (${corpusPath ?? reason})`, () => {
  test.each(formats)('merges every %s stream as the official SDK does', async (format) => {
    const streams = streamsOf(format)
    expect(streams.length).toBeGreaterThan(20)
    for (const recording of streams) {
      const expected = withoutSdkExtras(await sdkResult(format, bytesForSdk(recording)))
      const anyChunks = fc.sample(fc.integer({ min: 1, max: 2_000 }), 30)
      for (const chunkSize of [1, anyChunks]) {
        const out = runAnalyzers(
          [new SseMerger()],
          exchangeMessages({ ...specOf(recording), chunkSize }),
        )
        const merged = onlyOf(out, 'stream-merged')

        expect(merged.complete, recording.id).toBe(true)
        expect(JSON.parse(JSON.stringify(merged.merged)), recording.id).toEqual(expected)
      }
    }
  })

  test('gives only valid messages, and decodes every body that has a known coding', () => {
    const broken: string[] = []
    for (const recording of corpus) {
      const out = runAnalyzers(
        chain(),
        exchangeMessages({ ...specOf(recording), chunkSize: 1_000 }),
      )
      for (const msg of out.filter(({ by }) => by !== undefined)) {
        expect(analysisMsgSchema.safeParse(JSON.parse(JSON.stringify(msg))).error).toBeUndefined()
      }
      broken.push(
        ...ofKind(out, 'http-parsed')
          .filter((msg) => msg.truncated)
          .map((msg) => `${recording.id}: ${msg.problem}`),
      )
    }

    expect(broken).toEqual([])
  })

  test('answers every model call that it recognises, with usage where the provider reports it', () => {
    let answered = 0
    for (const recording of corpus) {
      const out = runAnalyzers(chain(), exchangeMessages(specOf(recording)))
      const called = ofKind(out, 'model-called')
      const answers = ofKind(out, 'model-answered')
      expect(answers, recording.id).toHaveLength(called.length)
      for (const answer of answers) {
        answered += 1
        const parsed = ofKind(out, 'http-parsed').find(({ direction }) => direction === 'response')
        // Azure reports a filtered prompt with status 200.
        const isFailure =
          recording.response.status >= 400 || isRecord(recordOf(parsed?.json)['error'])
        const isForeign = answer.error?.message === 'no event of this format'
        expect(answer.complete, recording.id).toBe(!isFailure && !isForeign)
        const { usage, cost } = answer
        if (usage === undefined) continue
        const sum =
          usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens + usage.outputTokens
        expect(sum, recording.id).toBeLessThanOrEqual(usage.totalTokens)
        expect(cost?.usd === undefined, recording.id).toBe(cost?.confidence === 'unknown')
      }
    }

    expect(answered).toBeGreaterThan(700)
  })
})
