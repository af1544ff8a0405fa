/**
 * Token counts for calls whose provider reports none, by the o200k encoding of OpenAI: right for its
 * newer models, near for most others. They are marked `estimated`. The tables take a moment and some
 * memory to load, so the first call that needs them does.
 */
import { createRequire } from 'node:module'

import type * as o200k from 'gpt-tokenizer/encoding/o200k_base'

import type { ModelMessage, Part, ToolCall } from '../../src/messages/schema.ts'
import type { AnswerReading, CallReading } from './model-wire.ts'
import type { ReportedUsage } from './usage.ts'

/** UTF-16 units that are counted of one side; the rest is taken to be like it. */
const countedLength = 64 * 1024
/** Counted apart: the time for a run of equal characters grows with its square. */
const pieceLength = 1_000
/** Others describe what was made, such as the size of a vector. */
const generatedParts: ReadonlySet<Part['type']> = new Set(['text', 'reasoning', 'tool-call'])
/** What frames each message in OpenAI's chat format. */
const messageTokens = 3

/**
 * Undefined where counting would mislead: without any output, where the service keeps part of the
 * prompt, or with media in it, whose tokens do not follow from their bytes.
 */
export function estimateUsage(call: CallReading, answer: AnswerReading): ReportedUsage | undefined {
  const generated = answer.output.filter((part) => generatedParts.has(part.type))
  const output = generated.map(textOf)
  if (output.every((text) => text === '')) return undefined
  if (call.previousResponseId !== undefined || call.conversationId !== undefined) return undefined
  if (call.messages.some(({ parts }) => parts.some((part) => part.type === 'media')))
    return undefined
  const tools = call.tools.flatMap(({ name, description }) => [name, description ?? ''])
  const inputTokens =
    countTokens([...textsOf(call.messages), ...tools]) + call.messages.length * messageTokens
  const outputTokens = countTokens(output)
  const reasoning = answer.output.flatMap((part) => (part.type === 'reasoning' ? [part.text] : []))
  return {
    usage: {
      inputTokens,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens,
      reasoningTokens: Math.min(outputTokens, countTokens(reasoning)),
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
function countTokens(texts: readonly string[]): number {
  let counted = 0
  let tokens = 0
  let length = 0
  for (const text of texts) {
    length += text.length
    const end = Math.min(text.length, countedLength - counted)
    for (let at = 0; at < end; at += pieceLength) {
      tokens += encoding().countTokens(text.slice(at, Math.min(end, at + pieceLength)), asText)
    }
    counted += end
  }
  return counted === length ? tokens : Math.round((tokens * length) / counted)
}

/** What looks like a control token in a text is text. */
const asText = { disallowedSpecial: new Set<string>() }

type Encoding = Pick<typeof o200k, 'countTokens'>

let loaded: Encoding | undefined

function encoding(): Encoding {
  // Synchronous, because analyzers are; a bundle of megabytes that most runs never need.
  loaded ??= createRequire(import.meta.url)('gpt-tokenizer/encoding/o200k_base') as Encoding
  return loaded
}
