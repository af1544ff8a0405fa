/**
 * Gemini streams (`…:streamGenerateContent`), of the Gemini API, Vertex AI and Code Assist, which
 * wraps each one in `response`. Every event is a whole answer that holds the next parts: parts grow
 * the list, adjacent text of one kind becomes one part, all else is replaced by what comes later.
 * The official SDK keeps the parts apart; it does not put them together at all.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  appendAll,
  assignOwn,
  draftOf,
  isRecord,
  listOf,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import { applyCallPart } from './gemini-call-parts.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText, indexOf, isFilled, listAt, recordAt } from './stream-format.ts'

export const gemini: StreamFormat = {
  name: 'gemini',
  inArrays: true,
  createMerger: createGeminiMerger,
  matches(data) {
    const answer = answerIn(data)
    return (
      Array.isArray(answer['candidates']) ||
      ['promptFeedback', 'usageMetadata'].some((key) => isRecord(answer[key]))
    )
  },
  carriesContent: (data) =>
    recordsOf(answerIn(data)['candidates'])
      .flatMap((candidate) => recordsOf(recordOf(candidate['content'])['parts']))
      .some((part) =>
        Object.entries(part).some(
          ([key, value]) => !notContent.has(key) && (isFilled(value) || isRecord(value)),
        ),
      ),
}

/** Fields of a part that say something about its content. */
const notContent = new Set([
  'thought',
  'thoughtSignature',
  'videoMetadata',
  'partMetadata',
  'mediaResolution',
])

/** The answer within an event or a body: Code Assist wraps it. */
export function answerIn(data: JsonRecord): JsonRecord {
  return !Array.isArray(data['candidates']) && isRecord(data['response']) ? data['response'] : data
}

interface MergeState {
  /** What stands around the answers, where they are wrapped. */
  wrapper: JsonDraft | undefined
  readonly answer: JsonDraft
  readonly candidates: Map<number, JsonDraft>
  error: Json | undefined
}

export function createGeminiMerger(): StreamMerger {
  const state: MergeState = {
    wrapper: undefined,
    answer: {},
    candidates: new Map(),
    error: undefined,
  }

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      state.error ??= errorIn(event)
      const answer = answerIn(event)
      if (answer !== event) assignOwn((state.wrapper ??= {}), event, notWrapper)
      mergeAnswer(state, answer)
    },
    result() {
      const { answer, candidates, error, wrapper } = state
      if (candidates.size > 0) {
        answer['candidates'] = [...candidates.entries()]
          .toSorted(([a], [b]) => a - b)
          .map(([, candidate]) => candidate)
      }
      const merged = wrapper === undefined ? answer : { ...wrapper, response: answer }
      if (error !== undefined) merged['error'] = error
      return {
        merged,
        text: answerText(answer),
        complete: isFinished(answer) && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

const notWrapper = new Set(['response', 'error'])
const notTopLevel = new Set(['candidates', 'usageMetadata', 'error'])
const notCandidate = new Set(['content', 'logprobsResult'])

function mergeAnswer(state: MergeState, from: JsonRecord): void {
  assignFilled(state.answer, from, notTopLevel)
  const usage = from['usageMetadata']
  if (isRecord(usage)) {
    // Some of Vertex's events name the kind of traffic alone; counts are totals, never added.
    const hasCounts =
      typeof usage['totalTokenCount'] === 'number' || typeof usage['promptTokenCount'] === 'number'
    const before = hasCounts ? {} : recordOf(state.answer['usageMetadata'])
    state.answer['usageMetadata'] = { ...draftOf(before), ...draftOf(usage) }
  }
  for (const candidate of recordsOf(from['candidates'])) mergeCandidate(state.candidates, candidate)
}

function mergeCandidate(candidates: Map<number, JsonDraft>, from: JsonRecord): void {
  // An index of zero is left out by some, as is every default.
  const index = from['index'] === undefined ? 0 : indexOf(from['index'])
  if (index === undefined) return
  const candidate = candidates.get(index) ?? {}
  candidates.set(index, candidate)
  if (isRecord(from['content'])) mergeContent(recordAt(candidate, 'content'), from['content'])
  if (isRecord(from['logprobsResult']))
    mergeLogprobs(recordAt(candidate, 'logprobsResult'), from['logprobsResult'])
  assignFilled(candidate, from, notCandidate)
}

function mergeContent(content: JsonDraft, from: JsonRecord): void {
  assignFilled(content, from, new Set(['parts']))
  if (!Array.isArray(from['parts'])) return
  const parts = listAt(content, 'parts')
  for (const part of recordsOf(from['parts'])) {
    if (!applyCallPart(parts, part)) mergePart(parts, part)
  }
}

/** Adds a part; text that follows text of its kind continues it. */
export function mergePart(parts: Json[], part: JsonRecord): void {
  const last = recordOf(parts.at(-1))
  const isSame = (last['thought'] === true) === (part['thought'] === true)
  if (isPlainText(last) && isPlainText(part) && isSame) {
    parts[parts.length - 1] = {
      ...last,
      text: `${textOf(last['text']) ?? ''}${textOf(part['text']) ?? ''}`,
    }
  } else {
    parts.push(part)
  }
}

/** Text and nothing else: a signature belongs to the very part that it came with. */
function isPlainText(part: JsonRecord): boolean {
  return (
    typeof part['text'] === 'string' &&
    Object.keys(part).every((key) => key === 'text' || key === 'thought')
  )
}

/** Each event has the log probabilities of its own tokens. */
function mergeLogprobs(logprobs: JsonDraft, from: JsonRecord): void {
  for (const [key, value] of Object.entries(from)) {
    if (Array.isArray(value)) appendAll(listAt(logprobs, key), listOf(value))
    else assignFilled(logprobs, { [key]: value }, new Set())
  }
}

function assignFilled(record: JsonDraft, from: JsonRecord, except: ReadonlySet<string>): void {
  for (const [key, value] of Object.entries(from)) {
    if (value !== null && !except.has(key)) assignOwn(record, { [key]: value })
  }
}

/** Every candidate has ended, or the prompt was blocked so that there are none. */
function isFinished(answer: JsonRecord): boolean {
  const candidates = recordsOf(answer['candidates'])
  if (candidates.length === 0) return isFilled(recordOf(answer['promptFeedback'])['blockReason'])
  return candidates.every((candidate) => isFilled(candidate['finishReason']))
}

/** The text of every candidate, without the model's thoughts. */
function answerText(answer: JsonRecord): string {
  return recordsOf(answer['candidates'])
    .flatMap((candidate) => recordsOf(recordOf(candidate['content'])['parts']))
    .map((part) => (part['thought'] === true ? '' : (textOf(part['text']) ?? '')))
    .join('')
}
