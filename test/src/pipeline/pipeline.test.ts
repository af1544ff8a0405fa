import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { Clock } from '../../../src/base/clock.ts'
import { decodeBytes } from '../../../src/messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'

const mebibyte = 1024 * 1024

class HeldClock implements Clock {
  ms = 1000
  now(): number {
    return this.ms
  }
  monotonicMs(): number {
    return this.ms
  }
}

interface Bench {
  readonly pipeline: Pipeline
  readonly clock: HeldClock
  readonly delivered: AnalysisMsg[]
}

function bench(analyzers: readonly Analyzer[] = [], queueBytes = 64 * mebibyte): Bench {
  const clock = new HeldClock()
  const pipeline = new Pipeline({ analyzers, clock, queueBytes })
  const delivered: AnalysisMsg[] = []
  pipeline.subscribe((msg) => delivered.push(msg))
  return { pipeline, clock, delivered }
}

function note(rule: string): Extract<AnalysisMsgDraft, { kind: 'rule-matched' }> {
  return { kind: 'rule-matched', rule, decision: 'allow', mode: 'observe' }
}

const rulesOf = (messages: readonly AnalysisMsg[]): string[] =>
  messages.map((msg) => (msg.kind === 'rule-matched' ? msg.rule : msg.kind))

/** Emits `count` notes for each note whose name is shorter than `depth`. */
function splitter(name: string, count: number, depth: number): Analyzer {
  return {
    name,
    onMessage(msg, emit) {
      if (msg.kind !== 'rule-matched' || msg.rule.length >= depth) return
      for (let index = 0; index < count; index += 1) emit(note(`${msg.rule}${name}${index}`))
    },
  }
}

describe('the order of messages', () => {
  test('is depth first: what a message caused comes before the next message', () => {
    const { pipeline, delivered } = bench([splitter('a', 2, 2), splitter('b', 1, 4)])

    pipeline.publish(note('1'))
    pipeline.publish(note('2'))
    pipeline.flush()

    expect(rulesOf(delivered).join(' ')).toBe('1 1a0 1a0b0 1a1 1a1b0 1b0 2 2a0 2a0b0 2a1 2a1b0 2b0')
  })

  test('shows an analyzer what those before it emit, never its own or those after it', () => {
    const seen: Record<string, string[]> = { a: [], b: [], c: [] }
    const watching = (name: string): Analyzer => ({
      name,
      onMessage(msg, emit) {
        if (msg.kind !== 'rule-matched') return
        seen[name]?.push(msg.rule)
        if (msg.rule === '1') emit(note(name))
      },
    })
    const { pipeline } = bench([watching('a'), watching('b'), watching('c')])

    pipeline.publish(note('1'))
    pipeline.flush()

    expect(seen).toEqual({ a: ['1'], b: ['1', 'a'], c: ['1', 'a', 'b'] })
  })

  property.prop([
    fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(2), fc.nat(4)), { maxLength: 4 }),
    fc.integer({ min: 1, max: 6 }),
  ])('gives seq that rises by one, however much is emitted', (plan, count) => {
    const analyzers = plan.map(([name, many, depth]) => splitter(name, many, depth))
    const { pipeline, delivered } = bench(analyzers)
    for (let index = 0; index < count; index += 1) pipeline.publish(note('x'))

    pipeline.flush()

    expect(delivered.map(({ seq }) => seq)).toEqual(delivered.map((_, index) => index))
    expect(pipeline.stats).toEqual({ messages: delivered.length, dropped: 0, queuedBytes: 0 })
  })

  test('is kept when messages are worked off between turns of the loop', async () => {
    const { pipeline, delivered } = bench()
    const count = 1000
    const done = new Promise<void>((resolve) => {
      pipeline.subscribe(({ seq }) => {
        if (seq === count - 1) resolve()
      })
    })

    for (let index = 0; index < count; index += 1) pipeline.publish(note(String(index)))
    expect(delivered).toHaveLength(0)
    await done

    expect(rulesOf(delivered)).toEqual(Array.from({ length: count }, (_, index) => String(index)))
  })
})

describe('what is emitted', () => {
  test('inherits ids, agent and time from its cause and names its emitter', () => {
    const { pipeline, clock, delivered } = bench([splitter('a', 1, 2)])

    pipeline.publish({ ...note('1'), connectionId: 'c1', exchangeId: 'x1', agent: 'g' })
    clock.ms = 9999
    pipeline.flush()

    expect(delivered[1]).toEqual({
      v: 1,
      seq: 1,
      at: 1000,
      connectionId: 'c1',
      exchangeId: 'x1',
      agent: 'g',
      by: 'a',
      ...note('1a0'),
    })
  })

  test('keeps ids, time and emitter of its own', () => {
    const analyzer: Analyzer = {
      name: 'a',
      onMessage(msg, emit) {
        if (msg.kind === 'rule-matched' && msg.rule === '1')
          emit({ ...note('own'), exchangeId: 'x9', at: 7, by: 'somebody' })
      },
    }
    const { pipeline, delivered } = bench([analyzer])

    pipeline.publish({ ...note('1'), exchangeId: 'x1', connectionId: 'c1' })
    pipeline.flush()

    expect(delivered[1]).toMatchObject({
      exchangeId: 'x9',
      connectionId: 'c1',
      at: 7,
      by: 'somebody',
    })
  })

  test('has no ids that its cause does not have', () => {
    const { pipeline, delivered } = bench([splitter('a', 1, 2)])

    pipeline.publish(note('1'))
    pipeline.flush()

    expect(Object.keys(delivered[1] ?? {}).toSorted()).toEqual([
      'at',
      'by',
      'decision',
      'kind',
      'mode',
      'rule',
      'seq',
      'v',
    ])
  })
})

describe('an analyzer that throws', () => {
  const broken: Analyzer = {
    name: 'broken',
    onMessage(msg, emit) {
      emit(note(`before-${msg.seq}`))
      throw new Error('no')
    },
  }

  test('is reported with the ids of the message, and the chain goes on', () => {
    const seen: string[] = []
    const after: Analyzer = { name: 'after', onMessage: (msg) => void seen.push(msg.kind) }
    const { pipeline, delivered } = bench([broken, after])

    pipeline.publish({ ...note('1'), exchangeId: 'x1' })
    pipeline.publish(note('2'))
    pipeline.flush()

    expect(rulesOf(delivered)).toEqual([
      '1',
      'before-0',
      'analyzer-failed',
      '2',
      'before-3',
      'analyzer-failed',
    ])
    expect(delivered[2]).toMatchObject({ analyzer: 'broken', error: 'no', exchangeId: 'x1' })
    expect(seen).toEqual(delivered.map(({ kind }) => kind))
  })

  test('is not shown its own failure, so that it cannot fail without end', () => {
    const kinds: string[] = []
    const touchy: Analyzer = {
      name: 'touchy',
      onMessage(msg) {
        kinds.push(msg.kind)
        throw new Error('again')
      },
    }
    const { pipeline } = bench([touchy])

    pipeline.publish(note('1'))
    pipeline.flush()

    expect(kinds).toEqual(['rule-matched'])
  })

  test.each([['text'], [undefined], [null], [{ toString: (): string => 'object' }]])(
    'with %j instead of an error is reported all the same',
    (thrown) => {
      const odd: Analyzer = {
        name: 'odd',
        onMessage() {
          // oxlint-disable-next-line typescript/only-throw-error -- analyzers may be anybody's code
          throw thrown
        },
      }
      const { pipeline, delivered } = bench([odd])

      pipeline.publish(note('1'))
      pipeline.flush()

      expect(delivered[1]).toMatchObject({ kind: 'analyzer-failed', analyzer: 'odd' })
    },
  )

  test('does not stop a listener, nor does a listener that throws stop another', () => {
    const { pipeline, delivered } = bench([broken])
    const later: number[] = []
    const stop = pipeline.subscribe(() => {
      throw new Error('a bad listener')
    })
    pipeline.subscribe(({ seq }) => later.push(seq))

    pipeline.publish(note('1'))
    pipeline.flush()
    stop()

    expect(later).toEqual([0, 1, 2])
    expect(delivered).toHaveLength(3)
  })
})

describe('a full queue', () => {
  const body = (offset: number, size: number): Parameters<Pipeline['publishBody']>[0] => ({
    kind: 'response-body',
    connectionId: 'c1',
    exchangeId: 'x1',
    offset,
    // Spaces: the beginning of no secret, for which the pipeline would wait.
    chunk: Buffer.alloc(size, 0x20),
  })

  test('drops body chunks, counts them, and tells once it is empty', () => {
    const { pipeline, delivered } = bench([], 3 * 4096)

    for (let index = 0; index < 10; index += 1) pipeline.publishBody(body(index * 3072, 3072))
    pipeline.flush()

    expect(delivered.filter(({ kind }) => kind === 'response-body')).toHaveLength(3)
    expect(delivered.at(-1)).toMatchObject({
      kind: 'messages-dropped',
      where: 'analysis',
      count: 7,
      bytes: 7 * 3072,
    })
    expect(pipeline.stats).toMatchObject({ dropped: 7, queuedBytes: 0 })
  })

  test('takes heads and ends all the same', () => {
    const { pipeline, delivered } = bench([], 2048)

    pipeline.publishBody(body(0, 1024))
    for (let index = 0; index < 50; index += 1) {
      pipeline.publishBody(body(1024, 1024))
      pipeline.publish({
        kind: 'exchange-completed',
        status: 200,
        requestBytes: 0,
        responseBytes: 0,
        durationMs: index,
      })
    }
    pipeline.flush()

    expect(delivered.filter(({ kind }) => kind === 'exchange-completed')).toHaveLength(50)
    expect(delivered.filter(({ kind }) => kind === 'response-body')).toHaveLength(1)
    expect(delivered.at(-1)).toMatchObject({ kind: 'messages-dropped', count: 50 })
  })

  property.prop([
    fc.array(fc.oneof(fc.nat(3000), fc.constant('end' as const), fc.constant('flush' as const)), {
      maxLength: 60,
    }),
  ])('accounts for every byte: shown or counted as dropped', (steps) => {
    const { pipeline, delivered } = bench([], 8 * 1024)
    let bytes = 0
    let ends = 0
    for (const step of steps) {
      if (step === 'flush') pipeline.flush()
      else if (step === 'end') {
        pipeline.publish(note('end'))
        ends += 1
      } else {
        pipeline.publishBody(body(bytes, step))
        bytes += step
      }
    }
    pipeline.flush()

    let accounted = 0
    for (const msg of delivered) {
      if (msg.kind === 'response-body') accounted += decodeBytes(msg).byteLength
      if (msg.kind === 'messages-dropped') accounted += msg.bytes
    }
    expect(accounted).toBe(bytes)
    expect(rulesOf(delivered).filter((rule) => rule === 'end')).toHaveLength(ends)
  })

  test('tells of dropped chunks by itself, without a flush', async () => {
    const { pipeline } = bench([], 2048)
    const told = new Promise<AnalysisMsg>((resolve) => {
      pipeline.subscribe((msg) => {
        if (msg.kind === 'messages-dropped') resolve(msg)
      })
    })

    pipeline.publishBody(body(0, 1024))
    pipeline.publishBody(body(1024, 1024))

    expect(await told).toMatchObject({ count: 1, bytes: 1024 })
  })
})

describe('a body chunk', () => {
  property.prop([
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc.option(fc.constant('g'), { nil: undefined }),
  ])('becomes messages with its bytes, ids and offset', (bytes, agent) => {
    const { pipeline, delivered } = bench()

    pipeline.publishBody({
      kind: 'request-body',
      connectionId: 'c',
      exchangeId: 'x',
      agent,
      offset: 5,
      chunk: bytes,
    })
    pipeline.flush()

    const [msg] = delivered
    expect(msg).toMatchObject({
      kind: 'request-body',
      connectionId: 'c',
      exchangeId: 'x',
      offset: 5,
    })
    expect(msg !== undefined && 'agent' in msg).toBe(agent !== undefined)
    const told = delivered.map((part) =>
      part.kind === 'request-body' ? decodeBytes(part) : Buffer.alloc(0),
    )
    expect(Buffer.concat(told)).toEqual(Buffer.from(bytes))
  })
})

describe('close', () => {
  test('delivers what waits, then closes the analyzers in order, each once', async () => {
    const events: string[] = []
    const closing = (name: string): Analyzer => ({
      name,
      onMessage: () => void events.push(`${name} saw`),
      close: () => {
        events.push(`${name} closed`)
        return Promise.resolve()
      },
    })
    const { pipeline } = bench([closing('a'), { name: 'none' }, closing('b')])

    pipeline.publish(note('1'))
    await pipeline.close()

    expect(events).toEqual(['a saw', 'b saw', 'a closed', 'b closed'])
  })

  test('goes on past an analyzer whose close fails, and tells', async () => {
    const closed: string[] = []
    const failing: Analyzer = {
      name: 'failing',
      close: () => Promise.reject(new Error('disk full')),
    }
    const throwing: Analyzer = {
      name: 'throwing',
      close: () => {
        throw new Error('at once')
      },
    }
    const fine: Analyzer = {
      name: 'fine',
      close: () => {
        closed.push('fine')
        return Promise.resolve()
      },
    }
    const { pipeline, delivered } = bench([failing, throwing, fine])

    await pipeline.close()

    expect(closed).toEqual(['fine'])
    expect(delivered).toMatchObject([
      { kind: 'analyzer-failed', analyzer: 'failing', error: 'disk full' },
      { kind: 'analyzer-failed', analyzer: 'throwing', error: 'at once' },
    ])
  })
})

describe('unread bytes', () => {
  function* notes(...rules: readonly string[]): Generator<AnalysisMsgDraft> {
    for (const rule of rules) yield note(rule)
  }

  test('become messages in their turn, with what was published around them', () => {
    const { pipeline, clock, delivered } = bench([splitter('a', 1, 2)])

    pipeline.publish(note('1'))
    pipeline.publishUnread({ bytes: 10, read: () => notes('2', '3') })
    clock.ms = 2000
    pipeline.publish(note('4'))
    pipeline.flush()

    expect(rulesOf(delivered)).toEqual(['1', '1a0', '2', '2a0', '3', '3a0', '4', '4a0'])
    expect(delivered.map(({ at }) => at)).toEqual([1000, 1000, 1000, 1000, 1000, 1000, 2000, 2000])
    expect(delivered.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('are not read before their turn, and all of them without a flush', async () => {
    const { pipeline, delivered } = bench()
    const many = Array.from({ length: 1000 }, (_, index) => String(index))
    let hasBegun = false
    const done = new Promise<void>((resolve) => {
      pipeline.subscribe((msg) => {
        if (msg.kind === 'rule-matched' && msg.rule === 'last') resolve()
      })
    })

    pipeline.publishUnread({
      bytes: 10,
      read: () => {
        hasBegun = true
        return notes(...many)
      },
    })
    pipeline.publishUnread({ bytes: 10, read: () => notes('last') })
    expect(hasBegun).toBe(false)
    await done

    expect(rulesOf(delivered)).toEqual([...many, 'last'])
  })

  test('are dropped and counted when the queue is full, and never read', () => {
    const { pipeline, delivered } = bench([], 4096)

    expect(pipeline.publishUnread({ bytes: 2000, read: () => notes('kept') })).toBe(true)
    expect(pipeline.publishUnread({ bytes: 2000, read: () => notes('lost') })).toBe(false)
    pipeline.flush()

    expect(rulesOf(delivered)).toEqual(['kept', 'messages-dropped'])
    expect(delivered[1]).toMatchObject({ count: 1, bytes: 2000 })
    expect(pipeline.stats).toMatchObject({ dropped: 1, queuedBytes: 0 })
  })
})

describe('a pipeline that nobody watches', () => {
  const chunk = {
    kind: 'request-body',
    connectionId: 'c1',
    exchangeId: 'x1',
    offset: 0,
    chunk: Buffer.from('abc'),
  } as const

  test('keeps nothing and reads nothing', () => {
    let hasRead = false
    const clock = new HeldClock()
    const analyzers = [{ name: 'inline', onRequest: (): void => {} }]
    const pipeline = new Pipeline({ analyzers, clock, queueBytes: 1000 })

    pipeline.publish(note('1'))
    pipeline.publishBody(chunk)
    const isTaken = pipeline.publishUnread({
      bytes: 10,
      read: () => {
        hasRead = true
        return [][Symbol.iterator]()
      },
    })

    expect(isTaken).toBe(false)
    expect(pipeline.stats).toEqual({ messages: 0, dropped: 0, queuedBytes: 0 })
    pipeline.flush()
    expect(hasRead).toBe(false)
  })

  test('tells what comes from the moment on that somebody does', () => {
    const pipeline = new Pipeline({ analyzers: [], clock: new HeldClock(), queueBytes: 1000 })
    const delivered: AnalysisMsg[] = []
    pipeline.publish(note('before'))
    const stop = pipeline.subscribe((msg) => delivered.push(msg))
    pipeline.publish(note('while'))
    pipeline.flush()
    stop()
    pipeline.publish(note('after'))
    pipeline.flush()

    expect(rulesOf(delivered)).toEqual(['while'])
    expect(delivered[0]?.seq).toBe(0)
  })
})

test('chunks of a request are told together, before what follows them', () => {
  const { pipeline, delivered } = bench()
  const ids = { connectionId: 'c1', exchangeId: 'x1' }

  pipeline.publish({ ...note('start'), ...ids })
  for (const [offset, text] of ['ab', 'cd'].entries()) {
    const chunk = Buffer.from(text)
    pipeline.publishBody({ kind: 'request-body', ...ids, offset: offset * 2, chunk })
  }
  pipeline.publish({ ...note('other'), exchangeId: 'x2' })
  pipeline.publish({ kind: 'request-ended', bytes: 4, ...ids })
  pipeline.flush()

  expect(rulesOf(delivered)).toEqual(['start', 'other', 'request-body', 'request-ended'])
  expect(delivered[2]).toMatchObject({ ...ids, offset: 0, text: 'abcd' })
})
