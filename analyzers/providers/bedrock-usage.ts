/**
 * Token counts as Bedrock reports them: in a Converse answer, in the fields of an Invoke answer, or
 * in the metrics of a stream's last event. In all of them the cache is beside the input, not in it
 * (AWS, prompt caching: total input = inputTokens + cacheReadInputTokens + cacheWriteInputTokens).
 */
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs, Json } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, recordsOf } from '../wire/json.ts'
import type { ReportedUsage } from './usage.ts'
import { fromDisjoint, givenCount } from './usage.ts'

/** Where a stream's last event of Invoke has its counts. */
export const metricsKey = 'amazon-bedrock-invocationMetrics'

/** `usage` of Converse answers, and of the answers of Nova, which name the cache's counts otherwise. */
export function readConverseUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(answer['usage'])
  const details = recordsOf(usage['cacheDetails']).filter(({ ttl }) => ttl === '1h')
  return fromDisjoint({
    input: givenCount(usage['inputTokens']),
    output: givenCount(usage['outputTokens']),
    cacheRead:
      givenCount(usage['cacheReadInputTokens']) ?? givenCount(usage['cacheReadInputTokenCount']),
    cacheWrite:
      givenCount(usage['cacheWriteInputTokens']) ?? givenCount(usage['cacheWriteInputTokenCount']),
    cacheWriteLong: details.reduce((sum, item) => sum + (countOf(item['inputTokens']) ?? 0), 0),
    isSpecial: isSpecial(answer),
  })
}

/** Guardrails are billed apart by what they assess; tiers and fast answers have rates of their own. */
function isSpecial(answer: JsonRecord): boolean {
  const tier = recordOf(answer['serviceTier'])['type'] ?? 'default'
  const latency = recordOf(answer['performanceConfig'])['latency'] ?? 'standard'
  return tier !== 'default' || latency !== 'standard' || isGuarded(answer)
}

/** Whether a guardrail has looked at the call. */
export function isGuarded(answer: JsonRecord): boolean {
  return (
    isRecord(recordOf(answer['trace'])['guardrail']) ||
    answer['stopReason'] === 'guardrail_intervened' ||
    (answer['amazon-bedrock-guardrailAction'] ?? 'NONE') !== 'NONE' ||
    isRecord(answer['amazon-bedrock-trace'])
  )
}

/** Whether the answer of an Invoke says that it was served at other rates than the plain ones. */
export function isOfTier(headers: HeaderPairs): boolean {
  const said = (name: string): string | undefined => headerValues(headers, name).at(-1)?.trim()
  return (
    (said('x-amzn-bedrock-service-tier') ?? 'default') !== 'default' ||
    (said('x-amzn-bedrock-performanceconfig-latency') ?? 'standard') !== 'standard'
  )
}

/** The counts that Bedrock itself adds to an Invoke answer: metrics of a stream, else fields. */
export function readInvokeUsage(
  answer: JsonRecord,
  headers: HeaderPairs,
): ReportedUsage | undefined {
  const metrics: Json | undefined = answer[metricsKey]
  const at = (name: string, field: string): number | undefined =>
    isRecord(metrics) ? countOf(metrics[name]) : countIn(headers, `x-amzn-bedrock-${field}-count`)
  const input = at('inputTokenCount', 'input-token')
  return fromDisjoint({
    input,
    // Embeddings have no output, and then no field for it.
    output: at('outputTokenCount', 'output-token') ?? 0,
    cacheRead: at('cacheReadInputTokenCount', 'cache-read-input-token'),
    cacheWrite: at('cacheWriteInputTokenCount', 'cache-write-input-token'),
    isSpecial: isGuarded(answer) || isOfTier(headers),
  })
}

function countIn(headers: HeaderPairs, name: string): number | undefined {
  const value = headerValues(headers, name).at(-1)?.trim()
  return value !== undefined && /^\d+$/u.test(value) ? countOf(Number(value)) : undefined
}
