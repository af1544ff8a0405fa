/**
 * Streams of the model families that only Bedrock serves: Titan, Llama and Mistral's text models.
 * Each merges to what the family answers to a plain Invoke.
 */
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { recordsOf, textOf } from '../wire/json.ts'
import { createSnapshotMerger, takeFields } from './snapshot-merger.ts'
import type { StreamMerger } from './stream-format.ts'
import { appendText, indexOf, isFilled, listAt, slotAt } from './stream-format.ts'

/** Titan: `outputText` grows; the counts come with the first and the last event. */
export function createTitanMerger(): StreamMerger {
  return createSnapshotMerger({
    take(answer, event) {
      const index = indexOf(event['index']) ?? 0
      const result = slotAt(listAt(answer, 'results'), index, () => ({ tokenCount: null }))
      appendText(result, 'outputText', event['outputText'])
      takeFields(result, {
        ...(event['totalOutputTextTokenCount'] === undefined
          ? {}
          : { tokenCount: event['totalOutputTextTokenCount'] }),
        ...(event['completionReason'] === undefined
          ? {}
          : { completionReason: event['completionReason'] }),
      })
      if (event['inputTextTokenCount'] !== undefined) {
        takeFields(answer, { inputTextTokenCount: event['inputTextTokenCount'] })
      }
    },
    textOf: (answer) => joined(answer, 'results', 'outputText'),
    // A guardrail that blocks the call gives the total, but no reason.
    isDone: (answer) =>
      allFilled(answer, 'results', 'completionReason') ||
      recordsOf(answer['results']).some(({ tokenCount }) => typeof tokenCount === 'number'),
  })
}

/** Llama: `generation` grows; the prompt's count comes first, the other is the total so far. */
export function createLlamaMerger(): StreamMerger {
  return createSnapshotMerger({
    take(answer, event) {
      appendText(answer, 'generation', event['generation'])
      takeFields(answer, event, new Set(['generation', 'amazon-bedrock-invocationMetrics']))
    },
    textOf: (answer) => textOf(answer['generation']) ?? '',
    isDone: (answer) => isFilled(answer['stop_reason']),
  })
}

/** Mistral's text models: the `text` of each of `outputs` grows. */
export function createOutputsMerger(): StreamMerger {
  return createSnapshotMerger({
    take(answer, event) {
      for (const [index, output] of recordsOf(event['outputs']).entries()) {
        if (indexOf(index) === undefined) return
        const made: JsonDraft = slotAt(listAt(answer, 'outputs'), index)
        appendText(made, 'text', output['text'])
        takeFields(made, output, new Set(['text']))
      }
    },
    textOf: (answer) => joined(answer, 'outputs', 'text'),
    isDone: (answer) => allFilled(answer, 'outputs', 'stop_reason'),
  })
}

function joined(answer: JsonRecord, list: string, key: string): string {
  return recordsOf(answer[list])
    .map((item) => textOf(item[key]) ?? '')
    .join('')
}

function allFilled(answer: JsonRecord, list: string, key: string): boolean {
  const items = recordsOf(answer[list])
  return items.length > 0 && items.every((item) => isFilled(item[key]))
}
