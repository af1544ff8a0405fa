/**
 * What Azure's content filter found, in the prompt and in each choice. Every answer has results;
 * shown are those that say more than `safe`.
 */
import type { Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { recordOf, recordsOf, textOf } from '../wire/json.ts'

/** One part about the prompt and one for each choice, where the filter found something. */
export function contentFilterParts(body: JsonRecord): Part[] {
  const error = recordOf(body['error'])
  const refused = recordOf(recordOf(error['innererror'])['content_filter_result'])
  const prompts = recordsOf(body['prompt_filter_results'] ?? body['prompt_annotations'])
  const choices = recordsOf(body['choices'])
  return [
    ...[refused, ...prompts.map(resultsIn)].map((results) => foundIn('prompt', results)),
    ...choices.map(resultsIn).map((results) => foundIn('answer', results)),
  ].flatMap((text) => (text === '' ? [] : [{ type: 'other', name: 'content-filter', text }]))
}

function resultsIn(holder: JsonRecord): JsonRecord {
  return recordOf(holder['content_filter_results'])
}

/** Such as `prompt: violence medium, filtered; jailbreak detected`. */
function foundIn(where: string, results: JsonRecord): string {
  const found = Object.entries(results).flatMap(([category, value]) => {
    const words = wordsOf(recordOf(value))
    return words.length === 0 ? [] : [`${category} ${words.join(', ')}`]
  })
  return found.length === 0 ? '' : `${where}: ${found.join('; ')}`
}

function wordsOf(result: JsonRecord): string[] {
  const severity = textOf(result['severity'])
  return [
    ...(severity === undefined || severity === 'safe' ? [] : [severity]),
    ...(result['detected'] === true ? ['detected'] : []),
    ...(result['filtered'] === true ? ['filtered'] : []),
  ]
}
