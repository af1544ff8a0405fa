/**
 * What is written to a capture, waiting for its turn: messages become lines only then, in steps,
 * and content that the file holds already is not even escaped again. Bodies are stored in pieces
 * cut by content, the prompts of `model-called` in groups of whole messages: agents send both anew,
 * a little longer, at every turn.
 */
import { hash } from 'node:crypto'

import { endOfPiece, pieceBytes } from '../base/content-pieces.ts'
import { describeValue, fingerprintOf } from '../base/fingerprint.ts'
import { attachedBytes } from '../messages/body-bytes.ts'
import type { BodyBytes } from '../messages/body-bytes.ts'
import { decodeBytes, encodeBytes, encodeLine, lineOf } from '../messages/codec.ts'
import { messageVersion } from '../messages/message-kind.ts'
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import type { KnownPieces } from './known-pieces.ts'

export interface CaptureEntry {
  /** What it costs while it waits, in bytes. */
  readonly bytes: number
  /**
   * Its lines in steps of whole lines, the message's own at the very end. Blobs that `known` lacks
   * come before it, and are known from then on.
   */
  encode(known: KnownPieces): IterableIterator<string, void, undefined>
}

type BodyMsg = MsgOf<'request-body'> | MsgOf<'websocket-message'>

/** UTF-16 units of one step. */
const stepLength = 128 * 1024

/** How to store a message with refs; undefined where its plain line is as good. */
export function refEntry(msg: AnalysisMsg): CaptureEntry | undefined {
  if (msg.kind === 'request-body') return bodyEntry(msg)
  if (msg.kind === 'websocket-message') {
    return msg.direction === 'request' ? bodyEntry(msg) : undefined
  }
  return msg.kind === 'model-called' ? callEntry(msg) : undefined
}

function bodyEntry(msg: BodyMsg): CaptureEntry | undefined {
  const body = attachedBytes(msg) ?? faithfulBytes(msg)
  if (body === undefined || body.bytes.length < pieceBytes.min) return undefined
  // Its text must not wait beside its bytes: what waits is bounded by what they take.
  const emptied = { ...msg, ...(msg.text === undefined ? { base64: '' } : { text: '' }) }
  return { bytes: body.bytes.length, encode: (known) => encodeBody(emptied, body, known) }
}

/** The bytes of a message if its text or base64 can be made of them again, to the letter. */
function faithfulBytes(msg: BodyMsg): BodyBytes | undefined {
  if ((msg.text === undefined) === (msg.base64 === undefined)) return undefined
  const bytes = decodeBytes(msg)
  const made: { text?: string; base64?: string } = encodeBytes(bytes)
  return made.text === msg.text && made.base64 === msg.base64 ? { bytes } : undefined
}

/** `msg` may lack its content. */
function* encodeBody(
  msg: BodyMsg,
  { bytes, pieceEnds }: BodyBytes,
  known: KnownPieces,
): Generator<string, void, undefined> {
  const refs: string[] = []
  let lines = ''
  for (const [from, to] of pieces(bytes, pieceEnds)) {
    const piece = bytes.subarray(from, to)
    const ref = hash('sha256', piece, 'base64url')
    refs.push(ref)
    if (known.take(ref, piece.length)) continue
    lines += encodeLine({ kind: 'blob', hash: ref, ...encodeBytes(piece) })
    if (lines.length < stepLength) continue
    yield lines
    lines = ''
  }
  yield lines + storedLine(msg, { text: ['refs', refs], base64: ['refs', refs] })
}

function* pieces(
  bytes: Uint8Array,
  known: readonly number[] | undefined,
): Generator<readonly [number, number], void, undefined> {
  for (let from = 0, index = 0; from < bytes.length; index += 1) {
    const to = (known === undefined ? endOfPiece(bytes, from) : known[index]) ?? bytes.length
    yield [from, to]
    from = to
  }
}

function callEntry(msg: MsgOf<'model-called'>): CaptureEntry | undefined {
  const bytes = promptLength(msg)
  if (bytes < pieceBytes.min) return undefined
  return { bytes, encode: (known) => guarded(msg, encodeCall(msg, known)) }
}

/** About what the text in it takes, in UTF-16 units: that is nearly all. */
export function promptLength({ messages, tools }: MsgOf<'model-called'>): number {
  let size = 0
  for (const { parts } of messages) {
    for (const part of parts) {
      size += 64
      if ('text' in part) size += part.text.length
      if ('arguments' in part) size += part.arguments.length
    }
  }
  for (const tool of tools) size += 64 + (tool.description?.length ?? 0)
  return size
}

function* encodeCall(
  msg: MsgOf<'model-called'>,
  known: KnownPieces,
): Generator<string, void, undefined> {
  const messageRefs = yield* encodeList(msg.messages, known)
  const toolRefs = yield* encodeList(msg.tools, known)
  yield storedLine(msg, { messages: ['messageRefs', messageRefs], tools: ['toolRefs', toolRefs] })
}

/** Lists of JSON, each in a blob, that make up `values` when joined; returns their names. */
function* encodeList(
  values: readonly unknown[],
  known: KnownPieces,
): Generator<string, string[], undefined> {
  const refs: string[] = []
  let group: string[] = []
  let [groupFrom, groupLength, done] = [0, 0, 0]
  let lines = ''
  for (const [index, value] of values.entries()) {
    const text = describeValue(value)
    group.push(text)
    groupLength += text.length
    done += text.length
    if (index < values.length - 1 && !endsGroup(groupLength, text.length)) continue
    // Another kind of name than pieces of bodies have: those blobs hold text.
    const ref = `json-${fingerprintOf(group)}`
    refs.push(ref)
    if (!known.take(ref, groupLength)) {
      const json = JSON.stringify(values.slice(groupFrom, index + 1))
      lines += lineOf(`{"kind":"blob","hash":"${ref}","json":${json}}`)
    }
    group = []
    groupFrom = index + 1
    groupLength = 0
    if (done < stepLength) continue
    yield lines
    lines = ''
    done = 0
  }
  if (lines !== '') yield lines
  return refs
}

/** By content, so that groups fall into step again behind messages that were taken out or put in. */
function endsGroup(groupLength: number, lastLength: number): boolean {
  if (groupLength >= pieceBytes.usual) return true
  return groupLength >= pieceBytes.min && lastLength % 4 === 0
}

/** The line of `msg` with some fields replaced, each in its place. */
function storedLine(
  msg: AnalysisMsg,
  replaced: Readonly<Record<string, readonly [string, readonly string[]]>>,
): string {
  const fields = Object.entries(msg).map(([name, value]) => replaced[name] ?? [name, value])
  return lineOf(JSON.stringify(Object.fromEntries(fields)))
}

/** A message that JSON cannot hold is told as lost, in its place. */
function* guarded(
  { seq, at }: AnalysisMsg,
  lines: Iterable<string>,
): Generator<string, void, undefined> {
  try {
    yield* lines
  } catch {
    const where = 'capture'
    const lost = { v: messageVersion, seq, at, kind: 'messages-dropped', where } as const
    yield encodeLine({ ...lost, count: 1, bytes: 0 })
  }
}
