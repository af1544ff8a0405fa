/** What the messages about a model call do to its row: the question, the answer, its place. */
import type { AnalysisMsg, ModelMessage, MsgOf, Part } from '../messages/schema.ts'
import type { Row } from './row.ts'
import { addTallies, emptyTally, reserve, summaryOf, tallyOf } from './row.ts'

/** Names of tools that a row keeps. */
const maxToolNames = 16

/** By how many calls the row grew; undefined for a message about something else. */
export function applyModelCall(
  row: Row,
  msg: AnalysisMsg,
  maxRowBytes: number,
): number | undefined {
  switch (msg.kind) {
    case 'model-called':
      return applyCall(row, msg, maxRowBytes)
    case 'model-answered':
      applyAnswer(row, msg)
      return 0
    case 'call-linked':
      applyLink(row, msg)
      return 0
    case 'stream-merged':
      applyMerged(row, msg, maxRowBytes)
      return 0
    default:
      return undefined
  }
}

function applyCall(row: Row, msg: MsgOf<'model-called'>, maxRowBytes: number): number {
  // A WebSocket carries one call after the other on one exchange; the row shows the latest.
  const isNext = row.detail?.answered !== undefined || row.current !== emptyTally
  const isFirst = row.kind !== 'call'
  row.kind = 'call'
  row.settled = isNext ? addTallies(row.settled, row.current) : row.settled
  row.current = emptyTally
  row.provider = msg.provider
  row.operation = msg.operation
  row.model = msg.model ?? row.model
  row.streaming = msg.streaming
  row.prompt = summaryOf(lastUserText(msg.messages))
  if (isNext) {
    row.answer = ''
    row.toolCalls = 0
    row.toolNames = []
  }
  const { detail } = row
  if (detail !== undefined) {
    detail.answered = undefined
    detail.link = undefined
    if (isNext) {
      detail.live.length = 0
      detail.liveLength = 0
    }
    if (reserve(row, sizeOfCall(msg), maxRowBytes)) detail.call = msg
  }
  return (isFirst || isNext) && !row.isRefused ? 1 : 0
}

function applyAnswer(row: Row, msg: MsgOf<'model-answered'>): void {
  row.provider = msg.provider
  row.operation = msg.operation
  row.model = msg.model ?? row.model
  row.ttftMs = msg.ttftMs
  row.tokensPerSecond = msg.tokensPerSecond
  row.finishReason = msg.finishReason
  row.durationMs ??= msg.durationMs
  row.current = tallyOf(msg)
  row.answer = summaryOf(answerText(msg)) || row.answer
  if (msg.error !== undefined) {
    row.problem ??= `${msg.error.type}: ${msg.error.message}`
    if (row.phase === 'done') row.phase = 'failed'
  }
  if (row.isPart) row.phase = msg.error === undefined ? 'done' : 'failed'
  row.toolCalls = msg.toolCalls.length
  row.toolNames = toolNamesOf(msg)
  if (row.detail === undefined) return
  reserve(row, sizeOfAnswer(msg), Number.POSITIVE_INFINITY)
  row.detail.answered = msg
  // The answer now stands in one piece.
  row.detail.live.length = 0
  row.detail.liveLength = 0
}

function applyLink(row: Row, msg: MsgOf<'call-linked'>): void {
  row.branch = msg.branch
  row.cacheVerdict = msg.cache.verdict
  const { sessionId, clientSessionId } = msg
  row.sessions = clientSessionId === undefined ? [sessionId] : [sessionId, clientSessionId]
  if (row.detail !== undefined) row.detail.link = msg
}

function applyMerged(row: Row, msg: MsgOf<'stream-merged'>, maxRowBytes: number): void {
  row.answer = summaryOf(msg.text) || row.answer
  if (row.detail === undefined) return
  if (reserve(row, msg.text.length * 2, maxRowBytes)) row.detail.merged = msg
}

/** Each name once, as many as a list has room for. */
function toolNamesOf({ toolCalls }: MsgOf<'model-answered'>): readonly string[] {
  const names = new Set<string>()
  for (const { name } of toolCalls) {
    names.add(summaryOf(name, 64))
    if (names.size >= maxToolNames) break
  }
  return [...names]
}

function sizeOfAnswer(msg: MsgOf<'model-answered'>): number {
  return msg.output.reduce((sum, part) => sum + partSize(part), 0)
}

function sizeOfCall(msg: MsgOf<'model-called'>): number {
  let size = 0
  for (const message of msg.messages) for (const part of message.parts) size += partSize(part)
  for (const tool of msg.tools) size += tool.name.length + (tool.description?.length ?? 0)
  return size
}

function partSize(part: Part): number {
  switch (part.type) {
    case 'tool-call':
      return part.name.length + part.arguments.length
    case 'media':
      return part.mediaType.length
    default:
      return part.text.length
  }
}

/** The newest thing the user said; a turn that only returns tool results shows those. */
function lastUserText(messages: readonly ModelMessage[]): string {
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index]
    if (message === undefined || message.role === 'system') continue
    const text = message.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
    if (message.role === 'user' && text.length > 0) return text.at(-1) ?? ''
    const results = message.parts.flatMap((part) =>
      part.type === 'tool-result' ? [`⚙ ${part.text}`] : [],
    )
    if (results.length > 0) return results.at(-1) ?? ''
  }
  return ''
}

function answerText(msg: MsgOf<'model-answered'>): string {
  const text = msg.output.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
  const calls = msg.toolCalls.map((call) => `⚙ ${call.name}`).join(' ')
  return [text, calls].filter((piece) => piece !== '').join(' ')
}
