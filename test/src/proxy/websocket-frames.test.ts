import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { FrameReader } from '../../../src/proxy/websocket-frames.ts'
import type { FrameEvent, FrameRules } from '../../../src/proxy/websocket-frames.ts'
import { anyMask, encodeFrame, encodeHead, inPieces } from '../../support/websocket-wire.ts'
import type { FrameSpec } from '../../support/websocket-wire.ts'

const server: FrameRules = { isMasked: false, allowsCompression: false, maxBytes: 1000 }
const client: FrameRules = { ...server, isMasked: true }
const compressed: FrameRules = { ...server, allowsCompression: true }

function readAll(rules: FrameRules, pieces: readonly Uint8Array[]): FrameEvent[] {
  const reader = new FrameReader(rules)
  return pieces.flatMap((piece) => [...reader.read(piece)])
}

/** Messages as `opcode text`, problems as they stand. */
function told(rules: FrameRules, ...frames: readonly FrameSpec[]): string[] {
  return shown(readAll(rules, [Buffer.concat(frames.map(encodeFrame))]))
}

function shown(events: readonly FrameEvent[]): string[] {
  return events.map((event) =>
    event.type === 'problem'
      ? event.problem
      : `${event.message.opcode} ${event.message.payload?.toString() ?? 'left out'}`,
  )
}

describe('frames', () => {
  test('of every kind become messages', () => {
    const events = readAll(server, [
      encodeFrame({ opcode: 1, payload: 'text' }),
      encodeFrame({ opcode: 2, payload: Uint8Array.of(0, 255) }),
      encodeFrame({ opcode: 9, payload: 'ping' }),
      encodeFrame({ opcode: 10 }),
      encodeFrame({ opcode: 8, payload: Uint8Array.of(3, 232) }),
    ])

    expect(events).toEqual(
      [
        { opcode: 1, payload: Buffer.from('text') },
        { opcode: 2, payload: Buffer.from([0, 255]) },
        { opcode: 9, payload: Buffer.from('ping') },
        { opcode: 10, payload: Buffer.alloc(0) },
        { opcode: 8, payload: Buffer.from([3, 232]) },
      ].map((message) => ({
        type: 'message',
        message: { ...message, isCompressed: false, bytes: message.payload.length },
      })),
    )
  })

  test('are joined to messages, with control frames between them', () => {
    expect(
      told(
        server,
        { opcode: 1, payload: 'a', isFinal: false },
        { opcode: 9, payload: 'p' },
        { opcode: 0, isFinal: false },
        { opcode: 0, payload: 'b', isFinal: false },
        { opcode: 10, payload: 'q' },
        { opcode: 0, payload: 'c' },
        { opcode: 1, payload: 'next' },
      ),
    ).toEqual(['9 p', '10 q', '1 abc', '1 next'])
  })

  test.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])('of %i bytes are read', (length) => {
    const payload = Buffer.alloc(length, 'x')

    const events = readAll({ ...client, maxBytes: 100_000 }, [
      encodeFrame({ opcode: 2, payload, mask: anyMask }),
    ])

    expect(events).toMatchObject([{ message: { bytes: length } }])
    expect(events[0]?.type === 'message' && events[0].message.payload?.equals(payload)).toBe(true)
  })

  test('with a length written longer than it need be are read', () => {
    const long = Buffer.concat([
      Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 2]),
      Buffer.from('hi'),
    ])

    expect(shown(readAll(server, [long]))).toEqual(['1 hi'])
  })

  test('are read without changing a byte of them', () => {
    const bytes = encodeFrame({ opcode: 1, payload: 'masked text', mask: anyMask })
    const before = Buffer.from(bytes)

    expect(shown(readAll(client, [bytes]))).toEqual(['1 masked text'])
    expect(bytes.equals(before)).toBe(true)
  })

  test('give memory of their own, which later chunks cannot change', () => {
    const bytes = encodeFrame({ opcode: 1, payload: 'text' })
    const events = readAll(server, [bytes])
    bytes.fill(0)

    expect(shown(events)).toEqual(['1 text'])
  })

  test('that are compressed say so for the whole message', () => {
    const events = readAll(compressed, [
      encodeFrame({ opcode: 1, payload: 'a', isFinal: false, reserved: 4 }),
      encodeFrame({ opcode: 0, payload: 'b' }),
      encodeFrame({ opcode: 1, payload: 'c' }),
    ])

    expect(events).toMatchObject([
      { message: { isCompressed: true, bytes: 2 } },
      { message: { isCompressed: false, bytes: 1 } },
    ])
  })
})

describe('a frame that no peer would take', () => {
  test.each<[string, FrameRules, FrameSpec[], string]>([
    [
      'with RSV1 without compression',
      server,
      [{ opcode: 1, reserved: 4 }],
      'a reserved bit is set',
    ],
    ['with RSV2', compressed, [{ opcode: 1, reserved: 2 }], 'a reserved bit is set'],
    ['with RSV3', compressed, [{ opcode: 1, reserved: 5 }], 'a reserved bit is set'],
    [
      'that is a compressed ping',
      compressed,
      [{ opcode: 9, reserved: 4 }],
      'a reserved bit is set',
    ],
    [
      'that is a compressed continuation',
      compressed,
      [
        { opcode: 1, isFinal: false, reserved: 4 },
        { opcode: 0, reserved: 4 },
      ],
      'a reserved bit is set',
    ],
    ['of opcode 3', server, [{ opcode: 3 }], 'unknown opcode 3'],
    ['of opcode 7', server, [{ opcode: 7 }], 'unknown opcode 7'],
    ['of opcode 11', server, [{ opcode: 11 }], 'unknown opcode 11'],
    ['of opcode 15', server, [{ opcode: 15 }], 'unknown opcode 15'],
    ['of a server with a mask', server, [{ opcode: 1, mask: anyMask }], 'a masked frame'],
    ['of a client without one', client, [{ opcode: 1 }], 'a frame without a mask'],
    ['that continues nothing', server, [{ opcode: 0 }], 'a continuation of nothing'],
    [
      'that begins a message within another',
      server,
      [{ opcode: 1, isFinal: false }, { opcode: 2 }],
      'a new message within a fragmented one',
    ],
    [
      'that is half a ping',
      server,
      [{ opcode: 9, isFinal: false }],
      'a control frame in fragments',
    ],
    [
      'that is too long a ping',
      server,
      [{ opcode: 9, payload: 'x'.repeat(126) }],
      'a control frame of more than 125 bytes',
    ],
    ['that closes with half a code', server, [{ opcode: 8, payload: 'x' }], 'half a close code'],
    [
      'after the close',
      server,
      [{ opcode: 8 }, { opcode: 1, payload: 'late' }],
      'bytes after the close frame',
    ],
  ])('%s ends the reading', (_name, rules, frames, problem) => {
    const reader = new FrameReader(rules)
    const first = encodeFrame({
      opcode: 1,
      payload: 'before',
      mask: rules.isMasked ? anyMask : undefined,
    })
    const events = [...reader.read(Buffer.concat([first, ...frames.map(encodeFrame)]))]

    expect(events[0]).toMatchObject({ type: 'message' })
    expect(events.at(-1)).toEqual({ type: 'problem', problem })
    expect([...reader.read(first)]).toEqual([])
    expect(reader.end()).toBeUndefined()
  })

  test('of 2^63 bytes ends the reading', () => {
    const head = Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0])

    expect(shown(readAll(server, [head]))).toEqual(['a frame of 2^63 bytes or more'])
  })
})

describe('a message over the bound', () => {
  test('is left out, and the next one is read', () => {
    expect(
      told(
        client,
        { opcode: 1, payload: 'x'.repeat(1001), mask: anyMask },
        { opcode: 1, payload: 'y'.repeat(1000), mask: anyMask },
      ),
    ).toEqual(['1 left out', `1 ${'y'.repeat(1000)}`])
  })

  test('is left out when its fragments add up to it', () => {
    const half = 'x'.repeat(600)

    expect(
      told(
        server,
        { opcode: 1, payload: half, isFinal: false },
        { opcode: 9 },
        { opcode: 0, payload: half, isFinal: false },
        { opcode: 0, payload: 'end' },
        { opcode: 1, payload: 'next' },
      ),
    ).toEqual(['9 ', '1 left out', '1 next'])
  })

  test('takes no memory for what it only announces', () => {
    const reader = new FrameReader({ ...server, maxBytes: 2 ** 40 })
    const { external, arrayBuffers } = process.memoryUsage()

    const events = [...reader.read(encodeHead(0x82, 2 ** 39, false))]

    const grown = process.memoryUsage()
    expect(events).toEqual([])
    expect(grown.external - external).toBeLessThan(1024 * 1024)
    expect(grown.arrayBuffers - arrayBuffers).toBeLessThan(1024 * 1024)
  })

  test('that announces a gigabyte is told with what came of it', () => {
    const reader = new FrameReader(server)
    const head = encodeHead(0x82, 2 ** 30, false)

    expect([...reader.read(Buffer.concat([head, Buffer.alloc(5000)]))]).toEqual([])
    expect(reader.end()).toEqual({
      opcode: 2,
      isCompressed: false,
      bytes: 5000,
      payload: undefined,
    })
  })
})

describe('the end of the connection', () => {
  test.each<[string, Buffer, number | undefined]>([
    ['between messages', encodeFrame({ opcode: 1, payload: 'whole' }), undefined],
    ['within a head', Buffer.from([0x81]), undefined],
    ['after a close', encodeFrame({ opcode: 8 }), undefined],
    ['within a payload', encodeFrame({ opcode: 1, payload: 'broken' }).subarray(0, 5), 3],
    ['between fragments', encodeFrame({ opcode: 1, payload: 'part', isFinal: false }), 4],
    [
      'within a ping between fragments',
      Buffer.concat([
        encodeFrame({ opcode: 1, payload: 'part', isFinal: false }),
        encodeFrame({ opcode: 9, payload: 'ping' }).subarray(0, 4),
      ]),
      4,
    ],
    [
      'within the last fragment',
      Buffer.concat([
        encodeFrame({ opcode: 1, payload: 'part', isFinal: false }),
        encodeFrame({ opcode: 0, payload: 'rest' }).subarray(0, 4),
      ]),
      6,
    ],
  ])('%s is known', (_where, bytes, brokenBytes) => {
    const reader = new FrameReader(server)
    for (const event of reader.read(bytes)) expect(event.type).toBe('message')

    expect(reader.end()?.bytes).toBe(brokenBytes)
  })
})

describe('many tiny fragments', () => {
  test('take memory for their bytes, not for their number', () => {
    const fragments = 200_000
    const reader = new FrameReader({ ...server, maxBytes: 2 ** 24 })
    const piece = encodeFrame({ opcode: 0, payload: 'x', isFinal: false })
    const first = encodeFrame({ opcode: 1, payload: 'x', isFinal: false })
    for (const _event of reader.read(first)) expect.unreachable()
    const before = process.memoryUsage()
    const block = Buffer.concat(Array.from({ length: 1000 }, () => piece))
    for (let sent = 0; sent < fragments; sent += 1000) {
      for (const _event of reader.read(block)) expect.unreachable()
    }
    const after = process.memoryUsage()
    const events = [...reader.read(encodeFrame({ opcode: 0 }))]

    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1024 * 1024)
    expect(events).toMatchObject([{ message: { bytes: fragments + 1 } }])
  })
})

interface Planned {
  readonly opcode: 1 | 2 | 9 | 10
  readonly parts: readonly Uint8Array[]
}

const planned: fc.Arbitrary<Planned> = fc.oneof(
  fc.record({
    opcode: fc.constantFrom(1 as const, 2 as const),
    parts: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    opcode: fc.constantFrom(9 as const, 10 as const),
    parts: fc.tuple(fc.uint8Array({ maxLength: 125 })),
  }),
)

/** The frames of the messages in order; each `ping` goes between the fragments of a data message. */
function framesOf(plan: readonly Planned[], mask: Uint8Array | undefined, ping: boolean): Buffer {
  const frames = plan.flatMap(({ opcode, parts }) =>
    parts.flatMap((payload, index) => [
      encodeFrame({
        opcode: index === 0 ? opcode : 0,
        payload,
        isFinal: index === parts.length - 1,
        mask,
      }),
      ...(ping && index < parts.length - 1 ? [encodeFrame({ opcode: 9, payload: 'p', mask })] : []),
    ]),
  )
  return Buffer.concat(frames)
}

describe('any messages', () => {
  property.prop([
    fc.array(planned, { maxLength: 12 }),
    fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined }),
    fc.boolean(),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
  ])('are the same in any fragments and any chunks', (plan, mask, ping, sizes) => {
    const rules: FrameRules = {
      isMasked: mask !== undefined,
      allowsCompression: false,
      maxBytes: 2000,
    }

    const events = readAll(rules, inPieces(framesOf(plan, mask, ping), sizes))

    const messages = events.flatMap((event) => (event.type === 'message' ? [event.message] : []))
    expect(messages).toHaveLength(events.length)
    const pings = ping ? plan.reduce((sum, { parts }) => sum + parts.length - 1, 0) : 0
    expect(
      messages.filter(({ payload }) => payload?.toString() === 'p').length,
    ).toBeGreaterThanOrEqual(pings)
    const wanted = plan.map(
      ({ opcode, parts }) => `${opcode} ${Buffer.concat(parts).toString('hex')}`,
    )
    const found = messages.map(
      ({ opcode, payload }) => `${opcode} ${payload?.toString('hex') ?? ''}`,
    )
    expect(found.filter((each) => !ping || each !== '9 70')).toEqual(
      wanted.filter((each) => !ping || each !== '9 70'),
    )
  })

  property.prop([
    fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }),
    fc.boolean(),
    fc.boolean(),
  ])(
    'or none: arbitrary bytes never throw, and say one problem at most',
    (chunks, isMasked, allows) => {
      const events = readAll({ isMasked, allowsCompression: allows, maxBytes: 50 }, chunks)

      const problems = events.filter(({ type }) => type === 'problem')
      expect(problems.length).toBeLessThanOrEqual(1)
      if (problems.length === 1) expect(events.at(-1)?.type).toBe('problem')
      for (const event of events) {
        if (event.type === 'message')
          expect(event.message.payload?.length ?? 0).toBeLessThanOrEqual(50)
      }
    },
  )

  property.prop([fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 20 })])(
    'arbitrary bytes mean the same in any chunks',
    (bytes, size) => {
      const rules: FrameRules = { isMasked: false, allowsCompression: true, maxBytes: 50 }

      expect(readAll(rules, inPieces(Buffer.from(bytes), [size]))).toEqual(readAll(rules, [bytes]))
    },
  )
})
