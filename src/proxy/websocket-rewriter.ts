/**
 * Rewrites what a WebSocket's client sends, message by message (RFC 6455 §5): each is read whole,
 * goes through the transforms, and is sent in one frame with a mask of its own. Control frames keep
 * their place among them. What cannot be read, is too large or is refused ends the WebSocket for
 * the upstream with a close frame: nothing is ever sent that was not looked at.
 */
import { randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

import { describeError } from '../base/errors.ts'
import type { MessageTransform } from '../pipeline/analyzer.ts'
import { RequestRefused } from '../pipeline/request-refused.ts'
import { FrameReader } from './websocket-frames.ts'
import type { FrameEvent, WireMessage } from './websocket-frames.ts'

/** Why it ended, in one line, with a code as `exchange-failed` has it. */
export interface RewriteFailure {
  readonly code: string
  readonly message: string
}

/** RFC 6455 §7.4.1: protocol error, policy violation, message too big, internal error. */
type CloseCode = 1002 | 1008 | 1009 | 1011

interface RewriterOptions {
  readonly transforms: readonly MessageTransform[]
  /** Of one message, as sent, and as it becomes. */
  readonly maxBytes: number
  /** Called once, after the close frame was handed on. */
  readonly onFailed: (failure: RewriteFailure) => void
}

/** How long the upstream has to close in turn, in ms. */
const closeGraceMs = 5000

export interface Rewriting {
  readonly through: Transform
  readonly failure: RewriteFailure | undefined
  /** To be called when both sides have closed. */
  stop(): void
}

/** Undefined where nothing is to be transformed. `cut` breaks both sides off. */
export function startRewriting(
  transforms: readonly MessageTransform[],
  maxBytes: number,
  cut: () => void,
): Rewriting | undefined {
  if (transforms.length === 0) return undefined
  let failure: RewriteFailure | undefined
  let timer: NodeJS.Timeout | undefined
  const onFailed = (given: RewriteFailure): void => {
    failure = given
    timer = setTimeout(cut, closeGraceMs)
  }
  const through = createMessageRewriter({ transforms, maxBytes, onFailed })
  through.on('error', cut)
  return {
    through,
    get failure() {
      return failure
    },
    stop: () => clearTimeout(timer),
  }
}

/** Bytes of the client in, bytes for the upstream out. It never emits `error`. */
export function createMessageRewriter(options: RewriterOptions): Transform {
  const { transforms, maxBytes, onFailed } = options
  const reader = new FrameReader({ isMasked: true, allowsCompression: false, maxBytes })
  let isOver = false

  function fail(closeCode: CloseCode, code: string, message: string): void {
    isOver = true
    const reason = Buffer.alloc(2)
    reason.writeUInt16BE(closeCode)
    rewriter.push(encodeMaskedFrame(8, reason))
    rewriter.push(null)
    onFailed({ code, message })
  }

  async function rewrite({ opcode, payload }: WireMessage): Promise<void> {
    if (payload === undefined) return tooLarge()
    let bytes: Buffer = payload
    if (opcode === 1 || opcode === 2) {
      for (const transform of transforms) bytes = await transform({ opcode, payload: bytes })
    }
    if (bytes.byteLength > maxBytes) return tooLarge()
    rewriter.push(encodeMaskedFrame(opcode, bytes))
  }

  function tooLarge(): void {
    const message = `a message of the client is longer than ${maxBytes} bytes (websocket-message)`
    fail(1009, 'websocket-message-too-large', message)
  }

  async function take(event: FrameEvent): Promise<void> {
    if (event.type === 'problem') {
      fail(1002, 'websocket-unreadable', `the client sent no WebSocket: ${event.problem}`)
      return
    }
    try {
      await rewrite(event.message)
    } catch (error) {
      const isRefused = error instanceof RequestRefused
      const code = isRefused ? error.refusal.reason : 'message-transform-failed'
      fail(isRefused ? 1008 : 1011, code, describeError(error))
    }
  }

  async function takeAll(chunk: Buffer, done: TransformCallback): Promise<void> {
    for (const event of reader.read(chunk)) {
      if (isOver) break
      await take(event)
    }
    done()
  }

  const rewriter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (isOver) done()
      else void takeAll(chunk, done)
    },
  })
  return rewriter
}

/** One whole frame of a client, with a new mask (RFC 6455 §5.3). */
function encodeMaskedFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const frame = Buffer.allocUnsafe(2 + extended + 4 + length)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) frame.writeUInt16BE(length, 2)
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(4)
  const from = 2 + extended + 4
  mask.copy(frame, from - 4)
  for (let index = 0; index < length; index += 1) {
    frame[from + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0)
  }
  return frame
}
