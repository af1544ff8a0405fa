/**
 * Reported token counts in disjoint buckets. The providers count differently: for OpenAI cached
 * tokens are part of the prompt, for Anthropic they are not. Counts that contradict their own total
 * give nothing, since a wrong number is worse than none.
 */
import type { Usage } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { reportedUsdIn } from './reported-cost.ts'

export interface ReportedUsage {
  readonly usage: Usage
  /** What of it is priced apart. */
  readonly billing: {
    /** Part of `cacheWriteTokens`: kept for an hour, which costs more. */
    readonly cacheWriteLongTokens: number
    /** Part of `inputTokens`. */
    readonly inputAudioTokens: number
    /** Part of `outputTokens`. */
    readonly outputAudioTokens: number
    readonly webSearches: number
    /** Set if the call was billed at other rates than the plain ones, or fees are not known. */
    readonly isSpecial: boolean
    /** What the provider itself says that the call cost. */
    readonly reportedUsd?: number
    /** Service tier that it was billed by, as the provider names it; absent for the plain one. */
    readonly tier?: string
  }
}

/** `usage` of Chat Completions, Completions and Embeddings; `answer` is the object that holds it. */
export function readOpenaiUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = usageIn(answer)
  const total = countOf(usage['total_tokens'])
  // Writer has names of its own for the details.
  const input = recordOf(usage['prompt_tokens_details'] ?? usage['prompt_token_details'])
  const output = recordOf(usage['completion_tokens_details'] ?? usage['completion_token_details'])
  return fromInclusive({
    // Embeddings have no output, and some services then report the total alone.
    input: countOf(usage['prompt_tokens']) ?? (Array.isArray(answer['data']) ? total : undefined),
    output: countOf(usage['completion_tokens']),
    total,
    cacheRead: countOf(input['cached_tokens']) ?? countOf(usage['prompt_cache_hit_tokens']),
    cacheWrite: countOf(input['cache_write_tokens']),
    reasoning: countOf(output['reasoning_tokens']),
    inputAudio: countOf(input['audio_tokens']),
    outputAudio: countOf(output['audio_tokens']),
    isSpecial: !isPlainTier(answer['service_tier']),
    reportedUsd: reportedUsdIn(answer, usage),
    tier: answer['service_tier'],
  })
}

/** Groq and Moonshot have places of their own for it in streams. */
function usageIn(answer: JsonRecord): JsonRecord {
  const inGroq = recordOf(answer['x_groq'])['usage']
  const inChoice = recordsOf(answer['choices']).map((choice) => choice['usage'])
  return [answer['usage'], inGroq, ...inChoice].find(isRecord) ?? {}
}

/** `usage` of the Responses API. */
export function readResponsesUsage(response: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(response['usage'])
  const input = recordOf(usage['input_tokens_details'])
  const output = recordOf(usage['output_tokens_details'])
  const items = Array.isArray(response['output']) ? response['output'].map(recordOf) : []
  // Built-in tools are billed per call, at rates that depend on the tool and the model.
  const hasFees = items.some((item) => paidTools.has(textOf(item['type']) ?? ''))
  return fromInclusive({
    input: countOf(usage['input_tokens']),
    output: countOf(usage['output_tokens']),
    total: countOf(usage['total_tokens']),
    cacheRead: countOf(input['cached_tokens']),
    cacheWrite: countOf(input['cache_write_tokens']),
    reasoning: countOf(output['reasoning_tokens']),
    inputAudio: countOf(input['audio_tokens']),
    outputAudio: countOf(output['audio_tokens']),
    isSpecial: hasFees || !isPlainTier(response['service_tier']),
    reportedUsd: reportedUsdIn(response, usage),
    // With fees the tier's own price would not be all of it either.
    tier: hasFees ? undefined : response['service_tier'],
  })
}

const paidTools = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'computer_call',
])

/** `usage` of Anthropic Messages, whose `input_tokens` leave the cache out. */
export function readAnthropicUsage(message: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(message['usage'])
  const inputTokens = countOf(usage['input_tokens'])
  const outputTokens = countOf(usage['output_tokens'])
  if (inputTokens === undefined || outputTokens === undefined) return undefined
  const cacheReadTokens = countOf(usage['cache_read_input_tokens']) ?? 0
  const cacheWriteTokens = countOf(usage['cache_creation_input_tokens']) ?? 0
  const thinking = countOf(recordOf(usage['output_tokens_details'])['thinking_tokens']) ?? 0
  const long = countOf(recordOf(usage['cache_creation'])['ephemeral_1h_input_tokens']) ?? 0
  const searches = countOf(recordOf(usage['server_tool_use'])['web_search_requests']) ?? 0
  const totalTokens = inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens
  if (!Number.isSafeInteger(totalTokens)) return undefined
  // Until the closing event the output count is a placeholder.
  const isFinal = typeof message['stop_reason'] === 'string'
  const speed = usage['speed'] ?? message['speed'] ?? 'standard'
  return {
    usage: {
      inputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      outputTokens,
      reasoningTokens: Math.min(thinking, outputTokens),
      totalTokens,
      source: isFinal ? 'reported' : 'estimated',
    },
    billing: {
      cacheWriteLongTokens: Math.min(long, cacheWriteTokens),
      inputAudioTokens: 0,
      outputAudioTokens: 0,
      webSearches: searches,
      isSpecial: !isPlainTier(usage['service_tier']) || speed !== 'standard',
      ...tierOf(usage['service_tier']),
    },
  }
}

export interface InclusiveCounts {
  readonly input: number | undefined
  readonly output?: number | undefined
  readonly total?: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly reasoning?: number | undefined
  readonly inputAudio?: number | undefined
  readonly outputAudio?: number | undefined
  readonly isSpecial?: boolean
  readonly reportedUsd?: number | undefined
  readonly tier?: unknown
}

/** From counts in which the cache is part of the input and reasoning part of the output. */
export function fromInclusive(counts: InclusiveCounts): ReportedUsage | undefined {
  if (counts.input === undefined) return undefined
  const reasoning = counts.reasoning ?? 0
  let outputTokens = counts.output ?? 0
  const total = counts.total ?? 0
  // xAI leaves reasoning out of the output; its total tells.
  if (total === counts.input + outputTokens + reasoning) outputTokens += reasoning
  const sum = counts.input + outputTokens
  if (!Number.isSafeInteger(sum)) return undefined
  // Some send a total of zero for none; any other total below its parts contradicts them.
  if (total > 0 && total < sum) return undefined
  const cacheReadTokens = Math.min(counts.cacheRead ?? 0, counts.input)
  const cacheWriteTokens = Math.min(counts.cacheWrite ?? 0, counts.input - cacheReadTokens)
  const inputTokens = counts.input - cacheReadTokens - cacheWriteTokens
  return {
    usage: {
      inputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      outputTokens,
      reasoningTokens: Math.min(reasoning, outputTokens),
      totalTokens: Math.max(total, sum),
      source: 'reported',
    },
    billing: {
      cacheWriteLongTokens: 0,
      inputAudioTokens: Math.min(counts.inputAudio ?? 0, inputTokens),
      outputAudioTokens: Math.min(counts.outputAudio ?? 0, outputTokens),
      webSearches: 0,
      // Tokens that the total counts and no part does have an unknown rate.
      isSpecial: counts.isSpecial === true || total > sum,
      ...tierOf(counts.tier),
      ...(counts.reportedUsd === undefined ? {} : { reportedUsd: counts.reportedUsd }),
    },
  }
}

export interface DisjointCounts {
  readonly input: number | undefined
  readonly output: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  /** Part of `cacheWrite`. */
  readonly cacheWriteLong?: number | undefined
  /** See `ReportedUsage`. */
  readonly isSpecial: boolean
}

/** From counts in which the cache stands beside the input; undefined without input or output. */
export function fromDisjoint(counts: DisjointCounts): ReportedUsage | undefined {
  const { input: inputTokens, output: outputTokens, isSpecial } = counts
  if (inputTokens === undefined || outputTokens === undefined) return undefined
  const cacheReadTokens = counts.cacheRead ?? 0
  const cacheWriteTokens = counts.cacheWrite ?? 0
  const totalTokens = inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens
  if (!Number.isSafeInteger(totalTokens)) return undefined
  return {
    usage: {
      inputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      outputTokens,
      reasoningTokens: 0,
      totalTokens,
      source: 'reported',
    },
    billing: {
      cacheWriteLongTokens: Math.min(counts.cacheWriteLong ?? 0, cacheWriteTokens),
      inputAudioTokens: 0,
      outputAudioTokens: 0,
      webSearches: 0,
      isSpecial,
    },
  }
}

function tierOf(tier: unknown): { readonly tier?: string } {
  return typeof tier === 'string' && !isPlainTier(tier) ? { tier } : {}
}

/** The tier that the answer names decides the rates; these have the plain ones. */
function isPlainTier(tier: unknown): boolean {
  return tier === undefined || tier === null || tier === 'default' || tier === 'standard'
}
