import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { MessageStream } from '../../../src/pipeline/message-stream.ts'

interface Feed {
  readonly stream: MessageStream
  readonly push: (seq: number) => void
  readonly isAttached: () => boolean
  readonly ends: () => number
}

function message(seq: number): AnalysisMsg {
  return { v: 1, seq, at: 1000 + seq, kind: 'analyzer-failed', analyzer: 'a', error: 'e' }
}

function feed(limit: number): Feed {
  let listener: ((msg: AnalysisMsg) => void) | undefined
  let ends = 0
  const stream = new MessageStream(limit, () => {
    ends += 1
  })
  stream.attach((given) => {
    listener = given
    return () => {
      listener = undefined
    }
  })
  return {
    stream,
    push: (seq) => listener?.(message(seq)),
    isAttached: () => listener !== undefined,
    ends: () => ends,
  }
}

function pushAll(to: Feed, first: number, last: number): void {
  for (let seq = first; seq <= last; seq += 1) to.push(seq)
}

async function take(stream: MessageStream, count: number): Promise<AnalysisMsg[]> {
  const taken: AnalysisMsg[] = []
  for (let index = 0; index < count; index += 1) {
    const { value } = (await stream.next()) as { value: AnalysisMsg }
    taken.push(value)
  }
  return taken
}

const seqs = (messages: readonly AnalysisMsg[]): number[] => messages.map(({ seq }) => seq)

describe('a reader that keeps up', () => {
  test('gets every message in order, whether it waits first or not', async () => {
    const source = feed(3)
    const early = source.stream.next()
    pushAll(source, 0, 2)

    expect((await early).value).toEqual(message(0))
    expect(await take(source.stream, 2)).toEqual([message(1), message(2)])
  })

  test('can read what waits after the end, then is done', async () => {
    const source = feed(3)
    pushAll(source, 0, 1)

    source.stream.end()
    const all: AnalysisMsg[] = []
    for await (const msg of source.stream) all.push(msg)

    expect(seqs(all)).toEqual([0, 1])
    expect(await source.stream.next()).toEqual({ done: true, value: undefined })
    expect(source.isAttached()).toBe(false)
    expect(source.ends()).toBe(1)
  })

  test('is released when the end comes while it waits', async () => {
    const source = feed(3)
    const waiting = source.stream.next()

    source.stream.end()

    expect(await waiting).toEqual({ done: true, value: undefined })
  })

  test('that leaves its loop is detached and keeps nothing', async () => {
    const source = feed(10)
    pushAll(source, 0, 5)

    for await (const msg of source.stream) {
      if (msg.seq === 1) break
    }

    expect(source.isAttached()).toBe(false)
    expect(source.ends()).toBe(1)
    expect(await source.stream.next()).toEqual({ done: true, value: undefined })
  })
})

describe('a reader that falls behind', () => {
  test('is told what it lost before the message after the gap', async () => {
    const source = feed(2)
    pushAll(source, 0, 4)
    await source.stream.next()
    source.push(5)

    const [second, told, after] = await take(source.stream, 3)

    expect(second?.seq).toBe(1)
    expect(told).toEqual({
      v: 1,
      seq: 4,
      at: 1004,
      kind: 'messages-dropped',
      where: 'iterator',
      count: 3,
      bytes: 0,
    })
    expect(after?.seq).toBe(5)
  })

  test('is told at the gap even if it has caught up and waits for the next message', async () => {
    const source = feed(1)
    pushAll(source, 0, 2)
    await source.stream.next()
    const waiting = source.stream.next()
    source.push(3)

    expect((await waiting).value).toMatchObject({ kind: 'messages-dropped', seq: 2, count: 2 })
    expect((await source.stream.next()).value).toMatchObject({ seq: 3 })
  })

  test('is told at the end if nothing came after what it lost', async () => {
    const source = feed(1)
    pushAll(source, 0, 3)

    source.stream.end()
    const all: AnalysisMsg[] = []
    for await (const msg of source.stream) all.push(msg)

    expect(all.map(({ kind, seq }) => [kind, seq])).toEqual([
      ['analyzer-failed', 0],
      ['messages-dropped', 3],
    ])
  })

  property.prop([
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.constantFrom('push', 'read'), { maxLength: 80 }),
  ])('never sees a number twice, and every number is read or counted', async (limit, steps) => {
    const source = feed(limit)
    const reads: Array<Promise<IteratorResult<AnalysisMsg>>> = []
    let pushed = 0
    for (const step of steps) {
      if (step === 'push') {
        source.push(pushed)
        pushed += 1
      } else {
        // One read at a time, as `for await` does: only if something waits for it.
        const read = source.stream.next()
        reads.push(read)
        const isDone = await Promise.race([read.then(() => true), Promise.resolve(false)])
        if (!isDone) source.push(pushed)
        if (!isDone) pushed += 1
        await read
      }
    }
    source.stream.end()
    for await (const msg of source.stream) reads.push(Promise.resolve({ done: false, value: msg }))

    const read = (await Promise.all(reads)).map(({ value }) => value as AnalysisMsg)

    const numbers = seqs(read)
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    let accounted = 0
    for (const msg of read) accounted += msg.kind === 'messages-dropped' ? msg.count : 1
    expect(accounted).toBe(pushed)
  })
})
