/**
 * Frames of `application/vnd.amazon.eventstream` (AWS event stream encoding): a prelude with both
 * lengths and its own CRC32, headers, a payload, a CRC32 of all before. It knows bytes only; what a
 * frame means is for `eventstream-reader.ts`. Every byte is checked: no length is believed before
 * its checksum, and the first damaged frame ends the reading, for what follows has no known start.
 */
import { crc32 } from 'node:zlib'

import { eventstreamFrameBytes, eventstreamHeaderBytes } from './bounds.ts'

export interface EventstreamFrame {
  /** Values of string headers; headers of other types are checked and left out. */
  readonly headers: ReadonlyMap<string, string>
  /** The caller's own. */
  readonly payload: Uint8Array
}

export interface FrameDecoder {
  push(bytes: Uint8Array, onFrame: (frame: EventstreamFrame) => void): void
  /** No more bytes come; a frame that they would have completed is a problem. */
  end(): void
  /** What is wrong with the frames; nothing is read past it. */
  readonly problem: string | undefined
}

/** Never throws. Holds at most one frame. */
export function createFrameDecoder(): FrameDecoder {
  const held = createByteBlock()
  let frameBytes: number | undefined
  let problem: string | undefined

  function fail(why: string): void {
    problem = why
    held.clear()
  }

  function readHeld(onFrame: (frame: EventstreamFrame) => void): void {
    if (frameBytes === undefined) {
      if (held.length < preludeBytes) return
      const lengths = readPrelude(held.bytes())
      if (typeof lengths === 'string') fail(lengths)
      else frameBytes = lengths.frameBytes
    } else if (held.length === frameBytes) {
      const frame = readFrame(Buffer.from(held.bytes()))
      frameBytes = undefined
      held.clear()
      if (typeof frame === 'string') fail(frame)
      else onFrame(frame)
    }
  }

  return {
    push(bytes, onFrame) {
      let rest = bytes
      while (rest.length > 0) {
        if (problem !== undefined) return
        // Only up to the end of the frame under way, so that a frame is all that is ever held.
        const wanted = (frameBytes ?? preludeBytes) - held.length
        held.append(rest.subarray(0, wanted))
        rest = rest.subarray(wanted)
        readHeld(onFrame)
      }
    },
    end() {
      if (problem === undefined && held.length > 0) fail('ends within a frame')
    },
    get problem() {
      return problem
    },
  }
}

const preludeBytes = 12
const checksumBytes = 4

interface Prelude {
  readonly frameBytes: number
  readonly headerBytes: number
}

function readPrelude(bytes: Buffer): Prelude | string {
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) {
    return 'the checksum of a frame does not fit its lengths'
  }
  const frameBytes = bytes.readUInt32BE(0)
  const headerBytes = bytes.readUInt32BE(4)
  if (frameBytes > eventstreamFrameBytes) return 'a frame is longer than the limit'
  if (headerBytes > eventstreamHeaderBytes)
    return 'the headers of a frame are longer than the limit'
  if (preludeBytes + headerBytes + checksumBytes > frameBytes) {
    return 'the lengths of a frame contradict each other'
  }
  return { frameBytes, headerBytes }
}

function readFrame(frame: Buffer): EventstreamFrame | string {
  const end = frame.length - checksumBytes
  if (crc32(frame.subarray(0, end)) !== frame.readUInt32BE(end)) {
    return 'the checksum of a frame does not fit its bytes'
  }
  const payloadAt = preludeBytes + frame.readUInt32BE(4)
  const headers = readHeaders(frame.subarray(preludeBytes, payloadAt))
  if (headers === undefined) return 'the headers of a frame are malformed'
  return { headers, payload: frame.subarray(payloadAt, end) }
}

/** Bytes of the values whose type has a fixed length: booleans, integers, a timestamp, a UUID. */
const fixedLengths: ReadonlyMap<number, number> = new Map([
  [0, 0],
  [1, 0],
  [2, 1],
  [3, 2],
  [4, 4],
  [5, 8],
  [8, 8],
  [9, 16],
])
const bytesType = 6
const stringType = 7

/** `name length, name, type, value` until the end; undefined if anything overruns it. */
function readHeaders(bytes: Buffer): Map<string, string> | undefined {
  const headers = new Map<string, string>()
  const names = new Set<string>()
  let at = 0
  while (at < bytes.length) {
    const nameEnd = at + 1 + (bytes[at] ?? 0)
    const type = bytes[nameEnd]
    if (nameEnd === at + 1 || type === undefined) return undefined
    const name = bytes.toString('utf8', at + 1, nameEnd)
    let valueAt = nameEnd + 1
    let length = fixedLengths.get(type)
    if (type === bytesType || type === stringType) {
      if (valueAt + 2 > bytes.length) return undefined
      length = bytes.readUInt16BE(valueAt)
      valueAt += 2
    }
    if (length === undefined || valueAt + length > bytes.length || names.has(name)) {
      return undefined
    }
    names.add(name)
    if (type === stringType) headers.set(name, bytes.toString('utf8', valueAt, valueAt + length))
    at = valueAt + length
  }
  return headers
}

interface ByteBlock {
  readonly length: number
  append(bytes: Uint8Array): void
  /** What has been appended; valid until the next change. */
  bytes(): Buffer
  clear(): void
}

/** Bytes in one block that doubles, so that bytes coming one by one cost no more than others. */
function createByteBlock(): ByteBlock {
  let block = Buffer.alloc(0)
  let length = 0

  return {
    get length() {
      return length
    },
    append(bytes) {
      if (length + bytes.length > block.length) {
        const larger = Buffer.alloc(Math.max(length + bytes.length, block.length * 2, 1_024))
        block.copy(larger, 0, 0, length)
        block = larger
      }
      block.set(bytes, length)
      length += bytes.length
    },
    bytes: () => block.subarray(0, length),
    clear() {
      length = 0
    },
  }
}
