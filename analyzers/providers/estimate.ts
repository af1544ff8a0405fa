/**
 * Token counts for calls whose provider reports none, by the o200k encoding of OpenAI: right for its
 * newer models, near for most others. They are marked `estimated`. The vocabulary takes a moment to
 * load, so the first call that needs it does.
 */
import type { ModelMessage, Part, ToolCall } from '../../src/messages/schema.ts'
import { countTokens, longestText } from '../estimate/count-tokens.ts'
import type { Vocabulary } from '../estimate/vocabulary.ts'
import { loadVocabulary } from '../estimate/vocabulary.ts'
import type { AnswerReading, CallReading } from './model-wire.ts'
import type { ReportedUsage } from './usage.ts'

/** UTF-16 units that are counted of one side; the rest is taken to be like it. */
const countedLength = 64 * 1024
/** Texts of `longestText` that are counted in one step. */
const textsInStep = 16
/** Others describe what was made, such as the size of a vector. */
const generatedParts: ReadonlySet<Part['type']> = new Set(['text', 'reasoning', 'tool-call'])
/** What frames each message in OpenAI's chat format. */
const messageTokens = 3

/**
 * Undefined where counting would mislead: without any output, where the service keeps part of the
 * prompt, or with media in it, whose tokens do not follow from their bytes; and where there is no
 * vocabulary. Yields every millisecond or so.
 */
export function* estimateUsage(
  call: CallReading,
  answer: AnswerReading,
): Generator<undefined, ReportedUsage | undefined, undefined> {
  const generated = answer.output.filter((part) => generatedParts.has(part.type))
  const output = generated.map(textOf)
  if (output.every((text) => text === '')) return undefined
  if (call.previousResponseId !== undefined || call.conversationId !== undefined) return undefined
  if (call.messages.some(({ parts }) => parts.some((part) => part.type === 'media')))
    return undefined
  const vocabulary = yield* loadVocabulary()
  if (vocabulary === undefined) return undefined
  const tools = call.tools.flatMap(({ name, description }) => [name, description ?? ''])
  const prompt = yield* countAll([...textsOf(call.messages), ...tools], vocabulary)
  const outputTokens = yield* countAll(output, vocabulary)
  const reasoning = answer.output.flatMap((part) => (part.type === 'reasoning' ? [part.text] : []))
  const reasoningTokens = yield* countAll(reasoning, vocabulary)
  return asEstimate(prompt + call.messages.length * messageTokens, outputTokens, reasoningTokens)
}

function asEstimate(
  inputTokens: number,
  outputTokens: number,
  reasoningTokens: number,
): ReportedUsage {
  return {
    usage: {
      inputTokens,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens,
      reasoningTokens: Math.min(outputTokens, reasoningTokens),
      totalTokens: inputTokens + outputTokens,
      source: 'estimated',
    },
    billing: {
      cacheWriteLongTokens: 0,
      inputAudioTokens: 0,
      outputAudioTokens: 0,
      webSearches: 0,
      isSpecial: false,
    },
  }
}

function textsOf(messages: readonly ModelMessage[]): string[] {
  return messages.flatMap(({ parts }) => parts.map(textOf))
}

function textOf(part: Part): string {
  switch (part.type) {
    case 'tool-call':
      return textOfCall(part)
    case 'media':
      return ''
    default:
      return part.text
  }
}

function textOfCall(call: ToolCall): string {
  return `${call.name} ${call.arguments}`
}

/** Of all texts together; of long ones the beginning is counted and scaled up. */
function* countAll(
  texts: readonly string[],
  vocabulary: Vocabulary,
): Generator<undefined, number, undefined> {
  let counted = 0
  let tokens = 0
  let length = 0
  let inStep = 0
  for (const text of texts) {
    length += text.length
    const end = Math.min(text.length, countedLength - counted)
    for (let at = 0; at < end; at += longestText) {
      tokens += countTokens(text.slice(at, Math.min(end, at + longestText)), vocabulary)
      inStep += 1
      if (inStep % textsInStep === 0) yield
    }
    counted += end
  }
  return counted === length ? tokens : Math.round((tokens * length) / counted)
}
