/**
 * Why a model call did not give an answer: the first of refusal, the provider's own error, a broken
 * exchange and an answer that cannot be read. Error bodies differ per provider and gateway; what
 * has no known shape is quoted, shortened.
 */
import { headerValues } from '../../src/messages/header-values.ts'
import type { Json, MsgOf } from '../../src/messages/schema.ts'
import { errorTextLength } from '../wire/bounds.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, textOf } from '../wire/json.ts'
import { errorIn, errorText } from './stream-format.ts'

export interface Failure {
  readonly type: string
  readonly message: string
}

export interface EndedCall {
  readonly end: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>
  readonly refused: MsgOf<'request-refused'> | undefined
  readonly response: MsgOf<'response-started'> | undefined
  readonly parsed: MsgOf<'http-parsed'> | undefined
  /** What its format makes of an answer that is no JSON object, as `ModelWire.bodyOf` does. */
  readonly body?: JsonRecord | undefined
  readonly merged: MsgOf<'stream-merged'> | undefined
}

/** Undefined if the call was answered in full. */
export function readFailure(call: EndedCall): Failure | undefined {
  const failure =
    refusalOf(call) ?? reportedError(call) ?? brokenExchange(call) ?? unreadableAnswer(call)
  return failure === undefined ? undefined : shortFailure(failure)
}

/** The same within the bound of what is passed on. */
export function shortFailure({ type, message }: Failure): Failure {
  return { type: shortened(type), message: shortened(message) }
}

function refusalOf({ refused }: EndedCall): Failure | undefined {
  if (refused === undefined) return undefined
  return { type: refused.reason, message: refused.message ?? `refused with ${refused.status}` }
}

function reportedError(call: EndedCall): Failure | undefined {
  const { merged, parsed, response } = call
  const body = recordOf(merged?.merged ?? parsed?.json)
  const error = errorIn(body)
  const status = response?.status ?? 0
  if (error !== undefined) return failureFrom(error, status)
  if (status < 400) return undefined
  return { type: nameOf(response) ?? `http-${status}`, message: messageOf(body, call) }
}

/** AWS names the error in a field, before an address that documents it. */
function nameOf(response: EndedCall['response']): string | undefined {
  return headerValues(response?.headers ?? [], 'x-amzn-errortype')[0]?.split(':')[0]
}

/** Gateways answer with `message` or `detail` at the top, or with a page of text. */
function messageOf(body: JsonRecord, { parsed, response }: EndedCall): string {
  const found = ['message', 'Message', 'detail'].map((key) => textOf(body[key]))
  const text = found.find((value) => value !== undefined) ?? parsed?.text
  return text ?? (response?.statusText || 'no error body')
}

/** What an error value of any provider says; `status` of the answer, or 0. */
export function failureFrom(error: Json, status: number): Failure {
  const record = isRecord(error) ? error : {}
  const code = typeof record['code'] === 'number' ? String(record['code']) : textOf(record['code'])
  const type = textOf(record['type'])
  // Google's code is the status of the answer, its status a name.
  const name = textOf(record['status']) ?? code
  const named = type === undefined || type === 'error' ? (name ?? type) : type
  return { type: named ?? (status >= 400 ? `http-${status}` : 'error'), message: errorText(error) }
}

function brokenExchange({ end, merged }: EndedCall): Failure | undefined {
  if (end.kind !== 'exchange-failed' || merged?.complete === true) return undefined
  return { type: end.code, message: end.message ?? `ended by the ${end.by} (${end.phase})` }
}

function unreadableAnswer({ merged, parsed, body }: EndedCall): Failure | undefined {
  if (merged !== undefined) {
    if (merged.complete) return undefined
    return { type: 'incomplete-stream', message: merged.problem ?? 'the stream is incomplete' }
  }
  if (parsed === undefined) return { type: 'no-answer', message: 'the response has no body' }
  if (isRecord(body ?? parsed.json) && !parsed.truncated) return undefined
  const message = parsed.problem ?? `the answer is ${parsed.mediaType ?? 'of unknown type'}`
  return { type: parsed.truncated ? 'incomplete-answer' : 'unreadable-answer', message }
}

function shortened(text: string): string {
  return text.length <= errorTextLength ? text : `${text.slice(0, errorTextLength)}…`
}
