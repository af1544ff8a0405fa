import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'

import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { registerReplayCommand } from '../../../src/cli/replay.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-replay-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const header = '{"kind":"capture-opened","v":1,"porthole":"1.2.3","startedAt":5}'

function line(seq: number, at = 10): string {
  return JSON.stringify({ v: 1, seq, at, kind: 'request-ended', bytes: seq })
}

/** Keeps what is written; `limit` bytes on, it acts like a pipe whose reader has gone. */
function sink(limit = Infinity) {
  const written: string[] = []
  const times: number[] = []
  let bytes = 0
  const stream = new Writable({
    highWaterMark: 16,
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      times.push(performance.now())
      if (bytes > limit) {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
        return
      }
      written.push(chunk.toString())
      setImmediate(done)
    },
  })
  return { stream, times, text: () => written.join('') }
}

const counter = (closed: string[]): Analyzer => ({
  name: 'counter',
  onMessage(msg, emit) {
    if (msg.kind !== 'request-ended') return
    emit({ kind: 'sse-event', index: msg.bytes, data: 'd', sinceRequestMs: 0 })
  },
  close: async () => {
    closed.push('counter')
  },
})

async function replay(args: string[], out = sink()) {
  const closed: string[] = []
  const errors = sink()
  const program = new Command().exitOverride()
  program.configureOutput({ writeErr: () => {} })
  registerReplayCommand(program, {
    stdout: out.stream,
    stderr: errors.stream,
    analyzers: () => [counter(closed)],
    describe: (msg: AnalysisMsg) => (msg.kind === 'request-ended' ? `ended ${msg.seq}` : undefined),
  })
  const failure: unknown = await program.parseAsync(['replay', ...args], { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { out: out.text(), errors: errors.text(), failure, closed, times: out.times }
}

test('prints exactly the recorded messages, without the header', async () => {
  const spaced = '{ "kind":"request-ended", "v":1,"seq":1,"at":10,"bytes":3, "later":true}'
  const unknown = '{"kind":"from-the-future","hash":"a"}'
  writeFileSync(path, `${header}\n${line(0)}\n${spaced}\n${unknown}\n`)

  const { out, errors, failure } = await replay([path, '--json'])

  expect(out).toBe(`${line(0)}\n${spaced}\n${unknown}\n`)
  expect(errors).toBe('')
  expect(failure).toBeUndefined()
})

test('prints a line for each message that has one', async () => {
  const opened = '{"v":1,"seq":1,"at":10,"kind":"analyzer-failed","analyzer":"a","error":"e"}'
  writeFileSync(path, `${header}\n${line(0)}\n${opened}\n${line(2)}\n`)

  expect((await replay([path])).out).toBe('ended 0\nended 2\n')
})

test('runs the analyzers anew and closes them', async () => {
  const stale = { v: 1, seq: 1, at: 10, by: 'old', kind: 'sse-event', index: 9, data: 'x' }
  writeFileSync(
    path,
    `${line(0)}\n${JSON.stringify({ ...stale, sinceRequestMs: 1 })}\n${line(5)}\n`,
  )

  const { out, closed } = await replay([path, '--json', '--analyze'])

  const messages = out
    .split('\n')
    .slice(0, -1)
    .map((text) => JSON.parse(text) as AnalysisMsg)
  expect(messages).toMatchObject([
    { kind: 'request-ended', seq: 0 },
    { kind: 'sse-event', seq: 1, index: 0, by: 'counter' },
    { kind: 'request-ended', seq: 5 },
    { kind: 'sse-event', seq: 6, index: 5, by: 'counter' },
  ])
  expect(closed).toEqual(['counter'])
})

test('succeeds where only the last line is cut off, and says which', async () => {
  writeFileSync(path, `${header}\n${line(0)}\n{"kind":"requ`)

  const { out, errors, failure } = await replay([path, '--json'])

  expect(out).toBe(`${line(0)}\n`)
  expect(errors).toBe('porthole: line 3: cut off (not JSON)\n')
  expect(failure).toBeUndefined()
})

test('prints everything else and fails with 1 where a middle line is damaged', async () => {
  writeFileSync(path, `${line(0)}\n{\u001b]0;x\n${line(2)}\n`)

  const { out, errors, failure } = await replay([path, '--json'])

  expect(out).toBe(`${line(0)}\n${line(2)}\n`)
  expect(errors).toBe('porthole: line 2: not JSON\n')
  expect(failure).toMatchObject({ code: 'ERR_CAPTURE_DAMAGED', exitCode: 1, details: { count: 1 } })
})

test('prints no control characters of a damaged line', async () => {
  writeFileSync(
    path,
    `{"kind":"request-ended","v":1,"\u009b2J":1}\n{"kind":"x","v":"\\u001b[2J"}\n`,
  )

  const { errors } = await replay([path, '--json'])

  expect(errors.split('\n')).toHaveLength(3)
  expect(errors).not.toMatch(/[\u001b\u009b]/u)
})

test('names a missing capture', async () => {
  expect((await replay([path])).failure).toMatchObject({ code: 'ERR_CAPTURE_UNREADABLE' })
})

test('stops quietly when nobody reads any more', async () => {
  writeFileSync(path, Array.from({ length: 1000 }, (_, seq) => `${line(seq)}\n`).join(''))

  const { out, failure, closed } = await replay([path, '--json', '--analyze'], sink(1000))

  expect(out.length).toBeLessThanOrEqual(1000)
  expect(failure).toBeUndefined()
  expect(closed).toEqual(['counter'])
})

test('waits as long as it took, divided by the speed', async () => {
  // Whoever waited for more than lies between two lines would wait for years.
  const at = (ms: number): number => 1_700_000_000_000 + ms
  const lines = [line(0, at(0)), line(1, at(0)), line(2, at(500)), line(3, at(1000))]
  writeFileSync(path, lines.map((each) => `${each}\n`).join(''))

  const startedMs = performance.now()
  const { out, times } = await replay([path, '--json', '--speed', '10'])

  expect(out.split('\n')).toHaveLength(5)
  const [, , third = 0, fourth = 0] = times.map((time) => time - startedMs)
  // The lower bounds alone: how busy the machine is says nothing of the replay.
  expect(third).toBeGreaterThanOrEqual(50)
  expect(fourth).toBeGreaterThanOrEqual(100)
})

test('begins anew where another process went on in the same file', async () => {
  writeFileSync(path, `${line(0, 9_000_000)}\n${line(1, 1000)}\n`)

  expect((await replay([path, '--json', '--speed', '1'])).out).toBe(
    `${line(0, 9_000_000)}\n${line(1, 1000)}\n`,
  )
})

test('refuses a speed that it does not have', async () => {
  expect((await replay([path, '--speed', '3'])).failure).toMatchObject({
    code: 'commander.invalidArgument',
  })
})
