/** Frames of AWS event streams: written by the book, damaged, cut and chunked in any way. */
import { crc32 } from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createEventstreamReader } from '../../../analyzers/wire/eventstream-reader.ts'
import type { EventstreamFrame } from '../../../analyzers/wire/eventstream.ts'
import { createFrameDecoder } from '../../../analyzers/wire/eventstream.ts'
import type { StreamEvent } from '../../../analyzers/wire/stream-events.ts'
import { awsChunk, awsEvent, awsFrame } from '../../support/aws-frames.ts'
import { bodyBytes, readRecorded } from '../../support/recorded-exchanges.ts'

interface Decoded {
  readonly frames: Array<{ headers: Record<string, string>; payload: string }>
  readonly problem: string | undefined
}

function decode(chunks: readonly Uint8Array[]): Decoded {
  const decoder = createFrameDecoder()
  const frames: Decoded['frames'] = []
  const take = ({ headers, payload }: EventstreamFrame): void => {
    frames.push({ headers: Object.fromEntries(headers), payload: Buffer.from(payload).toString() })
  }
  for (const chunk of chunks) decoder.push(chunk, take)
  decoder.end()
  return { frames, problem: decoder.problem }
}

function eventsOf(...chunks: readonly Uint8Array[]): {
  events: StreamEvent[]
  problem: string | undefined
} {
  const reader = createEventstreamReader()
  const events: StreamEvent[] = []
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event))
  reader.end((event) => events.push(event))
  return { events, problem: reader.problem }
}

const recorded = bodyBytes(readRecorded('bedrock-converse-tools-stream').response.body)

describe('frames', () => {
  test('are read with headers of every type, of which text is given out', () => {
    const ofType = (type: number, length: number): { type: number; bytes: Buffer } => ({
      type,
      bytes: Buffer.alloc(length, 1),
    })
    const frame = awsFrame(
      {
        yes: ofType(0, 0),
        no: ofType(1, 0),
        byte: ofType(2, 1),
        short: ofType(3, 2),
        int: ofType(4, 4),
        long: ofType(5, 8),
        bytes: { type: 6, bytes: Buffer.from([0, 3, 1, 2, 3]) },
        text: 'hällo',
        time: ofType(8, 8),
        uuid: ofType(9, 16),
        last: '',
      },
      'payload',
    )

    expect(decode([frame])).toEqual({
      frames: [{ headers: { text: 'hällo', last: '' }, payload: 'payload' }],
      problem: undefined,
    })
  })

  test('may have neither headers nor payload', () => {
    expect(decode([awsFrame({}, '')])).toEqual({
      frames: [{ headers: {}, payload: '' }],
      problem: undefined,
    })
  })

  test('are the same however they are chunked', () => {
    const whole = decode([recorded])
    expect(whole.problem).toBeUndefined()
    expect(whole.frames.length).toBeGreaterThan(20)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sizes) => {
        const chunks: Buffer[] = []
        for (let at = 0; at < recorded.length;) {
          const size = sizes[chunks.length % sizes.length] ?? 1
          chunks.push(recorded.subarray(at, at + size))
          at += size
        }
        expect(decode(chunks)).toEqual(whole)
      }),
      { numRuns: 50 },
    )
    expect(decode([...recorded].map((byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  test('are given out up to the first that is damaged, wherever a bit flips', () => {
    const frames = [awsChunk({ a: 1 }), awsChunk({ b: 2 }), awsChunk({ c: 3 })]
    const stream = Buffer.concat(frames)
    fc.assert(
      fc.property(fc.nat(stream.length - 1), fc.nat(7), (at, bit) => {
        const flipped = Buffer.from(stream)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit)
        let before = 0
        for (let end = frames[0]?.length ?? 0; end <= at; end += frames[before]?.length ?? 0) {
          before += 1
        }
        const { frames: read, problem } = decode([flipped])
        expect(read).toEqual(decode(frames.slice(0, before)).frames)
        expect(problem).toMatch(/checksum/u)
      }),
      { numRuns: 300 },
    )
  })

  test('cut off in the middle are a problem, and what came before stays', () => {
    const first = awsChunk({ a: 1 })
    const stream = Buffer.concat([first, awsChunk({ b: 2 })])
    for (const length of [first.length + 1, first.length + 12, stream.length - 1]) {
      const { frames, problem } = decode([stream.subarray(0, length)])
      expect(frames).toHaveLength(1)
      expect(problem).toBe('ends within a frame')
    }
  })

  test.each([
    ['longer than the limit', { frameBytes: 16 * 1024 * 1024 + 1, headerBytes: 0 }],
    ['headers of a frame are longer', { frameBytes: 1024 * 1024, headerBytes: 128 * 1024 + 1 }],
    ['contradict each other', { frameBytes: 100, headerBytes: 85 }],
    ['contradict each other', { frameBytes: 15, headerBytes: 0 }],
    ['contradict each other', { frameBytes: 0, headerBytes: 0 }],
  ])('are refused before their bytes come: %s', (why, lengths) => {
    const prelude = preludeOf(lengths)

    expect(decode([prelude]).problem).toContain(why)
    expect(decode([prelude, recorded]).frames).toEqual([])
  })

  test('of the largest size are read', () => {
    const payload = Buffer.alloc(16 * 1024 * 1024 - 16, 0x20)

    expect(decode([awsFrame({}, payload)]).frames).toHaveLength(1)
  })

  test.each([
    ['without a name', Buffer.of(0, 0)],
    ['of an unknown type', Buffer.of(1, 97, 10)],
    ['with a name that overruns them', Buffer.of(9, 97)],
    ['with a text that overruns them', Buffer.of(1, 97, 7, 0, 9, 98)],
    ['without the length of a text', Buffer.of(1, 97, 7, 0)],
    ['with an integer that overruns them', Buffer.of(1, 97, 4, 0)],
    ['twice of one name', Buffer.of(1, 97, 0, 1, 97, 0)],
  ])('with a header %s are malformed', (_, header) => {
    expect(decode([withHeaders(header)])).toEqual({
      frames: [],
      problem: 'the headers of a frame are malformed',
    })
  })

  test('that are anything at all never throw, and never hold more than came', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
        const { frames, problem } = decode(chunks)
        const bytes = Buffer.concat(chunks).length
        expect(frames.length * 16).toBeLessThanOrEqual(bytes)
        if (bytes > 0 && frames.length === 0) expect(problem).toBeDefined()
      }),
      { numRuns: 300 },
    )
  })
})

describe('events', () => {
  test('have the type of their header, and the payload as data', () => {
    expect(eventsOf(awsEvent('messageStop', { stopReason: 'end_turn' }))).toEqual({
      events: [{ event: 'messageStop', data: '{"stopReason":"end_turn"}' }],
      problem: undefined,
    })
  })

  test('of a model are unwrapped to the JSON that the model sent', () => {
    const { events } = eventsOf(awsChunk({ type: 'message_stop', text: 'ü' }))

    expect(events).toEqual([{ event: 'chunk', data: '{"type":"message_stop","text":"ü"}' }])
  })

  test('that are exceptions carry an error with type, text and all else that was said', () => {
    const frame = awsFrame(
      { ':message-type': 'exception', ':exception-type': 'modelStreamErrorException' },
      '{"message":"it broke","originalStatusCode":424}',
    )

    const [event] = eventsOf(frame).events
    expect(event?.event).toBe('modelStreamErrorException')
    expect(JSON.parse(event?.data ?? '')).toEqual({
      error: { type: 'modelStreamErrorException', message: 'it broke', originalStatusCode: 424 },
    })
  })

  test('that are errors of the transport have code and message in their headers', () => {
    const frame = awsFrame(
      { ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'sorry' },
      '',
    )

    expect(eventsOf(frame).events).toEqual([
      { event: 'InternalError', data: '{"error":{"type":"InternalError","message":"sorry"}}' },
    ])
  })

  test('whose payload is no text are left out, and that is a problem', () => {
    const broken = awsFrame({ ':event-type': 'chunk' }, Buffer.of(0xff, 0xfe))
    const { events, problem } = eventsOf(broken, awsEvent('messageStop', {}))

    expect(events).toEqual([{ event: 'messageStop', data: '{}' }])
    expect(problem).toBe('the payload of a frame is not text')
  })
})

function preludeOf({ frameBytes, headerBytes }: Record<string, number>): Buffer {
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(frameBytes ?? 0, 0)
  prelude.writeUInt32BE(headerBytes ?? 0, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  return prelude
}

/** A frame of these bytes as headers, whatever they are. */
function withHeaders(headers: Buffer): Buffer {
  const prelude = preludeOf({ frameBytes: 16 + headers.length, headerBytes: headers.length })
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(Buffer.concat([prelude, headers])))
  return Buffer.concat([prelude, headers, sum])
}
