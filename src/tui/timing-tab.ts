/**
 * The Timing tab: where the time of an exchange went, as bars over one axis. Parts that were not
 * measured (an old capture, a kept connection) are named and have no bar.
 */
import type { MsgOf } from '../messages/schema.ts'
import { barText } from './bar.ts'
import type { TabView } from './block.ts'
import { heading, textLines } from './block.ts'
import type { Document } from './document.ts'
import { plainDocument } from './document.ts'
import { fit, formatCount, formatDuration, formatTime } from './format.ts'
import type { Line, Tone } from './line.ts'
import { clipLine, span } from './line.ts'
import type { Row, StreamEvent } from './row.ts'

interface Phase {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly tone: Tone
  readonly note: string
}

const nameWidth = 14
const timeWidth = 10
/** Cells of the longest note. */
const noteWidth = 22

/** `now` is the time against which a running exchange is measured. */
export function timingTab(row: Row, view: TabView, now: number): Document {
  const { width } = view
  const { detail } = row
  if (detail === undefined) {
    const text = 'The details of this row were dropped to make room; the capture has them.'
    return plainDocument(textLines(text, width, 'warn'))
  }
  const phases = phasesOf(row, now)
  const total = Math.max(row.durationMs ?? 0, ...phases.map(({ to }) => to), 0.01)
  const running = row.phase === 'running' ? ', still running' : ''
  const lines: Line[] = [
    heading(
      'timing',
      width,
      `${formatDuration(total)}${running} · began ${formatTime(row.startedAt)}`,
    ),
    ...phases.flatMap((one) => phaseLines(one, total, width)),
    ...unmeasured(row, width),
    ...streamLines(detail.events, width),
  ]
  return plainDocument(lines)
}

function phasesOf(row: Row, now: number): Phase[] {
  const end = row.durationMs ?? Math.max(0, now - row.startedAt)
  // One of several calls on a socket that stands already.
  if (row.isPart) return answerPhases(row, 0, end)
  const head = row.detail?.heads.responseStarted
  const sentAt = sentAfterMs(row)
  const connected = (head?.connectMs ?? 0) + (head?.tlsMs ?? 0)
  const phases = connectPhases(head)
  if (sentAt !== undefined) {
    phases.push(phase('request sent', Math.min(connected, sentAt), sentAt, 'user'))
  }
  const waitFrom = Math.max(connected, sentAt ?? 0)
  if (head !== undefined) {
    const { ttfbMs } = head
    const from = Math.min(waitFrom, ttfbMs)
    phases.push(phase('waiting', from, ttfbMs, 'warn', 'for the first byte'))
    return [...phases, ...answerPhases(row, ttfbMs, end)]
  }
  if (row.kind === 'tunnel') return phases
  return [...phases, phase('waiting', Math.min(waitFrom, end), end, 'warn', 'no answer yet')]
}

type Head = MsgOf<'response-started'> | undefined

function connectPhases(head: Head): Phase[] {
  const { connectMs, tlsMs } = head ?? {}
  const phases: Phase[] = []
  if (connectMs !== undefined) phases.push(phase('connect', 0, connectMs, 'plain', 'DNS and TCP'))
  if (tlsMs !== undefined) {
    const from = connectMs ?? 0
    phases.push(phase('TLS', from, from + tlsMs, 'plain', 'with the upstream'))
  }
  return phases
}

/** From the first byte of the answer on. */
function answerPhases({ ttftMs, detail }: Row, firstByte: number, end: number): Phase[] {
  const name = detail?.events.length === 0 ? 'answer' : 'stream'
  if (ttftMs === undefined || ttftMs < firstByte) return [phase(name, firstByte, end, 'good')]
  return [
    phase('first token', firstByte, ttftMs, 'warn', 'after the first byte'),
    phase(name, ttftMs, end, 'good'),
  ]
}

function phase(name: string, from: number, to: number, tone: Tone, note = ''): Phase {
  return { name, from, to: Math.max(from, to), tone, note }
}

/** When the request had been read to its end, by the clock of the messages. */
function sentAfterMs({ detail, startedAt }: Row): number | undefined {
  const ended = detail?.heads.requestEnded
  return ended === undefined ? undefined : Math.max(0, ended.at - startedAt)
}

function phaseLines({ name, from, to, tone, note }: Phase, total: number, width: number): Line[] {
  const room = Math.min(120, width - nameWidth - timeWidth - noteWidth - 3)
  const bar = room < 8 ? '' : fit(barText({ from, to, total }, room), room)
  const noteText = note === '' ? '' : ` ${note}`
  return [
    clipLine(
      [
        span(`  ${fit(name, nameWidth)}`),
        span(bar, tone),
        span(milliseconds(to - from).padStart(timeWidth)),
        span(noteText, 'dim'),
      ],
      width,
    ),
  ]
}

function unmeasured(row: Row, width: number): Line[] {
  const head = row.detail?.heads.responseStarted
  if (row.isPart || head === undefined || head.connectMs !== undefined) return []
  const text =
    head.reusedConnection === true
      ? 'connect and TLS: none, the connection to the upstream was kept from before'
      : 'connect and TLS: not recorded; they are part of waiting'
  return [[], ...textLines(text, width, 'dim')]
}

function streamLines(events: readonly StreamEvent[], width: number): Line[] {
  if (events.length < 2) return []
  let longest = 0
  let before = 0
  for (let at = 1; at < events.length; at += 1) {
    const gap = (events[at]?.sinceRequestMs ?? 0) - (events[at - 1]?.sinceRequestMs ?? 0)
    if (gap > longest) {
      longest = gap
      before = at
    }
  }
  const span = (events.at(-1)?.sinceRequestMs ?? 0) - (events[0]?.sinceRequestMs ?? 0)
  const mean = span / (events.length - 1)
  const texts = [
    `${formatCount(events.length)} events, ${milliseconds(mean)} apart on average`,
    `longest silence ${milliseconds(longest)}, before event ${formatCount(before)}`,
  ]
  return [[], heading('events', width), ...texts.flatMap((text) => textLines(text, width))]
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${formatCount(ms)} ms`
}
