import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test, vi } from 'vitest'

import type { MessageTransform, Refusal } from '../../../src/pipeline/analyzer.ts'
import { RequestRefused } from '../../../src/pipeline/request-refused.ts'
import { FrameReader } from '../../../src/proxy/websocket-frames.ts'
import { createMessageRewriter, startRewriting } from '../../../src/proxy/websocket-rewriter.ts'
import type { RewriteFailure } from '../../../src/proxy/websocket-rewriter.ts'
import { anyMask, encodeFrame, inPieces } from '../../support/websocket-wire.ts'

interface Outcome {
  /** `opcode text`, in order. */
  readonly messages: readonly string[]
  readonly failures: readonly RewriteFailure[]
}

async function rewritten(
  pieces: readonly Buffer[],
  transforms: readonly MessageTransform[],
  maxBytes = 1_000_000,
): Promise<Outcome> {
  const failures: RewriteFailure[] = []
  const rewriter = createMessageRewriter({
    transforms,
    maxBytes,
    onFailed: (failure) => failures.push(failure),
  })
  const sent: Buffer[] = []
  rewriter.on('data', (chunk: Buffer) => sent.push(chunk))
  const ended = new Promise((resolve) => {
    rewriter.once('end', resolve)
  })
  for (const piece of pieces) rewriter.write(piece)
  rewriter.end()
  await ended
  const reader = new FrameReader({ isMasked: true, allowsCompression: false, maxBytes: 1e7 })
  const messages = [...reader.read(Buffer.concat(sent))].map((event) =>
    event.type === 'message'
      ? `${event.message.opcode} ${event.message.payload?.toString('latin1') ?? '?'}`
      : event.problem,
  )
  return { messages, failures }
}

const shout: MessageTransform = async ({ payload }) =>
  Buffer.from(payload.toString('latin1').toUpperCase(), 'latin1')
const frame = (opcode: number, payload: string, over = {}): Buffer =>
  encodeFrame({ opcode, payload, mask: anyMask, ...over })

describe('messages', () => {
  property.prop([
    fc.array(fc.tuple(fc.constantFrom(1, 2, 9, 10), fc.stringMatching(/^[a-z]{0,99}$/u)), {
      maxLength: 9,
    }),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
  ])('come out whole, in order, transformed by what they are', async (given, sizes) => {
    const bytes = Buffer.concat(given.map(([opcode, payload]) => frame(opcode, payload)))

    const { messages, failures } = await rewritten(inPieces(bytes, sizes), [shout])

    expect(messages).toEqual(
      given.map(([opcode, payload]) => `${opcode} ${opcode < 3 ? payload.toUpperCase() : payload}`),
    )
    expect(failures).toEqual([])
  })

  test.each([0, 125, 126, 65_535, 65_536, 70_000])(
    'of %i bytes keep their length',
    async (size) => {
      const { messages } = await rewritten([frame(2, 'x'.repeat(size))], [shout])

      expect(messages).toEqual([`2 ${'X'.repeat(size)}`])
    },
  )

  test('go through one transform after the other', async () => {
    const add: MessageTransform = ({ payload }) => Buffer.concat([payload, Buffer.from('b')])

    expect((await rewritten([frame(1, 'a')], [add, shout])).messages).toEqual(['1 AB'])
    expect((await rewritten([frame(1, 'a')], [shout, add])).messages).toEqual(['1 Ab'])
  })

  test('are each sent with a mask of their own', async () => {
    const sent: Buffer[] = []
    const rewriter = createMessageRewriter({ transforms: [], maxBytes: 99, onFailed: () => {} })
    rewriter.on('data', (chunk: Buffer) => sent.push(chunk))
    for (let count = 0; count < 20; count += 1) rewriter.write(frame(1, 'same'))
    await expect.poll(() => sent.length).toBe(20)

    expect(new Set(sent.map((bytes) => bytes.subarray(2, 6).toString('hex'))).size).toBe(20)
  })
})

describe('what cannot be sent', () => {
  const refusal: Refusal = { status: 403, reason: 'blocked', message: 'no' }
  const throwing =
    (error: Error): MessageTransform =>
    () => {
      throw error
    }
  const cases: ReadonlyArray<readonly [string, Buffer, MessageTransform, string, number]> = [
    ['no mask', encodeFrame({ opcode: 1, payload: 'x' }), shout, 'websocket-unreadable', 1002],
    ['too much', frame(1, 'x'.repeat(1001)), shout, 'websocket-message-too-large', 1009],
    [
      'what became too much',
      frame(1, 'x'),
      () => Buffer.alloc(1001),
      'websocket-message-too-large',
      1009,
    ],
    ['a refusal', frame(1, 'x'), throwing(new RequestRefused(refusal)), 'blocked', 1008],
    ['a fault', frame(1, 'x'), throwing(new Error('oh')), 'message-transform-failed', 1011],
  ]
  test.each(cases)('ends it for the upstream with a close frame: %s', async (...row) => {
    const [, bytes, transform, code, closeCode] = row
    const pieces = [frame(9, 'before'), bytes, frame(1, 'after')]

    const { messages, failures } = await rewritten(pieces, [transform], 1000)

    const close = Buffer.alloc(2)
    close.writeUInt16BE(closeCode)
    expect(messages).toEqual(['9 before', `8 ${close.toString('latin1')}`])
    expect(failures).toMatchObject([{ code }])
  })
})

describe('rewriting', () => {
  test('is none where nothing transforms', () => {
    expect(startRewriting([], 99, () => {})).toBeUndefined()
  })

  test('cuts both sides off where the upstream does not close in time', async () => {
    vi.useFakeTimers()
    try {
      const cut = vi.fn<() => void>()
      const rewriting = startRewriting([shout], 99, cut)
      rewriting?.through.resume()
      rewriting?.through.write(encodeFrame({ opcode: 1, payload: 'no mask' }))
      await vi.waitFor(() => expect(rewriting?.failure?.code).toBe('websocket-unreadable'))

      await vi.advanceTimersByTimeAsync(4000)
      expect(cut).not.toHaveBeenCalled()
      await vi.advanceTimersByTimeAsync(2000)
      expect(cut).toHaveBeenCalledOnce()
    } finally {
      vi.useRealTimers()
    }
  })

  test('that has stopped cuts nothing off', async () => {
    vi.useFakeTimers()
    try {
      const cut = vi.fn<() => void>()
      const rewriting = startRewriting([shout], 99, cut)
      rewriting?.through.resume()
      rewriting?.through.write(encodeFrame({ opcode: 1, payload: 'no mask' }))
      await vi.waitFor(() => expect(rewriting?.failure).toBeDefined())
      rewriting?.stop()

      await vi.advanceTimersByTimeAsync(60_000)
      expect(cut).not.toHaveBeenCalled()
    } finally {
      vi.useRealTimers()
    }
  })
})
