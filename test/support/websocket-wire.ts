/** WebSocket frames as bytes (RFC 6455 §5.2), written without the code under test. */
import { constants, createDeflateRaw } from 'node:zlib'
import type { DeflateRaw } from 'node:zlib'

export interface FrameSpec {
  readonly opcode: number
  readonly payload?: Uint8Array | string
  /** Default true. */
  readonly isFinal?: boolean
  /** RSV1 to RSV3 as a number from 0 to 7; 4 is RSV1. */
  readonly reserved?: number
  /** Four bytes; none leaves the frame unmasked. */
  readonly mask?: Uint8Array | undefined
}

export const anyMask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)

export function encodeFrame(spec: FrameSpec): Buffer {
  const payload = Buffer.from(spec.payload ?? '')
  const first = ((spec.isFinal ?? true) ? 0x80 : 0) | ((spec.reserved ?? 0) << 4) | spec.opcode
  const { mask } = spec
  const masked = Buffer.from(payload)
  if (mask !== undefined) {
    for (const [index, byte] of payload.entries()) masked[index] = byte ^ (mask[index % 4] ?? 0)
  }
  return Buffer.concat([
    encodeHead(first, payload.length, mask !== undefined),
    mask ?? Buffer.alloc(0),
    masked,
  ])
}

/** The head alone, without a mask: of a frame whose payload is not sent in full, say. */
export function encodeHead(first: number, length: number, isMasked: boolean): Buffer {
  const bit = isMasked ? 0x80 : 0
  if (length < 126) return Buffer.from([first, bit | length])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = first
  if (length < 65_536) {
    head[1] = bit | 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = bit | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return head
}

export interface Compressor {
  /** The payload of one compressed message, without the end that RFC 7692 §7.2.1 leaves out. */
  deflate(payload: Uint8Array | string): Promise<Buffer>
}

export function createCompressor({
  keepsContext = true,
  windowBits = 15,
}: { keepsContext?: boolean; windowBits?: number } = {}): Compressor {
  const create = (): DeflateRaw => createDeflateRaw({ windowBits })
  let stream = create()
  return {
    async deflate(payload) {
      const pieces: Buffer[] = []
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.write(Buffer.from(payload))
      await new Promise<void>((resolve) => {
        stream.flush(constants.Z_SYNC_FLUSH, resolve)
      })
      stream.removeAllListeners('data')
      if (!keepsContext) stream = create()
      return Buffer.concat(pieces).subarray(0, -4)
    },
  }
}

/** Bytes in pieces of the sizes given, over and over; a size below one counts as one. */
export function inPieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[index % sizes.length] ?? bytes.length)
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}
