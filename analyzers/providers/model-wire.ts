/** What every wire format of model calls offers: reading a request and its answer into parts. */
import type {
  HeaderPairs,
  Json,
  ModelMessage,
  MsgOf,
  Part,
  ToolCall,
} from '../../src/messages/schema.ts'
import { nameLength, toldParts } from '../wire/bounds.ts'
import type { JsonRecord } from '../wire/json.ts'
import { recordOf, textOf } from '../wire/json.ts'
import { mediaHeadBytes, mediaTailBytes, readMedia } from '../wire/media.ts'
import type { StreamFormat } from './stream-format.ts'
import type { ReportedUsage } from './usage.ts'

/** Where a call goes: some wire formats put the model, or whether it streams, into the path. */
export interface CallTarget {
  /** Host name in lower case, without a port. */
  readonly host: string
  /** Path as sent, without the query. */
  readonly path: string
  /** What follows the `?`, or nothing. */
  readonly query: string
}

export interface CallReading {
  readonly model?: string
  readonly streaming: boolean
  readonly messages: readonly ModelMessage[]
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description?: string }>
  /** What the prompt continues, and whether its answer comes later: as in `model-called`. */
  readonly previousResponseId?: string
  readonly conversationId?: string
  readonly background?: boolean
}

export interface AnswerReading {
  readonly model?: string
  readonly output: readonly Part[]
  readonly toolCalls: readonly ToolCall[]
  readonly finishReason?: string
  readonly responseId?: string
  readonly usage?: ReportedUsage
}

export interface ModelWire {
  /** As in `model-called`. */
  readonly operation: string
  /** Who answers where the host does not tell: servers that stand on any host. */
  readonly provider?: string
  /** How its streamed answers come; absent where they never are. */
  readonly stream?: StreamFormat
  /** The service keeps what was said before: the request holds only the newest of the prompt. */
  readonly keepsHistory?: boolean
  /** Whether a request body has the shape of such a call. */
  isCall(body: JsonRecord, target: CallTarget): boolean
  readCall(body: JsonRecord, target: CallTarget): CallReading
  /**
   * Reads a whole or merged answer; of an incomplete one, what is there. `headers` are those of the
   * response: some services report usage there.
   */
  readAnswer(body: JsonRecord, target: CallTarget, headers?: HeaderPairs): AnswerReading
  /** An answer that is no JSON object, such as audio, as one; absent where every answer is. */
  bodyOf?(parsed: MsgOf<'http-parsed'>): JsonRecord | undefined
}

/** What every `model-answered` says of an answer, within its bounds. */
export function toldAnswer(
  reading: AnswerReading,
): Pick<AnswerReading, 'output' | 'toolCalls' | 'finishReason' | 'responseId'> {
  const { output, toolCalls, finishReason, responseId } = reading
  const more = output.length - toldParts
  const left: Part[] =
    more > 0 ? [{ type: 'other', name: 'truncated', text: `${more} more parts` }] : []
  return {
    output: more > 0 ? [...output.slice(0, toldParts), ...left] : output,
    toolCalls: toolCalls.length > toldParts ? toolCalls.slice(0, toldParts) : toolCalls,
    ...optional('finishReason', shortName(finishReason)),
    ...optional('responseId', shortName(responseId)),
  }
}

/** A name as it is told: nobody's own is longer than this. */
export function shortName(name: string | undefined): string | undefined {
  return name !== undefined && name.length > nameLength ? `${name.slice(0, nameLength)}…` : name
}

/** Spreads into an object only if there is a value. */
export function optional<K extends string, V>(
  key: K,
  value: V | null | undefined,
): { readonly [P in K]?: V } {
  return value === undefined || value === null ? {} : ({ [key]: value } as { [P in K]: V })
}

export function toolCallsIn(parts: readonly Part[]): ToolCall[] {
  return parts.flatMap((part) =>
    part.type === 'tool-call'
      ? [{ ...optional('id', part.id), name: part.name, arguments: part.arguments }]
      : [],
  )
}

/** Content given as `data:` URL, as address or not at all. */
export function mediaFromUrl(url: Json | undefined, fallback: string): Part {
  const match = /^data:([^;,]*)((?:;[^,]*)?),/u.exec((textOf(url) ?? '').slice(0, 200))
  if (match === null) return { type: 'media', mediaType: fallback }
  const [head, mediaType = '', parameters = ''] = match
  const data = (textOf(url) ?? '').slice(head.length)
  const named = mediaType === '' ? fallback : mediaType
  if (parameters.includes('base64')) return mediaFromBase64(data, named)
  return { type: 'media', mediaType: named, bytes: data.length }
}

/** Media whose bytes stand in the body as base64. */
export function mediaFromBase64(data: Json | undefined, mediaType: string): Part {
  const text = textOf(data)
  if (text === undefined) return { type: 'media', mediaType }
  const bytes = base64Bytes(text)
  // Four characters are three bytes: both cuts fall between groups.
  const head = Buffer.from(text.slice(0, (mediaHeadBytes / 3) * 4), 'base64')
  const tailStart = Math.max(0, text.length - (text.length % 4) - (mediaTailBytes / 3) * 4)
  const tail = Buffer.from(text.slice(tailStart), 'base64')
  const facts = readMedia({ head, tail, bytes })
  // What is named in full stands, what is named in part is filled in.
  const named = mediaType.endsWith('/*') ? (facts?.mediaType ?? mediaType) : mediaType
  return { type: 'media', bytes, ...facts, mediaType: named }
}

function base64Bytes(data: string): number {
  const padding = data.endsWith('==') ? 2 : Number(data.endsWith('='))
  return Math.max(0, Math.floor((data.length * 3) / 4) - padding)
}

/** Anything without a part of its own, as JSON, long strings shortened: they are data, not words. */
export function otherPart(value: JsonRecord): Part {
  return { type: 'other', name: textOf(value['type']) ?? 'unknown', text: jsonText(value) }
}

/** A value as one JSON text, or as it stands if it is text; never a dump of binary data. */
export function jsonText(value: Json | undefined): string {
  if (value === undefined || typeof value === 'string') return value ?? ''
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' && inner.length > shownLength
      ? `${inner.slice(0, 64)}… (${inner.length} characters)`
      : inner,
  )
}

/** Longer strings inside parts of unknown kind are taken as encoded data. */
const shownLength = 4_096

/** JSON of tool arguments: given as text by OpenAI, as a value by Anthropic. */
export function argumentsText(value: Json | undefined): string {
  if (typeof value === 'string') return value
  return value === undefined ? '' : JSON.stringify(value)
}

/** Name and description of a tool definition; built-in tools have only a type. */
export function toolOf(value: JsonRecord): CallReading['tools'][number] {
  const inner = recordOf(value['function'] ?? value['custom'] ?? value)
  const name = textOf(inner['name']) ?? textOf(value['server_label']) ?? textOf(value['type'])
  return { name: name ?? 'unknown', ...optional('description', textOf(inner['description'])) }
}
