/**
 * Every recorded exchange with OpenAI and Azure: each is recognised for what it is, each stream is
 * merged, and the usage told is the usage that the answer reports.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { isRecord, recordOf } from '../../analyzers/wire/json.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import type { AnalysisMsg, Json, Usage } from '../../src/messages/schema.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import { bodyBytes, corpusPath, readCorpus, specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'
import { assistantsResult } from '../support/sdk-oracles.ts'

const corpus = readCorpus().filter(({ request }) =>
  /(?:^|\.)(?:openai\.com|openai\.azure\.com)$/u.test(new URL(request.url).hostname),
)
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'

function analyzed(recording: RecordedExchange): AnalysisMsg[] {
  return runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))
}

function isStream({ response }: RecordedExchange): boolean {
  return response.headers.some(
    ([name, value]) => name.toLowerCase() === 'content-type' && value.includes('event-stream'),
  )
}

/** The totals of a reported usage, whatever its fields are called; undefined if there is none. */
function reportedTotals(answer: Json | undefined): [number, number] | undefined {
  const usage = recordOf(recordOf(answer)['usage'])
  const input = usage['prompt_tokens'] ?? usage['input_tokens']
  const output = usage['completion_tokens'] ?? usage['output_tokens'] ?? 0
  return typeof input === 'number' && typeof output === 'number' ? [input, output] : undefined
}

function inputOf(usage: Usage | undefined): number {
  if (usage === undefined) return 0
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
}

describe.skipIf(corpusPath === undefined)(
  `the corpus of OpenAI and Azure (${corpusPath ?? reason})`,
  () => {
    test('holds no exchange that is not recognised, as a call or as an operation', () => {
      expect(corpus.length).toBeGreaterThan(900)
      const names = new Map<string, number>()
      for (const recording of corpus) {
        const out = analyzed(recording)
        const told = [...ofKind(out, 'model-answered'), ...ofKind(out, 'operation-performed')]
        expect(told, `${recording.request.method} ${recording.request.url}`).toHaveLength(1)
        const name = told[0]?.operation ?? ''
        names.set(name, (names.get(name) ?? 0) + 1)
      }

      expect(Object.fromEntries(names)).toMatchObject({
        runs: 21,
        'threads.runs.retrieve': 160,
        'threads.messages.list': 15,
        'threads.messages.create': 18,
        'threads.create': 18,
        'assistants.create': 12,
        'assistants.retrieve': 15,
        'traces.ingest': 16,
        images: 5,
      })
    })

    test('merges every stream, and tells the usage that each answer reports', () => {
      let streams = 0
      let usages = 0
      for (const recording of corpus) {
        const out = analyzed(recording)
        const merged = ofKind(out, 'stream-merged')
        if (isStream(recording)) {
          streams += 1
          expect(merged, recording.id).toHaveLength(1)
          expect(merged[0]?.complete, recording.id).toBe(true)
        }
        const [answered] = ofKind(out, 'model-answered')
        if (answered === undefined) continue
        const body = ofKind(out, 'http-parsed').find(({ direction }) => direction === 'response')
        const totals = reportedTotals(merged[0]?.merged ?? body?.json)
        if (totals === undefined) {
          expect(answered.usage?.source, recording.id).not.toBe('reported')
          expect(answered.cost?.confidence, recording.id).not.toBe('exact')
          continue
        }
        usages += 1
        const { usage } = answered
        expect([inputOf(usage), usage?.outputTokens], recording.id).toEqual(totals)
      }

      expect(streams).toBeGreaterThan(160)
      expect(usages).toBeGreaterThan(450)
    })

    test('merges the streams of runs as the official SDK does, whatever the chunks', async () => {
      const streams = corpus.filter(
        (recording) => isStream(recording) && recording.request.url.endsWith('/runs'),
      )
      expect(streams).toHaveLength(6)
      for (const recording of streams) {
        const expected = await assistantsResult(bodyBytes(recording.response.body))
        for (const chunkSize of [1, 997]) {
          const spec = { ...specOf(recording), chunkSize }
          const { merged } = onlyOf(
            runAnalyzers(defaultAnalyzers(), exchangeMessages(spec)),
            'stream-merged',
          )
          const { messages, run_steps: steps, ...run } = recordOf(merged)
          expect({ run, messages, steps }, recording.id).toEqual(expected)
        }
      }
    })

    test('gives only valid messages of damaged answers, and never throws', () => {
      const others = corpus.filter(({ request }) => !/completions|embeddings/u.test(request.url))
      fc.assert(
        fc.property(
          fc.constantFrom(...others),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 12 }),
          (recording, changes) => {
            const spec = specOf(recording)
            const body = Buffer.from(spec.response?.body ?? '')
            for (const [at, value] of changes) if (body.length > 0) body[at % body.length] = value
            const out = runAnalyzers(
              defaultAnalyzers(),
              exchangeMessages({ ...spec, response: { ...spec.response, body } }),
            )
            for (const msg of out.filter(({ by }) => by !== undefined)) {
              const copy: unknown = JSON.parse(JSON.stringify(msg))
              expect(analysisMsgSchema.safeParse(copy).error).toBeUndefined()
              expect(isRecord(copy)).toBe(true)
            }
          },
        ),
        { numRuns: 400 },
      )
    })
  },
)
