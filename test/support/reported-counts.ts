/**
 * The token counts that a recorded answer reports, read from its bytes in the plainest way and apart
 * from the analyzers: what was sent, cache and all, and what came back.
 */
import type { JsonRecord } from '../../analyzers/wire/json.ts'
import { isRecord, recordOf, recordsOf } from '../../analyzers/wire/json.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import { innerEvents, readAwsEvents } from './aws-frames.ts'
import { plainBody } from './merge-oracle.ts'
import type { RecordedExchange } from './recorded-exchanges.ts'

export interface ReportedCounts {
  readonly sent: number
  readonly back: number
}

/** Undefined where nothing is reported. */
export function reportedCounts(recording: RecordedExchange): ReportedCounts | undefined {
  const counts: Record<string, unknown> = {}
  for (const answer of answersIn(recording)) {
    for (const holder of holdersIn(answer)) Object.assign(counts, withoutNulls(holder))
  }
  // Cohere bills by other counts than those of its tokenizer.
  const given = isRecord(counts['billed_units']) ? counts['billed_units'] : counts
  const found = pairs.map(([sent, back]) => [sumOf(given, sent), sumOf(given, back)] as const)
  const whole = found.find((pair) => !pair.includes(undefined)) ?? inHeaders(recording)
  const [sent, back = 0] = whole ?? found.find(([count]) => count !== undefined) ?? []
  return sent === undefined ? undefined : { sent, back }
}

/** Bedrock counts in fields of its own what the model does not. */
function inHeaders({ response }: RecordedExchange): readonly [number, number] | undefined {
  const [sent, back] = ['input', 'output'].map((name) =>
    Number(headerValues(response.headers, `x-amzn-bedrock-${name}-token-count`)[0] ?? Number.NaN),
  )
  return sent === undefined || Number.isNaN(sent) ? undefined : [sent, back || 0]
}

/** Names of what was sent and of what came back; several names are a sum of what is there. */
const pairs: ReadonlyArray<readonly [sent: readonly string[], back: readonly string[]]> = [
  [['prompt_tokens'], ['completion_tokens']],
  [['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'], ['output_tokens']],
  [['inputTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens'], ['outputTokens']],
  [['promptTokenCount'], ['candidatesTokenCount', 'thoughtsTokenCount']],
  [['prompt_token_count'], ['generation_token_count']],
  [['inputTextTokenCount'], ['tokenCount', 'totalOutputTextTokenCount']],
  [['inputTokenCount'], ['outputTokenCount']],
  [['prompt_eval_count'], ['eval_count']],
  // Ollama leaves a zero out: all of the prompt was in its cache.
  [['eval_count_alone'], ['eval_count']],
  // Of embeddings some tell the total alone.
  [['total_tokens'], []],
]

function sumOf(
  counts: Readonly<Record<string, unknown>>,
  names: readonly string[],
): number | undefined {
  const found = names.map((name) => counts[name]).filter((count) => typeof count === 'number')
  const isCached = names[0] === 'eval_count_alone' && typeof counts['eval_count'] === 'number'
  if (isCached) return 0
  return found.length === 0 ? undefined : found.reduce((sum, count) => sum + count, 0)
}

/** Where the services put counts: in the answer itself, or in something that it holds. */
function holdersIn(answer: JsonRecord): JsonRecord[] {
  const inner = ['message', 'response', 'delta', 'x_groq', 'metadata'].map((key) => answer[key])
  const holders = [answer, ...inner.map(recordOf)]
  const named = ['usage', 'meta', 'usageMetadata', 'amazon-bedrock-invocationMetrics']
  return [
    numbersOf(answer),
    ...holders.flatMap((holder) => named.map((key) => recordOf(holder[key]))),
    ...holders.flatMap((holder) => recordsOf(holder['results']).slice(0, 1)),
  ]
}

function numbersOf(record: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => typeof value === 'number'))
}

function withoutNulls(record: JsonRecord): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null))
}

/** The JSON objects that the answer consists of, in order. */
function answersIn(recording: RecordedExchange): JsonRecord[] {
  const type = headerValues(recording.response.headers, 'content-type')[0] ?? ''
  const body = plainBody(recording)
  if (type.includes('amazon.eventstream')) {
    const isInvoke = new URL(recording.request.url).pathname.includes('/invoke')
    return isInvoke ? innerEvents(body) : readAwsEvents(body).map(({ payload }) => payload)
  }
  const text = body.toString()
  const whole = parsed(text)
  if (whole !== undefined) return [whole]
  return text
    .split('\n')
    .map((line) => parsed(line.replace(/^data: ?/u, '')))
    .filter((record) => record !== undefined)
}

function parsed(text: string): JsonRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
