/**
 * What the index needs of one capture file, from any line on: messages without the bytes of bodies,
 * which are passed over unparsed, and of each prompt only what this file has not said before.
 */
import { LRUCache } from 'lru-cache'

import { blobSchema } from '../../messages/capture-line.ts'
import { decodeValue, parseLine } from '../../messages/codec.ts'
import type { AnalysisMsg, CaptureOpened, Json } from '../../messages/schema.ts'
import { looksLikeBlob } from '../blob-store.ts'
import { decodeSplitLine } from '../line-decoder.ts'
import { bodyKinds, headOf } from '../line-kind.ts'
import type { ScannedLine } from '../scan-lines.ts'
import { scanLines } from '../scan-lines.ts'

export type IndexedLine =
  | {
      readonly type: 'message'
      readonly at: number
      readonly end: number
      /** Of `model-called` perhaps without messages that an earlier line brought. */
      readonly msg: AnalysisMsg
      /** The last messages of a prompt are among them. */
      readonly hasTail: boolean
    }
  | { readonly type: 'header'; readonly end: number; readonly header: CaptureOpened }
  | { readonly type: 'problem'; readonly end: number }
  /** Nothing to index; `end` is a place to go on from later. */
  | { readonly type: 'passed'; readonly end: number }
  /** Content for a line that follows: not a place to go on from. */
  | { readonly type: 'blob' }

/** Bytes of prompts that wait for the line that refers to them. */
const waitingBytes = 32 * 1024 * 1024
const passedOver = new Set([...bodyKinds, 'connection-opened', 'connection-closed'])
/** Of messages and tools; bodies stand in others. */
const jsonBlob = Buffer.from('{"kind":"blob","hash":"json-')

/** In groups as they are read. Rejects with ERR_CAPTURE_UNREADABLE. */
export async function* scanForIndex(
  path: string,
  from: number,
): AsyncGenerator<IndexedLine[], void, undefined> {
  const waiting = new LRUCache<string, { readonly json: readonly Json[]; readonly bytes: number }>({
    maxSize: waitingBytes,
    sizeCalculation: ({ bytes }) => bytes,
  })
  const take = (ref: unknown): readonly Json[] | undefined => {
    if (typeof ref !== 'string') return undefined
    const found = waiting.get(ref)
    waiting.delete(ref)
    return found?.json
  }
  for await (const lines of scanLines(path, from)) {
    yield lines.map((line) => {
      if (line.split.ok && looksLikeBlob(line.split.bytes)) {
        const blob = readBlob(line)
        if (blob?.json !== undefined) {
          waiting.set(blob.hash, { json: blob.json, bytes: line.end - line.at })
        }
        return { type: 'blob' }
      }
      return readLine(line, take)
    })
  }
}

function readBlob({ split }: ScannedLine): { hash: string; json?: readonly Json[] } | undefined {
  if (!split.ok || !split.bytes.subarray(0, jsonBlob.length).equals(jsonBlob)) return undefined
  const parsed = parseLine(split.bytes.toString('utf8'))
  const blob = parsed.ok ? blobSchema.safeParse(parsed.value).data : undefined
  return blob?.json === undefined ? undefined : { hash: blob.hash, json: blob.json }
}

function readLine(
  line: ScannedLine,
  take: (ref: unknown) => readonly Json[] | undefined,
): IndexedLine {
  const { at, end, split } = line
  if (split.ok) {
    const { kind } = headOf(line)
    if (kind !== undefined && passedOver.has(kind)) return { type: 'passed', end }
    if (kind === 'model-called' || kind === undefined) {
      const stored = readStoredCall(line, take)
      if (stored !== undefined) return stored
    }
  }
  const decoded = decodeSplitLine(split)
  if (decoded === undefined) return { type: 'passed', end }
  if (!decoded.ok) return { type: 'problem', end }
  if (decoded.type === 'message')
    return { type: 'message', at, end, msg: decoded.msg, hasTail: true }
  if (decoded.type === 'header') return { type: 'header', end, header: decoded.header }
  return { type: 'passed', end }
}

/** A prompt as refs; undefined where it stands in the line itself. */
function readStoredCall(
  { at, end, split }: ScannedLine,
  take: (ref: unknown) => readonly Json[] | undefined,
): IndexedLine | undefined {
  const parsed = split.ok ? parseLine(split.bytes.toString('utf8')) : undefined
  if (parsed?.ok !== true || typeof parsed.value !== 'object' || parsed.value === null) {
    return undefined
  }
  const { messageRefs, toolRefs, ...rest } = parsed.value as Record<string, unknown>
  if (rest['kind'] !== 'model-called' || !Array.isArray(messageRefs)) return undefined
  if (Array.isArray(toolRefs)) for (const ref of toolRefs) take(ref)
  const found = messageRefs.map(take)
  const messages = found.flatMap((json) => json ?? [])
  const decoded = decodeValue({ ...rest, messages, tools: [] })
  if (!decoded.ok || decoded.type !== 'message') return { type: 'problem', end }
  return { type: 'message', at, end, msg: decoded.msg, hasTail: found.at(-1) !== undefined }
}
