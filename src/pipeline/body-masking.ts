/**
 * Takes secrets out of bodies before they become messages. A plain body is masked in place, so that
 * its offsets stay true. A compressed one cannot be: it is decoded on the side, and from where a
 * secret shows in it nothing more of it is told, which leaves a gap that its readers see.
 *
 * What may be the beginning of a secret waits for what follows it, a few KiB of a body at most.
 */
import type { ContentDecoder } from '../base/content-decoder.ts'
import { createContentDecoder, parseContentEncoding } from '../base/content-decoder.ts'
import { headerValues } from '../messages/header-values.ts'
import type { AnalysisMsgDraft, HeaderPairs } from '../messages/schema.ts'
import type { BodyMask } from '../policy/content-mask.ts'
import { createBodyMask } from '../policy/content-mask.ts'
import { findWhatIsKnown, knownTailStart } from '../policy/content-secrets.ts'
import type { ContentRedaction, SecretSearch } from '../policy/content-secrets.ts'
import type { SecretRange } from '../policy/secret-range.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import type { BodyChunk } from './body-assembler.ts'

/** More exchanges than the proxy carries at a time; what the oldest held back is never told. */
const liveExchanges = 4_096

type Direction = 'request' | 'response'

export interface Masked {
  /** What can be told now. */
  readonly chunks: readonly BodyChunk[]
  /** What was not told because of a secret in it, at the end of its body. */
  readonly withheld?: { readonly count: number; readonly bytes: number }
  /** What is to be told of secrets in it. */
  readonly notes?: readonly AnalysisMsgDraft[]
}

const nothing: Masked = { chunks: [] }

export class BodyMasking {
  readonly #mode: ContentRedaction
  readonly #exchanges = new Map<string, Partial<Record<Direction, Side>>>()

  readonly #values: ValueFinder | undefined

  /** `values` of stored secrets are masked wherever they stand. */
  constructor(mode: ContentRedaction, values?: ValueFinder) {
    this.#mode = mode
    this.#values = values
  }

  push(body: BodyChunk): Masked {
    const direction = body.kind === 'request-body' ? 'request' : 'response'
    const sides = this.#sidesOf(body.exchangeId)
    const side = (sides[direction] ??= this.#sideOf([]))
    return side.push(body)
  }

  /** To be called with every other message: what has to be told before it. */
  before(draft: AnalysisMsgDraft): Masked {
    const { exchangeId } = draft
    if (exchangeId === undefined) return nothing
    switch (draft.kind) {
      case 'request-started':
        this.#sidesOf(exchangeId).request = this.#sideOf(draft.headers)
        return nothing
      case 'response-started':
        this.#sidesOf(exchangeId).response = this.#sideOf(draft.headers)
        return nothing
      case 'request-ended':
        return this.#exchanges.get(exchangeId)?.request?.end() ?? nothing
      case 'response-ended':
        return this.#exchanges.get(exchangeId)?.response?.end() ?? nothing
      case 'exchange-completed':
      case 'exchange-failed':
        return this.#finish(exchangeId)
      default:
        return nothing
    }
  }

  /** All that is held back of bodies under way, masked as far as it can be told. */
  flushAll(): Masked {
    return together(
      [...this.#exchanges.values()].flatMap((sides) =>
        Object.values(sides).map((side) => side.end()),
      ),
    )
  }

  #sideOf(headers: HeaderPairs): Side {
    return new Side(this.#mode, headers, this.#values)
  }

  #finish(exchangeId: string): Masked {
    const sides = this.#exchanges.get(exchangeId)
    this.#exchanges.delete(exchangeId)
    return together([sides?.request?.end() ?? nothing, sides?.response?.end() ?? nothing])
  }

  #sidesOf(exchangeId: string): Partial<Record<Direction, Side>> {
    const known = this.#exchanges.get(exchangeId)
    if (known !== undefined) return known
    const oldest = this.#exchanges.keys().next()
    if (this.#exchanges.size >= liveExchanges && oldest.done !== true) {
      this.#exchanges.delete(oldest.value)
    }
    const made = {}
    this.#exchanges.set(exchangeId, made)
    return made
  }
}

/** One body. */
class Side {
  readonly #search: SecretSearch & { known: readonly string[] }
  readonly #codings: readonly string[]
  #decoder: ContentDecoder | undefined
  #mask: BodyMask
  /** Of the next byte to come, and of the next one to be told. */
  #offset = 0
  #toldTo = 0
  /** Compressed chunks whose content may hold the beginning of a secret, and where it ends. */
  #waiting: Array<{ readonly body: BodyChunk; decodedTo: number }> = []
  /** The end of the bytes as they came, where a known value may begin in them. */
  #codedTail = ''
  #decodedTo = 0
  #isWithheld = false
  #withheld = { count: 0, bytes: 0 }
  #last: BodyChunk | undefined
  #notes: AnalysisMsgDraft[] = []

  constructor(mode: ContentRedaction, headers: HeaderPairs, values: ValueFinder | undefined) {
    const type = headerValues(headers, 'content-type').join(',').toLowerCase()
    this.#search = { mode, isForm: type.includes('x-www-form-urlencoded'), known: [], values }
    this.#codings = parseContentEncoding(headerValues(headers, 'content-encoding'))
    this.#mask = createBodyMask(this.#search, this.#note)
    if (this.#codings.length > 0) this.#decoder = createContentDecoder(this.#codings)
  }

  push(body: BodyChunk): Masked {
    if (body.known !== undefined) this.#search.known = body.known
    const before = body.offset === this.#offset ? nothing : this.#skipTo(body.offset)
    this.#offset = body.offset + body.chunk.length
    this.#last = body
    const told = this.#decoder === undefined ? this.#plain(body) : this.#coded(body)
    return this.#withNotes(before === nothing ? told : together([before, told]))
  }

  /** The end of the body, or of what came of it. */
  end(): Masked {
    return this.#withNotes(this.#rest())
  }

  #rest(): Masked {
    const chunks = this.#waiting.splice(0).map(({ body }) => body)
    const rest = this.#mask.end()
    if (this.#decoder === undefined) return this.#told(rest)
    const told = this.#mask.hasMasked ? this.#withhold(chunks) : { chunks }
    const withheld = this.#withheld
    this.#withheld = { count: 0, bytes: 0 }
    return withheld.count === 0 ? told : { ...told, withheld }
  }

  /** Chunks between were dropped: nothing goes on across the gap. */
  #skipTo(offset: number): Masked {
    const before = this.#rest()
    this.#toldTo = offset
    this.#mask = createBodyMask(this.#search, this.#note)
    // What follows a gap cannot be decoded, and so not be looked at.
    if (this.#decoder !== undefined) this.#isWithheld = true
    return before
  }

  readonly #note = ({ known, secretId }: SecretRange): void => {
    const body = this.#last
    if (body === undefined) return
    const { kind, connectionId, exchangeId, agent, concealed } = body
    const ids = { connectionId, exchangeId, ...(agent === undefined ? {} : { agent }) }
    if (known !== undefined && kind === 'response-body') {
      const isCoded = this.#decoder !== undefined
      const echo = concealed?.note(known, { where: 'body', isCoded })
      if (echo !== undefined) this.#notes.push({ ...ids, ...echo })
    }
    const sent =
      known !== undefined && kind === 'request-body' ? concealed?.noteSent(known) : undefined
    const withheld = secretId ?? sent
    if (withheld === undefined) return
    this.#notes.push({ kind: 'secret-withheld', ...ids, where: kind, secretId: withheld, count: 1 })
  }

  #withNotes(told: Masked): Masked {
    if (this.#notes.length === 0) return told
    const notes = this.#notes
    this.#notes = []
    return { ...told, notes }
  }

  #plain(body: BodyChunk): Masked {
    return this.#told(this.#mask.push(body.chunk))
  }

  #told(chunk: Uint8Array): Masked {
    const offset = this.#toldTo
    this.#toldTo += chunk.length
    if (chunk.length === 0 || this.#last === undefined) return nothing
    return { chunks: [{ ...this.#last, offset, chunk }] }
  }

  #coded(body: BodyChunk): Masked {
    if (this.#isWithheld || this.#decoder === undefined) return this.#withhold([body])
    const decoded = this.#decoder.push(body.chunk)
    this.#decodedTo += decoded.length
    this.#mask.push(decoded)
    // What has not been decoded yet may hold anything: it waits for what comes of it.
    const decodedTo = decoded.length === 0 ? Infinity : this.#decodedTo
    if (decoded.length > 0) {
      for (const held of this.#waiting) held.decodedTo = Math.min(held.decodedTo, decodedTo)
    }
    this.#waiting.push({ body: withDecoded(body, this.#decoder, decoded), decodedTo })
    if (
      this.#hasPlainSecret(body.chunk) ||
      this.#mask.hasMasked ||
      this.#decoder.state.kind === 'limit'
    ) {
      return this.#withhold(this.#waiting.splice(0).map(({ body: held }) => held))
    }
    if (this.#codedTail !== '') return nothing
    const clearTo = this.#decodedTo - this.#mask.heldBytes
    const clear = this.#waiting.findLastIndex(({ decodedTo }) => decodedTo <= clearTo) + 1
    const chunks = this.#waiting.splice(0, clear).map(({ body: held }) => held)
    return { chunks }
  }

  /** Codings leave what does not repeat as it is: a secret can be read in the bytes themselves. */
  #hasPlainSecret({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
    const text = this.#codedTail + Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
    const found = findWhatIsKnown(text, this.#search)
    for (const range of found) this.#note(range)
    this.#codedTail = text.slice(knownTailStart(text, this.#search))
    return found.length > 0
  }

  #withhold(chunks: readonly BodyChunk[]): Masked {
    this.#isWithheld = true
    this.#withheld.count += chunks.length
    for (const { chunk } of chunks) this.#withheld.bytes += chunk.length
    return nothing
  }
}

/** Requests are put together anew before they are told. */
function withDecoded(body: BodyChunk, decoder: ContentDecoder, bytes: Uint8Array): BodyChunk {
  return body.kind === 'request-body' ? body : { ...body, decoded: { decoder, bytes } }
}

function together(parts: readonly Masked[]): Masked {
  const telling = parts.filter((part) => part !== nothing)
  const [only] = telling
  if (telling.length <= 1) return only ?? nothing
  const withheld = { count: 0, bytes: 0 }
  for (const part of telling) {
    withheld.count += part.withheld?.count ?? 0
    withheld.bytes += part.withheld?.bytes ?? 0
  }
  const chunks = telling.flatMap((part) => part.chunks)
  const notes = telling.flatMap((part) => part.notes ?? [])
  return {
    chunks,
    ...(withheld.count === 0 ? {} : { withheld }),
    ...(notes.length === 0 ? {} : { notes }),
  }
}
