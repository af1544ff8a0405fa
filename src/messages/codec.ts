/** The JSONL form of messages: one JSON object a line, `\n` after each (RFC 8259, jsonlines.org). */
import { isUtf8 } from 'node:buffer'

import type { Blob } from './capture-line.ts'
import { messageVersion } from './message-kind.ts'
import type { AnalysisMsg, CaptureOpened } from './schema.ts'
import { analysisMsgSchema, captureOpenedSchema } from './schema.ts'

/** One line with its newline. U+2028 and U+2029 are escaped: some readers take them as line ends. */
export function encodeLine(msg: AnalysisMsg | CaptureOpened | Blob): string {
  return lineOf(JSON.stringify(msg))
}

/** JSON that was made already, as a line. */
export function lineOf(json: string): string {
  return `${json
    .replaceAll('\u2028', String.raw`\u2028`)
    .replaceAll('\u2029', String.raw`\u2029`)}\n`
}

export type DecodedLine =
  | { readonly ok: true; readonly type: 'message'; readonly msg: AnalysisMsg }
  | { readonly ok: true; readonly type: 'header'; readonly header: CaptureOpened }
  /** A kind that a later version added: kept as it stands, so that a copy loses nothing. */
  | {
      readonly ok: true
      readonly type: 'unknown'
      readonly value: Readonly<Record<string, unknown>>
    }
  | { readonly ok: false; readonly problem: string }

const knownKinds = new Set<string>(
  analysisMsgSchema.options.map((option) => option.shape.kind.value),
)

/** Reads one line, without its newline. Never throws. */
export function decodeLine(line: string): DecodedLine {
  const parsed = parseLine(line)
  return parsed.ok ? decodeValue(parsed.value) : parsed
}

/** The JSON of one line, not looked into yet. Never throws. */
export function parseLine(
  line: string,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; problem: string } {
  try {
    return { ok: true, value: JSON.parse(line) }
  } catch {
    return { ok: false, problem: 'not JSON' }
  }
}

/** A value as the message or header that it is. Never throws. */
export function decodeValue(value: unknown): DecodedLine {
  try {
    return checkValue(value)
  } catch (error) {
    // Checking recurses: a value nested a hundred thousand deep overflows the stack.
    return { ok: false, problem: error instanceof RangeError ? 'nested too deep' : String(error) }
  }
}

function checkValue(value: unknown): DecodedLine {
  if (typeof value !== 'object' || value === null || !('kind' in value)) {
    return { ok: false, problem: 'not a message: no "kind"' }
  }
  if (value.kind === 'capture-opened') {
    const header = captureOpenedSchema.safeParse(value)
    return header.success
      ? { ok: true, type: 'header', header: header.data }
      : { ok: false, problem: firstProblem(header.error) }
  }
  if (typeof value.kind === 'string' && !knownKinds.has(value.kind)) {
    if ('v' in value && value.v !== messageVersion) {
      return { ok: false, problem: `format version ${String(value.v)} is not known` }
    }
    return { ok: true, type: 'unknown', value: { ...value } }
  }
  const parsed = analysisMsgSchema.safeParse(value)
  if (!parsed.success) return { ok: false, problem: firstProblem(parsed.error) }
  // The value itself, not zod's copy: fields that a later version added must survive a round trip.
  return { ok: true, type: 'message', msg: value as AnalysisMsg }
}

/** Bytes as a body message carries them: text when that loses nothing, else base64. */
export function encodeBytes(bytes: Uint8Array): { text: string } | { base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? { text: buffer.toString('utf8') } : { base64: buffer.toString('base64') }
}

/** The inverse of `encodeBytes`; neither field means no bytes. */
export function decodeBytes(from: {
  readonly text?: string | undefined
  readonly base64?: string | undefined
}): Buffer {
  if (from.text !== undefined) return Buffer.from(from.text, 'utf8')
  return Buffer.from(from.base64 ?? '', 'base64')
}

function firstProblem(error: {
  readonly issues: ReadonlyArray<{ path: PropertyKey[]; message: string }>
}): string {
  const issue = error.issues[0]
  return issue === undefined
    ? 'not a message'
    : `${issue.path.join('.') || 'message'}: ${issue.message}`
}
