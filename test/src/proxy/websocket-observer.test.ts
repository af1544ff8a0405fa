import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, HeaderPairs, MsgOf } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { maxMessageBytes, WebSocketObserver } from '../../../src/proxy/websocket-observer.ts'
import type { Direction } from '../../../src/proxy/websocket-observer.ts'
import {
  anyMask,
  createCompressor,
  encodeFrame,
  encodeHead,
  inPieces,
} from '../../support/websocket-wire.ts'
import type { FrameSpec } from '../../support/websocket-wire.ts'

const mebibyte = 1024 * 1024
const plain: HeaderPairs = [['Upgrade', 'WebSocket']]
const deflating: HeaderPairs = [...plain, ['Sec-WebSocket-Extensions', 'permessage-deflate']]

interface Bench {
  readonly observer: WebSocketObserver
  readonly pipeline: Pipeline
  readonly clock: { ms: number }
  /** Sends frames as that side does: masked for the client. */
  readonly send: (direction: Direction, ...frames: readonly FrameSpec[]) => void
  /** What was told until now. */
  readonly told: () => AnalysisMsg[]
}

function bench(head: HeaderPairs = plain, queueBytes = 64 * mebibyte): Bench {
  const clock = { ms: 1000 }
  const pipeline = new Pipeline({
    analyzers: [],
    clock: { now: () => clock.ms, monotonicMs: () => clock.ms },
    queueBytes,
  })
  const messages: AnalysisMsg[] = []
  pipeline.subscribe((msg) => messages.push(msg))
  const observer = new WebSocketObserver(head, {
    emit: (draft) => pipeline.publish(draft),
    publishUnread: (unread) => pipeline.publishUnread(unread),
  })
  return {
    observer,
    pipeline,
    clock,
    send(direction, ...frames) {
      const mask = direction === 'request' ? anyMask : undefined
      observer.saw(direction, Buffer.concat(frames.map((frame) => encodeFrame({ mask, ...frame }))))
    },
    told() {
      pipeline.flush()
      for (const msg of messages) expect(analysisMsgSchema.safeParse(msg).error).toBeUndefined()
      return messages
    },
  }
}

const problemOf = (msg: AnalysisMsg | undefined): string =>
  msg?.kind === 'analyzer-failed' ? `${msg.analyzer}: ${msg.error}` : 'no problem'

describe('messages', () => {
  test('of both sides are told in the order of the wire, at the time they came', () => {
    const { send, told, clock } = bench()

    send('request', { opcode: 1, payload: 'hello' })
    clock.ms = 2000
    send('response', { opcode: 1, payload: 'wörld' })
    clock.ms = 3000

    expect(told()).toMatchObject([
      {
        kind: 'websocket-message',
        at: 1000,
        direction: 'request',
        opcode: 1,
        text: 'hello',
        bytes: 5,
      },
      {
        kind: 'websocket-message',
        at: 2000,
        direction: 'response',
        opcode: 1,
        text: 'wörld',
        bytes: 6,
      },
    ])
  })

  test('carry text as text, binary as base64, control frames as they are', () => {
    const { send, told } = bench()

    send(
      'response',
      { opcode: 2, payload: 'even if it reads as text' },
      { opcode: 1, payload: Uint8Array.of(0x61, 0xff) },
      { opcode: 9, payload: 'ping' },
      { opcode: 10, payload: Uint8Array.of(0xff) },
      { opcode: 1 },
    )

    expect(told().map(({ seq: _seq, at: _at, v: _v, kind: _kind, ...rest }) => rest)).toEqual([
      {
        direction: 'response',
        opcode: 2,
        base64: Buffer.from('even if it reads as text').toString('base64'),
        bytes: 24,
      },
      { direction: 'response', opcode: 1, base64: 'Yf8=', bytes: 2 },
      { direction: 'response', opcode: 9, text: 'ping', bytes: 4 },
      { direction: 'response', opcode: 10, base64: '/w==', bytes: 1 },
      { direction: 'response', opcode: 1, text: '', bytes: 0 },
    ])
  })

  test.each<[string, Buffer, object]>([
    [
      'a code and a reason',
      Buffer.from('\x0f\xa0going away', 'latin1'),
      { closeCode: 4000, closeReason: 'going away' },
    ],
    ['a code alone', Buffer.of(3, 232), { closeCode: 1000, closeReason: '' }],
    ['a code nobody knows', Buffer.of(0, 7), { closeCode: 7, closeReason: '' }],
    ['a reason that is not text', Buffer.of(3, 232, 0xff), { closeCode: 1000 }],
    ['nothing', Buffer.alloc(0), {}],
  ])('that close with %s say so', (_name, payload, wanted) => {
    const { send, told } = bench()

    send('request', { opcode: 8, payload })

    const [{ seq: _seq, at: _at, v: _v, ...rest } = { seq: 0, at: 0, v: 0 }] = told()
    expect(rest).toEqual({
      kind: 'websocket-message',
      direction: 'request',
      opcode: 8,
      base64: payload.toString('base64'),
      bytes: payload.length,
      ...wanted,
    })
  })

  test('that are compressed are told inflated, with their size on the wire', async () => {
    const { send, told } = bench(deflating)
    const [up, down] = [createCompressor(), createCompressor()]
    const delta = `{"type":"response.output_text.delta","delta":"${'x'.repeat(100)}"}`
    const sizes: number[] = []
    for (let index = 0; index < 3; index += 1) {
      const payload = await down.deflate(delta)
      sizes.push(payload.length)
      send('response', { opcode: 1, payload, reserved: 4 })
    }
    send('request', { opcode: 2, payload: await up.deflate('binary'), reserved: 4 })
    send('request', { opcode: 1, payload: 'not compressed' })

    expect(told()).toMatchObject([
      ...sizes.map((bytes) => ({ direction: 'response', text: delta, bytes })),
      { direction: 'request', base64: Buffer.from('binary').toString('base64') },
      { direction: 'request', text: 'not compressed' },
    ])
    expect(sizes[2]).toBeLessThan(sizes[0] ?? 0)
  })

  test('that are compressed are read by the parameters of each direction', async () => {
    const head: HeaderPairs = [
      ...plain,
      [
        'Sec-WebSocket-Extensions',
        'permessage-deflate; server_no_context_takeover; client_max_window_bits=9',
      ],
    ]
    const { send, told } = bench(head)
    const down = createCompressor({ keepsContext: false })
    const up = createCompressor({ windowBits: 9 })
    const text = 'the same words '.repeat(100)
    for (let index = 0; index < 2; index += 1) {
      send('request', { opcode: 1, payload: await up.deflate(text), reserved: 4 })
      send('response', { opcode: 1, payload: await down.deflate(text), reserved: 4 })
    }

    expect(told()).toMatchObject(
      ['request', 'response', 'request', 'response'].map((direction) => ({ direction, text })),
    )
  })

  test('in pieces of one byte are the same', async () => {
    const { observer, told } = bench(deflating)
    const payload = await createCompressor().deflate('in pieces')
    const bytes = Buffer.concat([
      encodeFrame({ opcode: 1, payload: payload.subarray(0, 3), isFinal: false, reserved: 4 }),
      encodeFrame({ opcode: 9, payload: 'between' }),
      encodeFrame({ opcode: 0, payload: payload.subarray(3) }),
      encodeFrame({ opcode: 8, payload: Buffer.of(3, 233) }),
    ])

    for (const piece of inPieces(bytes, [1])) observer.saw('response', piece)

    expect(told()).toMatchObject([
      { opcode: 9, text: 'between' },
      { opcode: 1, text: 'in pieces', bytes: payload.length },
      { opcode: 8, closeCode: 1001 },
    ])
  })

  test('cut off by the end of the connection are told as such', () => {
    const { observer, send, told } = bench()

    send(
      'response',
      { opcode: 1, payload: 'whole' },
      { opcode: 1, payload: 'part', isFinal: false },
    )
    observer.ended()

    expect(told()).toMatchObject([
      { text: 'whole' },
      { direction: 'response', opcode: 1, truncated: true, bytes: 4 },
    ])
    expect(told()).toHaveLength(2)
  })
})

describe('what cannot be read', () => {
  test('in one direction is told once and leaves the other alone', () => {
    const { observer, send, told } = bench()

    send(
      'request',
      { opcode: 1, payload: 'before' },
      { opcode: 1, payload: 'bare', mask: undefined },
    )
    send('request', { opcode: 1, payload: 'after' })
    send('response', { opcode: 1, payload: 'still here' })
    observer.ended()

    expect(
      told().map((msg) => (msg.kind === 'websocket-message' ? msg.text : problemOf(msg))),
    ).toEqual([
      'before',
      'websocket: what the client sends cannot be read on: a frame without a mask',
      'still here',
    ])
  })

  test('because a compressed message is broken is told once', () => {
    const { send, told } = bench(deflating)

    send('response', { opcode: 1, payload: Buffer.from('ffffffff', 'hex'), reserved: 4 })
    send('response', { opcode: 1, payload: 'after' })

    expect(told()).toHaveLength(1)
    expect(problemOf(told()[0])).toMatch(
      /^websocket: what the upstream sends cannot be read on: what is compr/u,
    )
  })

  test.each<[string, HeaderPairs, string]>([
    [
      'an unknown extension',
      [...plain, ['Sec-WebSocket-Extensions', 'x-secret']],
      'the extension x-secret is not known',
    ],
    ['another protocol', [['Upgrade', 'h2c']], 'it is another protocol'],
    ['no protocol', [], 'it is another protocol'],
  ])('because of %s is told once, and nothing is read', (_name, head, problem) => {
    const { observer, send, told } = bench(head)

    send('request', { opcode: 1, payload: 'hello' })
    send('response', { opcode: 1, payload: 'hello' })
    observer.ended()

    expect(told().map(problemOf)).toEqual([
      `websocket: what follows the upgrade cannot be read: ${problem}`,
    ])
  })

  test('because the queue was full is told once, and its bytes are counted', () => {
    const { observer, send, told } = bench(plain, 8 * 1024)
    const large = Buffer.alloc(6000, 'x')

    send('response', { opcode: 2, payload: large })
    send('response', { opcode: 2, payload: large })
    send('response', { opcode: 2, payload: large })
    observer.ended()

    const messages = told()
    expect(messages.map(({ kind }) => kind)).toEqual([
      'websocket-message',
      'analyzer-failed',
      'messages-dropped',
    ])
    expect(problemOf(messages[1])).toContain(
      'what the upstream sends cannot be read on: bytes were dropped',
    )
    expect(messages[2]).toMatchObject({ where: 'analysis' })
  })
})

describe('a message over the bound', () => {
  test('is told without its payload, and the next one is read', () => {
    const { observer, send, told } = bench()
    const chunk = Buffer.alloc(mebibyte)
    observer.saw('response', encodeHead(0x82, maxMessageBytes + mebibyte, false))
    for (let sent = 0; sent < maxMessageBytes + mebibyte; sent += mebibyte)
      observer.saw('response', chunk)
    send('response', { opcode: 1, payload: 'next' })

    const [first, second] = told() as Array<MsgOf<'websocket-message'>>
    expect(first).toMatchObject({ opcode: 2, truncated: true, bytes: maxMessageBytes + mebibyte })
    expect([first?.text, first?.base64]).toEqual([undefined, undefined])
    expect(second).toMatchObject({ text: 'next' })
  })

  test('after inflating is told without its payload, and the next one is read', async () => {
    const { send, told } = bench(deflating)
    const compressor = createCompressor()
    const bomb = await compressor.deflate(Buffer.alloc(maxMessageBytes + 1))
    send('response', { opcode: 2, payload: bomb, reserved: 4 })
    send('response', { opcode: 1, payload: await compressor.deflate('next'), reserved: 4 })

    expect(bomb.length).toBeLessThan(20_000)
    expect(told()).toMatchObject([
      { opcode: 2, truncated: true, bytes: bomb.length },
      { opcode: 1, text: 'next' },
    ])
  })
})

describe('work', () => {
  test('of a flood of tiny frames is spread over turns of the loop', async () => {
    const { observer, pipeline } = bench()
    const pings = 20_000
    let delivered = 0
    let longestTurn = 0
    let inTurn = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    pipeline.subscribe(() => {
      inTurn += 1
      delivered += 1
      longestTurn = Math.max(longestTurn, inTurn)
      if (inTurn === 1) {
        queueMicrotask(() => {
          inTurn = 0
        })
      }
      if (delivered === pings) resolve()
    })

    observer.saw('response', Buffer.alloc(2 * pings, Buffer.of(0x89, 0)))
    await promise

    expect(longestTurn).toBeLessThanOrEqual(128)
  })

  test('of messages that expand takes a turn each', async () => {
    const { observer, pipeline } = bench(deflating)
    const compressor = createCompressor()
    const payload: Buffer[] = []
    for (let index = 0; index < 6; index += 1) {
      payload.push(
        encodeFrame({
          opcode: 1,
          payload: await compressor.deflate('x'.repeat(mebibyte)),
          reserved: 4,
        }),
      )
    }
    const turns: number[] = []
    let inTurn = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    pipeline.subscribe(() => {
      inTurn += 1
      if (inTurn === 1) {
        queueMicrotask(() => {
          turns.push(inTurn)
          inTurn = 0
          if (turns.length === 6) resolve()
        })
      }
    })

    observer.saw('response', Buffer.concat(payload))
    await promise

    expect(turns).toEqual([1, 1, 1, 1, 1, 1])
  })
})

const exchange = fc.array(
  fc.record({
    direction: fc.constantFrom('request' as const, 'response' as const),
    opcode: fc.constantFrom(1, 2),
    text: fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.constant('ab'.repeat(40_000))),
    isCompressed: fc.boolean(),
    cuts: fc.array(fc.nat(300), { maxLength: 3 }),
  }),
  { maxLength: 10 },
)

describe('any conversation', () => {
  property.prop([
    exchange,
    fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
  ])('is told as it was held, in any fragments and any chunks', async (messages, sizes, anyKey) => {
    const { observer, told } = bench(deflating, Infinity)
    const compressors = { request: createCompressor(), response: createCompressor() }
    for (const { direction, opcode, text, isCompressed, cuts } of messages) {
      const payload = isCompressed ? await compressors[direction].deflate(text) : Buffer.from(text)
      const places = [0, ...cuts.map((cut) => Math.min(cut, payload.length)).sort((a, b) => a - b)]
      const mask = direction === 'request' ? anyKey : undefined
      const frames = places.map((place, index) =>
        encodeFrame({
          opcode: index === 0 ? opcode : 0,
          payload: payload.subarray(place, places[index + 1]),
          isFinal: index === places.length - 1,
          reserved: index === 0 && isCompressed ? 4 : 0,
          mask,
        }),
      )
      for (const piece of inPieces(Buffer.concat(frames), sizes)) observer.saw(direction, piece)
    }
    observer.ended()

    expect(
      told().map((msg) =>
        msg.kind === 'websocket-message'
          ? [msg.direction, msg.opcode, msg.text ?? msg.base64]
          : [problemOf(msg)],
      ),
    ).toEqual(
      messages.map(({ direction, opcode, text }) => [
        direction,
        opcode,
        opcode === 1 ? Buffer.from(text).toString() : Buffer.from(text).toString('base64'),
      ]),
    )
  })
})
