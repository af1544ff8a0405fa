/**
 * `usageMetadata` of Gemini in disjoint buckets. The cache is part of the prompt; what tools put
 * into the prompt is not, and thoughts are not part of the candidates. Counts of zero are left out.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { ReportedUsage } from './usage.ts'
import { fromInclusive } from './usage.ts'

/** `answer` is the object that holds the counts, unwrapped. */
export function readGeminiUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(answer['usageMetadata'])
  const prompt = countOf(usage['promptTokenCount'])
  if (prompt === undefined) return undefined
  const input = prompt + (countOf(usage['toolUsePromptTokenCount']) ?? 0)
  // The Live API has a name of its own for what comes back.
  const candidates = countOf(usage['candidatesTokenCount'] ?? usage['responseTokenCount']) ?? 0
  const back = usage['candidatesTokensDetails'] ?? usage['responseTokensDetails']
  const thoughts = countOf(usage['thoughtsTokenCount']) ?? 0
  const total = countOf(usage['totalTokenCount'])
  // The total tells where an answer counts its thoughts among the candidates after all.
  const isWithThoughts = total === input + candidates && thoughts <= candidates
  const audio = audioIn(usage['promptTokensDetails']) + audioIn(usage['toolUsePromptTokensDetails'])
  return fromInclusive({
    input,
    output: isWithThoughts ? candidates : candidates + thoughts,
    total,
    cacheRead: countOf(usage['cachedContentTokenCount']),
    reasoning: thoughts,
    inputAudio: Math.max(0, audio - audioIn(usage['cacheTokensDetails'])),
    outputAudio: audioIn(back),
    isSpecial: isBilledApart(answer, usage),
  })
}

function audioIn(details: Json | undefined): number {
  return tokensOf(details, (modality) => modality === 'AUDIO')
}

function tokensOf(details: Json | undefined, isCounted: (modality: string) => boolean): number {
  return recordsOf(details)
    .filter((detail) => isCounted(textOf(detail['modality']) ?? ''))
    .reduce((sum, detail) => sum + (countOf(detail['tokenCount']) ?? 0), 0)
}

/** Generated images, searches per prompt, and other kinds of traffic have rates of their own. */
function isBilledApart(answer: JsonRecord, usage: JsonRecord): boolean {
  const traffic = textOf(usage['trafficType']) ?? 'ON_DEMAND'
  const images = tokensOf(usage['candidatesTokensDetails'], (modality) => modality === 'IMAGE')
  const isGrounded = recordsOf(answer['candidates']).some((candidate) =>
    isRecord(candidate['groundingMetadata']),
  )
  return (
    isGrounded || images > 0 || (traffic !== 'ON_DEMAND' && traffic !== 'TRAFFIC_TYPE_UNSPECIFIED')
  )
}
