/**
 * What a call sends, as digests that can be compared with those of other calls: system prompt,
 * tools, and the chain of its messages. Marks of where to cache are no part of what is said and are
 * left out, and so is the form in which a text stands; both wander from call to call.
 */
import type { Hash } from 'node:crypto'
import { createHash, hash } from 'node:crypto'

import { describeValue } from '../../src/base/fingerprint.ts'
import type { Json, ModelMessage, MsgOf } from '../../src/messages/schema.ts'
import { comparedMessages } from '../wire/bounds.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, recordOf, recordsOf } from '../wire/json.ts'
import { stepLength } from '../wire/work.ts'

export interface Prompt {
  readonly system: string
  readonly tools: string
  readonly hasTools: boolean
  /** Digest `i` stands for the messages up to and including `i`; at most `comparedMessages`. */
  readonly chain: BigUint64Array
  /** Messages after the system prompt, which may be more than the chain has. */
  readonly count: number
  /** Messages of the system prompt at the start of `model-called.messages`. */
  readonly systemCount: number
}

export function digestOf(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 24)
}

/** One digest for all of a record; yields every now and then where it is long. */
export function* digestInSteps(record: object): Generator<undefined, string, undefined> {
  let whole: Hash | undefined
  let text = ''
  for (const [name, value] of Object.entries(record)) {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    text += `${describeValue(name)}${Array.isArray(value) ? 'a' : 'v'}${items.length}:`
    for (const item of items) {
      text += describeValue(item)
      if (text.length < stepLength) continue
      whole = (whole ?? createHash('sha256')).update(text)
      text = ''
      yield
    }
  }
  // Most are short, and then one call does.
  return whole === undefined ? digestOf(text) : whole.update(text).digest('hex').slice(0, 24)
}

/**
 * `body` is the request's own JSON, which tells more than its reading; undefined if not seen.
 * Yields every now and then where the prompt is long.
 */
export function* readPrompt(
  call: MsgOf<'model-called'>,
  body: JsonRecord | undefined,
): Generator<undefined, Prompt, undefined> {
  const { messages } = call
  const first = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer')
  const systemCount = first === -1 ? messages.length : first
  const raw = body === undefined ? [] : rawMessages(body)
  // The system prompt may stand apart from the list; any other difference is none to build on.
  const offset = messages.length - raw.length
  const isAligned = offset === 0 || offset === 1
  const count = messages.length - systemCount
  const chain = new BigUint64Array(Math.min(count, comparedMessages))
  let before = ''
  let length = 0
  for (let index = 0; index < chain.length; index += 1) {
    const at = systemCount + index
    const own = isAligned && at >= offset ? raw[at - offset] : undefined
    const text = own === undefined ? JSON.stringify(messages[at]) : textOfRaw(own)
    before = hash('sha256', `${before}${text}`, 'hex').slice(0, 16)
    chain[index] = BigInt(`0x${before}`)
    length += text.length
    if (length < stepLength) continue
    length = 0
    yield
  }
  return {
    system: systemDigest(messages.slice(0, systemCount)),
    tools: toolsDigest(call, body),
    hasTools: call.tools.length > 0,
    chain,
    count,
    systemCount,
  }
}

/** Messages from the start that both have; undefined if that cannot be told for sure. */
export function sharedCount(a: Prompt, b: Prompt): number | undefined {
  const limit = Math.min(a.chain.length, b.chain.length)
  let low = 0
  let high = limit
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (a.chain[middle - 1] === b.chain[middle - 1]) low = middle
    else high = middle - 1
  }
  const isCut = low === limit && (a.count > a.chain.length || b.count > b.chain.length)
  return isCut && a.chain.length === b.chain.length ? undefined : low
}

/**
 * `body` without the messages for which the last digest of `prompt` stands: nearly all of it need
 * not be read again. Undefined where not all of its messages are in there.
 */
export function withoutDigested(
  body: JsonRecord,
  { messages }: MsgOf<'model-called'>,
  { chain, count, systemCount }: Prompt,
): JsonRecord | undefined {
  const name = ['messages', 'input', 'contents'].find((field) => Array.isArray(body[field]))
  const list = name === undefined ? undefined : body[name]
  if (name === undefined || !Array.isArray(list) || !list.every(isRecord)) return undefined
  const offset = messages.length - list.length
  if (count > chain.length || (offset !== 0 && offset !== 1)) return undefined
  return { ...body, [name]: list.slice(0, Math.max(0, systemCount - offset)) }
}

/** The list of messages or items of a body, in whichever format. */
export function rawMessages(body: JsonRecord): JsonRecord[] {
  for (const list of [body['messages'], body['input'], body['contents']]) {
    if (Array.isArray(list)) return recordsOf(list)
  }
  return recordsOf(recordOf(body['request'])['contents'])
}

/** Part of what clients add to the system prompt for accounting; it is new with every call. */
const accounting = /^x-anthropic-billing-header:/u

function systemDigest(messages: readonly ModelMessage[]): string {
  const parts = messages
    .flatMap((message) => message.parts)
    .filter((part) => part.type !== 'text' || !accounting.test(part.text))
  return parts.length === 0 ? '' : digestOf(JSON.stringify(parts))
}

function toolsDigest(call: MsgOf<'model-called'>, body: JsonRecord | undefined): string {
  const inner = body === undefined ? undefined : recordOf(body['request'])
  const raw = body?.['tools'] ?? body?.['functions'] ?? body?.['toolConfig'] ?? inner?.['tools']
  if (raw !== undefined) return isEmpty(raw) ? '' : digestOf(withoutMarks(raw))
  return call.tools.length === 0 ? '' : digestOf(JSON.stringify(call.tools))
}

function isEmpty(value: Json): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}

/** Text given plainly and as the only block of a list is the same message. */
function textOfRaw(message: JsonRecord): string {
  const { content } = message
  if (typeof content !== 'string') return withoutMarks(message)
  return withoutMarks({ ...message, content: [{ type: 'text', text: content }] })
}

/** One text for each value, as `describeValue` has it, without the marks of where to cache. */
function withoutMarks(value: Json): string {
  const text = describeUnmarked(value)
  // Hashed as UTF-8, in which all lone surrogates would be one.
  return text.isWellFormed() ? text : JSON.stringify(text)
}

/** JSON would do, but for its escapes: of a prompt of megabytes they are most of the work. */
function describeUnmarked(value: Json): string {
  if (typeof value !== 'object' || value === null) return describeValue(value)
  let text = ''
  let count = 0
  if (Array.isArray(value)) {
    for (const item of listOf(value)) {
      if (isRecord(item) && item['cachePoint'] !== undefined) continue
      text += describeUnmarked(item)
      count += 1
    }
    return `a${count}:${text}`
  }
  for (const [name, member] of Object.entries(value)) {
    if (name === 'cache_control') continue
    text += describeValue(name) + describeUnmarked(member)
    count += 1
  }
  return `o${count}:${text}`
}
