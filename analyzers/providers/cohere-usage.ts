/**
 * Cohere reports two counts: `billed_units`, which it bills, and `tokens`, which the model saw with
 * all that Cohere adds to a prompt. The billed ones are the usage here, for they are what a call
 * costs; where there are none, the others are. Searches are billed by units that are no tokens.
 */
import type { JsonRecord } from '../wire/json.ts'
import { countOf, recordOf } from '../wire/json.ts'
import type { ReportedUsage } from './usage.ts'
import { fromDisjoint } from './usage.ts'

/** `usage` of the second API, `meta` of the first; undefined where only searches were counted. */
export function readCohereUsage(answer: JsonRecord): ReportedUsage | undefined {
  const counts = recordOf(answer['usage'] ?? answer['meta'])
  const billed = recordOf(counts['billed_units'])
  const seen = recordOf(counts['tokens'])
  const from = countOf(billed['input_tokens']) === undefined ? seen : billed
  return fromDisjoint({
    input: countOf(from['input_tokens']),
    // Embeddings have no output.
    output: countOf(from['output_tokens']) ?? 0,
    isSpecial: from === seen || hasFees(billed),
  })
}

/** Searches, images and classifications are billed beside the tokens. */
function hasFees(billed: JsonRecord): boolean {
  return ['search_units', 'classifications', 'images', 'image_tokens'].some(
    (key) => (countOf(billed[key]) ?? 0) > 0,
  )
}
