/**
 * Reported token counts in disjoint buckets. The providers count differently: for OpenAI cached
 * tokens are part of the prompt, for Anthropic they are not. Counts that contradict their own total
 * give nothing, since a wrong number is worse than none.
 */
import type { Json, Usage } from '../../src/messages/schema.ts'
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
    /** What was billed beside it, and is part of `totalTokens` alone. */
    readonly beside?: readonly BesideUsage[]
  }
}

/** Work that the provider did within the call and counts apart. */
export interface BesideUsage {
  /** What it was, such as `compaction`. */
  readonly name: string
  /** Where it is another one than that of the call. */
  readonly model?: string
  readonly usage: ReportedUsage
}

/** A count as it is given: undefined where none is, not a number where it cannot be one. */
export function givenCount(value: Json | undefined): number | undefined {
  return value === undefined || value === null ? undefined : (countOf(value) ?? Number.NaN)
}

/** `usage` of Chat Completions, Completions and Embeddings; `answer` is the object that holds it. */
export function readOpenaiUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = usageIn(answer)
  const total = givenCount(usage['total_tokens'])
  // Writer has names of its own for the details.
  const input = recordOf(usage['prompt_tokens_details'] ?? usage['prompt_token_details'])
  const output = recordOf(usage['completion_tokens_details'] ?? usage['completion_token_details'])
  const hasFees = isFeeBearing(answer, usage)
  return fromInclusive({
    // Embeddings have no output, and some services then report the total alone.
    input:
      givenCount(usage['prompt_tokens']) ?? (Array.isArray(answer['data']) ? total : undefined),
    output: givenCount(usage['completion_tokens']),
    total,
    cacheRead: givenCount(input['cached_tokens']) ?? givenCount(usage['prompt_cache_hit_tokens']),
    cacheWrite: givenCount(input['cache_write_tokens']),
    reasoning: givenCount(output['reasoning_tokens']),
    inputAudio: givenCount(input['audio_tokens']),
    outputAudio: givenCount(output['audio_tokens']),
    // How much of the sound came from the cache is not told.
    isSpecial:
      hasFees ||
      !isPlainTier(answer['service_tier']) ||
      (isAbove(input['cached_tokens']) && isAbove(input['audio_tokens'])),
    reportedUsd: reportedUsdIn(answer, usage),
    tier: hasFees ? undefined : answer['service_tier'],
  })
}

/** Searches and tools that the provider runs are billed apart, and other models with them. */
function isFeeBearing(answer: JsonRecord, usage: JsonRecord): boolean {
  const messages = recordsOf(answer['choices']).map((choice) => recordOf(choice['message']))
  return (
    // OpenAI's models that search, and others: what they found is cited.
    messages.some(
      (message) => isSome(message['annotations']) || isSome(message['executed_tools']),
    ) ||
    // Groq's systems of several models.
    isRecord(answer['usage_breakdown']) ||
    // xAI.
    ['num_sources_used', 'num_server_side_tools_used'].some((key) => isAbove(usage[key]))
  )
}

function isSome(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0
}

function isAbove(value: Json | undefined): boolean {
  return typeof value === 'number' && value > 0
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
  const written = recordOf(input['cache_write_tokens_details'])
  const items = Array.isArray(response['output']) ? response['output'].map(recordOf) : []
  // Built-in tools are billed per call, at rates that depend on the tool and the model.
  const hasFees =
    items.some((item) => paidTools.has(textOf(item['type']) ?? '')) ||
    ['num_sources_used', 'num_server_side_tools_used'].some((key) => isAbove(usage[key]))
  return fromInclusive({
    input: givenCount(usage['input_tokens']),
    output: givenCount(usage['output_tokens']),
    total: givenCount(usage['total_tokens']),
    cacheRead: givenCount(input['cached_tokens']),
    cacheWrite: givenCount(input['cache_write_tokens']),
    reasoning: givenCount(output['reasoning_tokens']),
    inputAudio: givenCount(input['audio_tokens']),
    outputAudio: givenCount(output['audio_tokens']),
    // What is kept for long costs more than the tables say.
    isSpecial:
      hasFees || isAbove(written['ttl_12h_tokens']) || !isPlainTier(response['service_tier']),
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
  // Only what runs at the provider comes back with its output.
  'shell_call_output',
  'program',
])

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
  if (counts.input === undefined || hasOdd(counts)) return undefined
  const { reasoning = 0, total = 0, cacheRead = 0, cacheWrite = 0 } = counts
  let outputTokens = counts.output ?? 0
  // xAI leaves reasoning out of the output; its total tells.
  if (total === counts.input + outputTokens + reasoning) outputTokens += reasoning
  const sum = counts.input + outputTokens
  if (!Number.isSafeInteger(sum)) return undefined
  // Some send a total of zero for none; any other total below its parts contradicts them.
  if (total > 0 && total < sum) return undefined
  const inputTokens = counts.input - cacheRead - cacheWrite
  // A cache larger than the prompt is not part of it, whatever it is.
  if (inputTokens < 0) return undefined
  return {
    usage: {
      inputTokens,
      cacheReadTokens: cacheRead,
      cacheWriteTokens: cacheWrite,
      outputTokens,
      reasoningTokens: Math.min(reasoning, outputTokens),
      totalTokens: Math.max(total, sum),
      source: 'reported',
    },
    // Tokens that the total counts and no part does have an unknown rate.
    billing: billingOf(counts, { inputTokens, outputTokens, isMore: total > sum }),
  }
}

function billingOf(
  { inputAudio = 0, outputAudio = 0, isSpecial, tier, reportedUsd }: InclusiveCounts,
  read: {
    readonly inputTokens: number
    readonly outputTokens: number
    readonly isMore: boolean
  },
): ReportedUsage['billing'] {
  return {
    cacheWriteLongTokens: 0,
    inputAudioTokens: Math.min(inputAudio, read.inputTokens),
    outputAudioTokens: Math.min(outputAudio, read.outputTokens),
    webSearches: 0,
    isSpecial: isSpecial === true || read.isMore,
    ...tierOf(tier),
    ...(reportedUsd === undefined ? {} : { reportedUsd }),
  }
}

/** Whether a count is given that is none: nobody knows what the others then mean. */
function hasOdd(counts: object): boolean {
  return Object.values(counts).some((count) => Number.isNaN(count))
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
  if (inputTokens === undefined || outputTokens === undefined || hasOdd(counts)) return undefined
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

export function tierOf(tier: unknown): { readonly tier?: string } {
  return typeof tier === 'string' && !isPlainTier(tier) ? { tier } : {}
}

/** The tier that the answer names decides the rates; these have the plain ones. */
export function isPlainTier(tier: unknown): boolean {
  return tier === undefined || tier === null || plainTiers.has(tier)
}

/** `on_demand` is Groq's name for it. */
const plainTiers: ReadonlySet<unknown> = new Set(['default', 'standard', 'on_demand'])
