/**
 * `usageMetadata` of Gemini in disjoint buckets. The cache is part of the prompt; what tools put
 * into the prompt is not, and thoughts are not part of the candidates. Counts of zero are left out.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { ReportedUsage } from './usage.ts'
import { fromInclusive, givenCount, isPlainTier } from './usage.ts'

/** `answer` is the object that holds the counts, unwrapped. */
export function readGeminiUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(answer['usageMetadata'])
  const prompt = givenCount(usage['promptTokenCount'])
  if (prompt === undefined) return undefined
  const input = prompt + (givenCount(usage['toolUsePromptTokenCount']) ?? 0)
  // The Live API has a name of its own for what comes back.
  const candidates = givenCount(usage['candidatesTokenCount'] ?? usage['responseTokenCount']) ?? 0
  const back = usage['candidatesTokensDetails'] ?? usage['responseTokensDetails']
  const thoughts = givenCount(usage['thoughtsTokenCount']) ?? 0
  const total = givenCount(usage['totalTokenCount'])
  // The total tells where an answer counts its thoughts among the candidates after all.
  const isWithThoughts = total === input + candidates && thoughts <= candidates
  const cacheRead = givenCount(usage['cachedContentTokenCount'])
  const sound = audioIn(usage['promptTokensDetails']) + audioIn(usage['toolUsePromptTokensDetails'])
  const cachedSound = audioIn(usage['cacheTokensDetails'])
  // The tables are not asked for sound in the cache, which has a rate of its own.
  const isMixed =
    cachedSound > 0 ||
    (sound > 0 && (cacheRead ?? 0) > 0 && !Array.isArray(usage['cacheTokensDetails']))
  return fromInclusive({
    input,
    output: isWithThoughts ? candidates : candidates + thoughts,
    total,
    cacheRead,
    reasoning: thoughts,
    inputAudio: Math.max(0, sound - cachedSound),
    outputAudio: audioIn(back),
    isSpecial: isMixed || isBilledApart(answer, usage),
    tier: tierIn(usage),
  })
}

/** In capitals or not; unspecified is the plain one. */
function tierIn(usage: JsonRecord): string | undefined {
  const tier = textOf(usage['serviceTier'])
    ?.toLowerCase()
    .replace(/^service_tier_/u, '')
  return tier === 'unspecified' ? undefined : tier
}

function audioIn(details: Json | undefined): number {
  return tokensOf(details, (modality) => modality === 'AUDIO')
}

function tokensOf(details: Json | undefined, isCounted: (modality: string) => boolean): number {
  return recordsOf(details)
    .filter((detail) => isCounted(textOf(detail['modality']) ?? ''))
    .reduce((sum, detail) => sum + (givenCount(detail['tokenCount']) ?? 0), 0)
}

/** Generated images, searches per prompt, and other kinds of traffic have rates of their own. */
function isBilledApart(answer: JsonRecord, usage: JsonRecord): boolean {
  const traffic = textOf(usage['trafficType']) ?? 'ON_DEMAND'
  const images = tokensOf(
    usage['candidatesTokensDetails'] ?? usage['responseTokensDetails'],
    (modality) => modality === 'IMAGE',
  )
  const isGrounded = recordsOf(answer['candidates']).some((candidate) =>
    isRecord(candidate['groundingMetadata']),
  )
  // In the Live API pictures cost as sound does.
  const isSeenLive =
    usage['responseTokenCount'] !== undefined &&
    tokensOf(usage['promptTokensDetails'], (modality) => /^(?:IMAGE|VIDEO)$/u.test(modality)) > 0
  return (
    isGrounded ||
    isSeenLive ||
    images > 0 ||
    !isPlainTier(tierIn(usage)) ||
    (traffic !== 'ON_DEMAND' && traffic !== 'TRAFFIC_TYPE_UNSPECIFIED')
  )
}
