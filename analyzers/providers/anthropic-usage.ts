/**
 * `usage` of Anthropic Messages in disjoint buckets: `input_tokens` leave the cache out. Compaction
 * and advice are counted per iteration and not in the counts of the message, so that they are priced
 * beside it; advice is another model's.
 */
import type { JsonRecord } from '../wire/json.ts'
import { recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { BesideUsage, ReportedUsage } from './usage.ts'
import { fromDisjoint, givenCount, isPlainTier, tierOf } from './usage.ts'

export function readAnthropicUsage(message: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(message['usage'])
  const read = countsIn(usage, isSpecial(message, usage))
  if (read === undefined) return undefined
  const thinking = givenCount(recordOf(usage['output_tokens_details'])['thinking_tokens']) ?? 0
  const searches = givenCount(recordOf(usage['server_tool_use'])['web_search_requests']) ?? 0
  const beside = besideIn(usage)
  if (Number.isNaN(thinking) || Number.isNaN(searches) || beside === undefined) return undefined
  const totalTokens = [read, ...beside.map((one) => one.usage)].reduce(
    (sum, one) => sum + one.usage.totalTokens,
    0,
  )
  if (!Number.isSafeInteger(totalTokens)) return undefined
  return {
    usage: {
      ...read.usage,
      reasoningTokens: Math.min(thinking, read.usage.outputTokens),
      totalTokens,
      // Until the closing event the output count is a placeholder.
      source: typeof message['stop_reason'] === 'string' ? 'reported' : 'estimated',
    },
    billing: {
      ...read.billing,
      webSearches: searches,
      ...tierOf(usage['service_tier']),
      ...(beside.length === 0 ? {} : { beside }),
    },
  }
}

function countsIn(usage: JsonRecord, isBilledApart: boolean): ReportedUsage | undefined {
  return fromDisjoint({
    input: givenCount(usage['input_tokens']),
    output: givenCount(usage['output_tokens']),
    cacheRead: givenCount(usage['cache_read_input_tokens']),
    cacheWrite: givenCount(usage['cache_creation_input_tokens']),
    cacheWriteLong: givenCount(recordOf(usage['cache_creation'])['ephemeral_1h_input_tokens']),
    isSpecial: isBilledApart,
  })
}

/** Tiers, fast answers, a chosen country, code that is run and handed-over answers cost otherwise. */
function isSpecial(message: JsonRecord, usage: JsonRecord): boolean {
  const speed = usage['speed'] ?? message['speed'] ?? 'standard'
  const place = textOf(usage['inference_geo']) ?? 'global'
  return (
    !isPlainTier(usage['service_tier']) ||
    speed !== 'standard' ||
    !anywhere.has(place) ||
    // Null where there is none.
    (usage['fallback_credit'] ?? null) !== null ||
    recordsOf(usage['iterations']).some(({ type }) => type === 'fallback_message') ||
    recordsOf(message['content']).some(
      ({ type, name }) =>
        type === 'server_tool_use' && textOf(name)?.endsWith('code_execution') === true,
    )
  )
}

/** Places that cost nothing extra: none was chosen, or none can be. */
const anywhere = new Set(['', 'global', 'not_available'])

/** Undefined if what was billed beside the message cannot be read. */
function besideIn(usage: JsonRecord): BesideUsage[] | undefined {
  const found: BesideUsage[] = []
  for (const iteration of recordsOf(usage['iterations'])) {
    const name = iteration['type'] === 'advisor_message' ? 'advisor' : textOf(iteration['type'])
    if (name !== 'advisor' && name !== 'compaction') continue
    const counts = countsIn(iteration, false)
    if (counts === undefined || found.length === maxBeside) return undefined
    const model = textOf(iteration['model'])
    found.push({ name, usage: counts, ...(model === undefined ? {} : { model }) })
  }
  return found
}

const maxBeside = 64
