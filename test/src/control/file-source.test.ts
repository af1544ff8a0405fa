import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { createFileSource } from '../../../src/control/file-source.ts'
import type { MessageSource } from '../../../src/control/source.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'
import type { HeardSource } from '../../support/heard-source.ts'
import { listenTo } from '../../support/heard-source.ts'
import { chatSteps, recordSteps } from '../../support/recorded-captures.ts'

let root = ''
const opened: Array<{ close(): unknown }> = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'porthole-source-'))
})
afterEach(async () => {
  for (const resource of opened.splice(0).toReversed()) await resource.close()
  rmSync(root, { recursive: true })
})

function ended(seq: number): AnalysisMsg {
  return { v: 1, seq, at: 1, kind: 'request-ended', bytes: 1 }
}

function listen(source: MessageSource): HeardSource {
  opened.push(source)
  return listenTo(source)
}

describe('a capture as a source', () => {
  const doubler = (closed: string[]): Analyzer => ({
    name: 'doubler',
    onMessage(msg, emit) {
      if (msg.kind !== 'request-ended') return
      emit({ kind: 'sse-event', index: 0, data: '', sinceRequestMs: 0 })
    },
    close: async () => void closed.push('closed'),
  })

  test('gives its messages, tells what it could not read, and ends', async () => {
    const path = join(root, 'c.jsonl')
    writeFileSync(path, `${JSON.stringify(ended(0))}\nbad\n${JSON.stringify(ended(1))}\n{"cut`)
    const { lines, said } = listen(createFileSource(path))
    await said('end')

    expect(lines).toEqual([
      `${path}: request-ended 0`,
      'status: line 2: not JSON',
      `${path}: request-ended 1`,
      'status: line 4: cut off (not JSON)',
      'end',
      'status: line 4: cut off (not JSON)',
    ])
  })

  test('makes anew what the capture leaves out', async () => {
    const path = join(root, 'c.jsonl')
    const closed: string[] = []
    writeFileSync(path, `${JSON.stringify(ended(0))}\n${JSON.stringify(ended(2))}\n`)
    const { lines, said } = listen(createFileSource(path, { analyzers: () => [doubler(closed)] }))
    await said('end')

    expect(lines).toEqual([
      `${path}: request-ended 0`,
      `${path}: sse-event 1`,
      `${path}: request-ended 2`,
      `${path}: sse-event 3`,
      'end',
      'status: end of capture',
    ])
    expect(closed).toEqual(['closed'])
  })

  test('that cannot be read says so and ends', async () => {
    const path = join(root, 'none.jsonl')
    const { lines, said } = listen(createFileSource(path))
    await said('end')

    const problem = `status: cannot read the capture ${path}: no such file`
    expect(lines).toEqual([problem, 'end', problem])
  })

  test('that is large is told without the bodies of its older exchanges, the newest in full', async () => {
    const path = join(root, 'large.jsonl')
    const turns = Array.from({ length: 40 }, (_, index) => ({
      asked: `question ${index} ${'padding '.repeat(300)}`,
      answered: `answer ${index}`,
    }))
    await recordSteps(path, chatSteps(turns))
    const messages: AnalysisMsg[] = []
    const statuses: string[] = []
    const done = Promise.withResolvers<void>()
    const source = createFileSource(path, { analyzers: defaultAnalyzers, largeBytes: 100_000 })
    opened.push(source)
    source.start({
      onMessage: (msg) => void messages.push(msg),
      onStatus: (text) => {
        statuses.push(text)
        if (text.startsWith('end of capture')) done.resolve()
      },
      onEnd: () => {},
    })
    await done.promise

    const of = (kind: string): AnalysisMsg[] => messages.filter((msg) => msg.kind === kind)
    const last = messages.filter(({ exchangeId }) => exchangeId === 'x40').map(({ kind }) => kind)
    expect(of('model-called')).toHaveLength(40)
    expect(of('call-linked')).toHaveLength(40)
    expect(of('exchange-completed')).toHaveLength(40)
    expect(of('request-body').length).toBeLessThan(20)
    expect(of('http-parsed').length).toBe(of('request-ended').filter(isFull(messages)).length * 2)
    expect(last).toEqual(expect.arrayContaining(['request-body', 'http-parsed', 'response-body']))
    expect(last.filter((kind) => kind === 'model-called')).toHaveLength(1)
    expect(statuses.at(-1)).toContain('bodies of its older exchanges are read when they are opened')

    const again = (await source.load?.(path, 'x3')) ?? []
    expect(new Set(again.map(({ exchangeId }) => exchangeId))).toEqual(new Set(['x3']))
    expect(again.map(({ kind }) => kind)).toEqual(
      messages.filter(({ exchangeId }) => exchangeId === 'x40').map(({ kind }) => kind),
    )
    await expect(source.load?.(path, 'unheard-of')).resolves.toEqual([])
  })

  test('says how far it has come where that takes long', async () => {
    const path = join(root, 'long.jsonl')
    const turns = Array.from({ length: 3000 }, (_, index) => ({
      asked: `a${index}`,
      answered: 'b',
    }))
    const steps = turns.flatMap((turn, index) => chatSteps([turn], { id: `x${index}-` }))
    await recordSteps(path, steps)
    let now = 0
    const statuses: string[] = []
    const clock = { now: () => now, monotonicMs: () => (now += 20) }
    const source = createFileSource(path, { largeBytes: 1, clock })
    opened.push(source)
    await new Promise<void>((resolve) => {
      source.start({
        onMessage: () => {},
        onStatus: (text) => void statuses.push(text),
        onEnd: resolve,
      })
    })

    const shares = statuses.map((text) => Number(/^reading the capture, (\d+) %$/u.exec(text)?.[1]))
    const told = shares.filter((share) => !Number.isNaN(share))
    expect(told.length).toBeGreaterThan(3)
    expect(told).toEqual([...told].sort((a, b) => a - b))
  })
})

/** Whether the body of an exchange was told. */
function isFull(messages: readonly AnalysisMsg[]): (msg: AnalysisMsg) => boolean {
  const full = new Set(
    messages.filter((msg) => msg.kind === 'request-body').map((msg) => msg.exchangeId),
  )
  return ({ exchangeId }) => full.has(exchangeId)
}

test('a capture is asked for no host', () => {
  expect(createFileSource('any.jsonl')).not.toHaveProperty('allow')
})
