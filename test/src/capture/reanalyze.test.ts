import { expect, test } from 'vitest'

import type { CaptureLine } from '../../../src/capture/reader.ts'
import { reanalyze } from '../../../src/capture/reanalyze.ts'
import { decodeLine } from '../../../src/messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'

async function collect(lines: AsyncIterable<CaptureLine>): Promise<CaptureLine[]> {
  const collected: CaptureLine[] = []
  for await (const line of lines) collected.push(line)
  return collected
}

/** Says one `http-parsed` for each body chunk. */
const parser = (): Analyzer => ({
  name: 'parser',
  onMessage(msg, emit) {
    if (msg.kind !== 'request-body') return
    const bytes = msg.text?.length ?? 0
    emit({ kind: 'http-parsed', direction: 'request', bytes, truncated: false })
  },
})

/** Says one `sse-event` for each parsed body, and fails at bodies of three bytes. */
const merger = (): Analyzer => ({
  name: 'merger',
  onMessage(msg, emit) {
    if (msg.kind !== 'http-parsed') return
    if (msg.bytes === 3) throw new Error('three')
    for (const index of [0, 1]) emit({ kind: 'sse-event', index, data: 'd', sinceRequestMs: 1 })
  },
})

function runLive(drafts: readonly AnalysisMsgDraft[]): AnalysisMsg[] {
  const clock = { now: () => 1000, monotonicMs: () => 0 }
  const pipeline = new Pipeline({ analyzers: [parser(), merger()], clock, queueBytes: 1e6 })
  const messages: AnalysisMsg[] = []
  pipeline.subscribe((msg) => messages.push(msg))
  for (const draft of drafts) pipeline.publish(draft)
  pipeline.flush()
  return messages
}

async function* linesOf(messages: readonly AnalysisMsg[]): AsyncGenerator<CaptureLine> {
  for (const [index, msg] of messages.entries()) {
    yield { type: 'message', path: 'p', lineNumber: index + 1, msg, raw: JSON.stringify(msg) }
  }
}

function messagesOf(lines: readonly CaptureLine[]): AnalysisMsg[] {
  return lines.flatMap((line) => (line.type === 'message' ? [line.msg] : []))
}

const drafts: AnalysisMsgDraft[] = [
  { kind: 'request-body', exchangeId: 'x1', connectionId: 'c1', text: 'ab', offset: 0 },
  { kind: 'request-body', exchangeId: 'x1', connectionId: 'c1', text: 'abcd', offset: 2 },
  { kind: 'request-ended', exchangeId: 'x1', connectionId: 'c1', bytes: 6 },
]

test.each([
  ['everything', () => true],
  ['what cannot be made anew', (msg: AnalysisMsg) => msg.by === undefined],
])('makes the live messages again, numbers included, from a recording of %s', async (_, isKept) => {
  const live = runLive(drafts)

  const again = await collect(reanalyze(linesOf(live.filter(isKept)), [parser(), merger()]))

  expect(live).toHaveLength(9)
  expect(messagesOf(again)).toEqual(live)
})

test('gives every line made anew as it would be written', async () => {
  const again = await collect(reanalyze(linesOf(runLive(drafts)), [parser(), merger()]))

  for (const line of again) {
    const raw = line.type === 'message' ? line.raw : ''
    expect(decodeLine(raw)).toMatchObject({ ok: true, msg: messagesOf([line])[0] })
  }
})

test('reports an analyzer that fails and goes on', async () => {
  const [first] = runLive([{ kind: 'request-body', text: 'abc', offset: 0 }])
  const recorded = first === undefined ? [] : [first]

  const again = await collect(reanalyze(linesOf(recorded), [parser(), merger()]))

  expect(messagesOf(again).map((msg) => msg.kind)).toEqual([
    'request-body',
    'http-parsed',
    'analyzer-failed',
  ])
})

test('passes on headers, unknown kinds and problems', async () => {
  const place = { path: 'p', lineNumber: 1 }
  const others: CaptureLine[] = [
    { type: 'unknown', ...place, value: { kind: 'blob' }, raw: '{"kind":"blob"}' },
    { type: 'problem', ...place, problem: 'not JSON', cutOff: false },
  ]
  async function* lines(): AsyncGenerator<CaptureLine> {
    yield* others
  }

  expect(await collect(reanalyze(lines(), [parser()]))).toEqual(others)
})
