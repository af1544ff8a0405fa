/**
 * What each stream of Bedrock, Ollama, Cohere and of plain completions adds up to, in the plainest way: written from the
 * services' documentation for whole, undamaged streams, and apart from the mergers under test.
 */
import type { JsonDraft, JsonRecord } from '../../analyzers/wire/json.ts'
import { recordOf } from '../../analyzers/wire/json.ts'
import type { Json } from '../../src/messages/schema.ts'
import type { ReadEvent } from './aws-frames.ts'
import { innerEvents, readAwsEvents } from './aws-frames.ts'

export function accumulate(path: string, body: Buffer): unknown {
  if (path.endsWith('/converse-stream')) return converse(readAwsEvents(body))
  if (path.endsWith('/invoke-with-response-stream')) return invoke(innerEvents(body))
  const lines = body.toString().split('\n')
  const data = lines.filter((line) => line.startsWith('data: {'))
  const sent = data.map((line) => parse(line.slice('data: '.length)))
  if (path === '/v2/chat') return cohere(sent)
  if (path.endsWith('/completions')) return completions(sent)
  const records = lines.filter((line) => line !== '').map(parse)
  return path === '/v1/chat' ? records.at(-1)?.['response'] : ollama(records)
}

function parse(line: string): JsonRecord {
  return JSON.parse(line) as JsonRecord
}

/** The value at a path of keys. */
function at(value: Json | undefined, ...keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inner, key) => recordOf(inner)[key], value)
}

/** All texts at a path, in order, as one. */
function joined(events: readonly JsonRecord[], ...keys: readonly string[]): string {
  return events
    .map((event) => at(event, ...keys))
    .filter((text) => typeof text === 'string')
    .join('')
}

/** The events that name an index, by it. */
function byIndex(events: readonly JsonRecord[], key: string): JsonRecord[][] {
  const groups: JsonRecord[][] = []
  for (const event of events) {
    const index = event[key]
    if (typeof index === 'number') (groups[index] ??= []).push(event)
  }
  return groups
}

function converse(events: readonly ReadEvent[]): unknown {
  const payloads = events.map(({ payload }) => payload)
  const content = byIndex(payloads, 'contentBlockIndex').map((group) => {
    const tool = group
      .map((event) => at(event, 'start', 'toolUse'))
      .find((use) => use !== undefined)
    if (tool === undefined) return { text: joined(group, 'delta', 'text') }
    const input = parse(joined(group, 'delta', 'toolUse', 'input'))
    return { toolUse: Object.assign({}, tool, { input }) }
  })
  const ends = events.filter(({ type }) => type === 'messageStop' || type === 'metadata')
  const answer = { output: { message: { role: 'assistant', content } } }
  const { p: _padding, ...whole } = Object.assign({}, ...ends.map(({ payload }) => payload), answer)
  return whole
}

function invoke(events: readonly JsonRecord[]): unknown {
  const added: JsonDraft = {}
  for (const event of events) {
    for (const [key, value] of Object.entries(event)) {
      if (key.startsWith('amazon-bedrock-')) added[key] = value
    }
  }
  if (events[0]?.['messageStart'] === undefined) return { ...titan(events), ...added }
  const { 'amazon-bedrock-invocationMetrics': _metrics, ...guardrail } = added
  return { ...nova(events), ...guardrail }
}

function nova(events: readonly JsonRecord[]): object {
  const text = joined(events, 'contentBlockDelta', 'delta', 'text')
  const of = (type: string): Json | undefined =>
    events.map((event) => event[type]).find((value) => value !== undefined)
  const message = { role: 'assistant', content: [{ text }] }
  return { output: { message }, ...recordOf(of('messageStop')), ...recordOf(of('metadata')) }
}

function titan(events: readonly JsonRecord[]): object {
  const last = (key: string): Json | undefined =>
    events.map((event) => event[key] ?? undefined).findLast((value) => value !== undefined)
  const reason = last('completionReason')
  const result = {
    outputText: joined(events, 'outputText'),
    tokenCount: last('totalOutputTextTokenCount') ?? null,
    ...(reason === undefined ? {} : { completionReason: reason }),
  }
  return { inputTextTokenCount: last('inputTextTokenCount'), results: [result] }
}

function cohere(events: readonly JsonRecord[]): unknown {
  const of = (type: string): JsonRecord[] => events.filter((event) => event['type'] === type)
  const contents = byIndex([...of('content-start'), ...of('content-delta')], 'index').map(
    (group) => ({ type: 'text', text: joined(group, 'delta', 'message', 'content', 'text') }),
  )
  const calls = byIndex([...of('tool-call-start'), ...of('tool-call-delta')], 'index').map(
    (group) => {
      const call = recordOf(at(group[0], 'delta', 'message', 'tool_calls'))
      const path = ['delta', 'message', 'tool_calls', 'function', 'arguments']
      const named = Object.assign({}, call['function'], { arguments: joined(group, ...path) })
      return Object.assign({}, call, { function: named })
    },
  )
  const plan = joined(of('tool-plan-delta'), 'delta', 'message', 'tool_plan')
  const citations = of('citation-start').map((event) => at(event, 'delta', 'message', 'citations'))
  return {
    id: of('message-start')[0]?.['id'],
    message: {
      role: 'assistant',
      ...(contents.length === 0 ? {} : { content: contents }),
      ...(plan === '' ? {} : { tool_plan: plan }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...(citations.length === 0 ? {} : { citations }),
    },
    ...recordOf(of('message-end')[0]?.['delta']),
  }
}

/** Each event holds the next text of a choice; what else it says replaces what was said before. */
function completions(events: readonly JsonRecord[]): unknown {
  // Writer's are bare text.
  if (events[0]?.['value'] !== undefined) return { choices: [{ text: joined(events, 'value') }] }
  const pieces = events.flatMap((event) => (event['choices'] ?? []) as JsonRecord[])
  const choices = byIndex(pieces, 'index').map((group) => {
    const reasons = group.map((piece) => piece['finish_reason']).filter(Boolean)
    const ended = { text: joined(group, 'text'), finish_reason: reasons.at(-1) ?? null }
    return Object.assign({}, ...group, ended) as JsonRecord
  })
  const usage = events.map((event) => event['usage']).filter(Boolean)
  const { usage: _last, obfuscation: _padding, ...whole } = Object.assign({}, ...events)
  const found = usage.length > 0 ? { usage: usage.at(-1) } : {}
  return { ...whole, ...found, choices }
}

function ollama(lines: readonly JsonRecord[]): unknown {
  const last = lines.at(-1)
  const { message } = recordOf(last)
  if (message === undefined) return { ...last, response: joined(lines, 'response') }
  const content = joined(lines, 'message', 'content')
  return { ...last, message: { ...recordOf(message), content } }
}
