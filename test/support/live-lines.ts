/** Messages as JSON lines, from `--json` or a capture, read and checked. */
import { expect } from 'vitest'

import { decodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg, MsgKind, MsgOf } from '../../src/messages/schema.ts'

/** What the analyzers make of recorded bytes, and make again on reading. */
export const rebuiltKinds: ReadonlySet<string> = new Set(['http-parsed', 'sse-event'])

/** The lines of a text, without their newlines; the last one must have one. */
export function linesOf(text: string): string[] {
  expect(text.endsWith('\n') || text === '').toBe(true)
  return text.split('\n').slice(0, -1)
}

/** Every line as a message; a line that is none fails the test. */
export function messagesOf(lines: readonly string[]): AnalysisMsg[] {
  return lines.map((line) => {
    const decoded = decodeLine(line)
    if (!decoded.ok || decoded.type !== 'message') throw new Error(`not a message: ${line}`)
    return decoded.msg
  })
}

export function only<K extends MsgKind>(
  kind: K,
  messages: readonly AnalysisMsg[],
): Array<MsgOf<K>> {
  return messages.filter((msg): msg is MsgOf<K> => msg.kind === kind)
}

/**
 * Numbers rise by one from 0; every connection and every exchange has ended exactly once, and
 * nothing but what analyzers made of it follows the end of an exchange.
 */
export function expectWellFormed(messages: readonly AnalysisMsg[]): void {
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index))
  const opened = only('connection-opened', messages).map(({ connectionId }) => connectionId)
  const closed = only('connection-closed', messages).map(({ connectionId }) => connectionId)
  expect(sorted(closed)).toEqual(sorted(opened))
  const started = only('request-started', messages).map(({ exchangeId }) => exchangeId)
  const ended = messages.filter(isEnd).map(({ exchangeId }) => exchangeId)
  expect(sorted(ended)).toEqual(sorted(started))
  expect(new Set(ended).size).toBe(ended.length)
  const over = new Set<string | undefined>()
  const late = messages.filter((msg) => {
    const isLate = msg.by === undefined && over.has(msg.exchangeId)
    if (isEnd(msg)) over.add(msg.exchangeId)
    return isLate
  })
  expect(late).toEqual([])
}

function sorted(ids: ReadonlyArray<string | undefined>): string[] {
  return ids.map((id) => id ?? 'none').toSorted((a, b) => a.localeCompare(b))
}

function isEnd(msg: AnalysisMsg): boolean {
  return msg.kind === 'exchange-completed' || msg.kind === 'exchange-failed'
}
