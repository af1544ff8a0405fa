/**
 * Rows of exchanges that run no model: operations of a provider's interface, and calls of the Model
 * Context Protocol. Their summaries use the places of prompt and answer.
 */
import type { AnalysisMsg, MsgOf, Part } from '../messages/schema.ts'
import type { Row } from './row.ts'
import { reserve, summaryOf } from './row.ts'

/** False for a message of another kind. */
export function applyOperation(row: Row, msg: AnalysisMsg, maxRowBytes: number): boolean {
  switch (msg.kind) {
    case 'operation-performed':
      applyPerformed(row, msg)
      return true
    case 'mcp-called':
      applyCalled(row, msg, maxRowBytes)
      return true
    case 'mcp-answered':
      applyAnswered(row, msg, maxRowBytes)
      return true
    default:
      return false
  }
}

function applyPerformed(row: Row, msg: MsgOf<'operation-performed'>): void {
  row.kind = 'api'
  row.provider = msg.provider
  row.operation = msg.operation
  row.prompt = summaryOf([msg.operation, ...msg.subjects].join(' '))
  row.answer = summaryOf(msg.facts.map(({ name, value }) => `${name} ${value}`).join(' · '))
  row.durationMs ??= msg.durationMs
  fail(row, msg.error)
  if (row.detail !== undefined) row.detail.operation = msg
}

function applyCalled(row: Row, msg: MsgOf<'mcp-called'>, maxRowBytes: number): void {
  row.kind = 'mcp'
  row.provider = 'mcp'
  row.operation = msg.method
  const words = [msg.method, msg.name, msg.arguments].filter((word) => word !== undefined)
  row.prompt = summaryOf(words.join(' '))
  // A notification gets no answer.
  if (row.isPart && msg.requestId === undefined) row.phase = 'done'
  const { detail } = row
  if (detail === undefined) return
  if (reserve(row, msg.arguments?.length ?? 0, maxRowBytes)) detail.asked = msg
}

function applyAnswered(row: Row, msg: MsgOf<'mcp-answered'>, maxRowBytes: number): void {
  row.kind = 'mcp'
  row.durationMs ??= msg.durationMs
  row.answer = summaryOf(msg.result.map(textOf).join(' '))
  if (row.isPart) row.phase = 'done'
  fail(row, msg.error)
  const size = msg.result.reduce((sum, part) => sum + textOf(part).length, 0)
  if (row.detail !== undefined && reserve(row, size, maxRowBytes)) row.detail.replied = msg
}

function fail(row: Row, error: MsgOf<'mcp-answered'>['error']): void {
  if (error === undefined) return
  row.problem ??= `${error.type}: ${error.message}`
  if (row.phase === 'done') row.phase = 'failed'
}

function textOf(part: Part): string {
  switch (part.type) {
    case 'tool-call':
      return `${part.name} ${part.arguments}`
    case 'media':
      return `[${part.mediaType}]`
    default:
      return part.text
  }
}
