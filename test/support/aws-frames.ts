/**
 * AWS event streams for tests: frames written by the book, and a reader that believes every length,
 * independent of the one under test.
 */
import { crc32 } from 'node:zlib'

import type { JsonRecord } from '../../analyzers/wire/json.ts'
import { textOf } from '../../analyzers/wire/json.ts'

/** Header values: text, or raw bytes of a type given by its number. */
export type FrameHeaders = Readonly<Record<string, string | { type: number; bytes: Buffer }>>

export function awsFrame(headers: FrameHeaders, payload: string | Uint8Array): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)))
  const body = Buffer.from(payload)
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(12 + head.length + body.length + 4, 0)
  prelude.writeUInt32BE(head.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const covered = Buffer.concat([prelude, head, body])
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(covered))
  return Buffer.concat([covered, sum])
}

function header(name: string, value: FrameHeaders[string]): Buffer {
  const named = Buffer.concat([Buffer.of(Buffer.byteLength(name)), Buffer.from(name)])
  if (typeof value !== 'string') return Buffer.concat([named, Buffer.of(value.type), value.bytes])
  const text = Buffer.from(value)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(text.length)
  return Buffer.concat([named, Buffer.of(7), length, text])
}

/** An event as Bedrock sends it. */
export function awsEvent(type: string, payload: unknown): Buffer {
  const headers = {
    ':event-type': type,
    ':content-type': 'application/json',
    ':message-type': 'event',
  }
  return awsFrame(headers, JSON.stringify(payload))
}

/** The event of a model, as InvokeModel wraps it. */
export function awsChunk(event: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(event)).toString('base64')
  return awsEvent('chunk', { bytes, p: 'abc' })
}

export interface ReadEvent {
  readonly type: string
  readonly payload: JsonRecord
}

/** Reads frames of which nothing is damaged and all headers are text. */
export function readAwsEvents(stream: Buffer): ReadEvent[] {
  const events: ReadEvent[] = []
  for (let at = 0; at < stream.length; at += stream.readUInt32BE(at)) {
    const end = at + stream.readUInt32BE(at)
    const payloadAt = at + 12 + stream.readUInt32BE(at + 4)
    const head = stream.toString('latin1', at + 12, payloadAt)
    const payload = JSON.parse(stream.toString('utf8', payloadAt, end - 4)) as ReadEvent['payload']
    events.push({ type: /:event-type\u0007..([A-Za-z]+)/su.exec(head)?.[1] ?? '', payload })
  }
  return events
}

/** The models' own events of an InvokeModel stream. */
export function innerEvents(stream: Buffer): JsonRecord[] {
  return readAwsEvents(stream).map(({ payload }) => {
    const inner = Buffer.from(textOf(payload['bytes']) ?? '', 'base64')
    return JSON.parse(inner.toString()) as JsonRecord
  })
}

/** Events that name their type, as a stream of server-sent events. */
export function asServerSent(events: readonly JsonRecord[]): Buffer {
  const framed = events.map(
    (event) => `event: ${textOf(event['type']) ?? ''}\ndata: ${JSON.stringify(event)}\n\n`,
  )
  return Buffer.from(framed.join(''))
}
