/**
 * Tokens in a request's body, as it streams by: JSON, forms and everything else, with its content
 * codings undone where there are any. Bytes without tokens pass as they are; what is held back is
 * what could still become one. A body that cannot be read to its end fails the exchange.
 */
import { Duplex, Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

import type { ContentDecoder, DecoderState } from '../../src/base/content-decoder.ts'
import { createContentDecoder } from '../../src/base/content-decoder.ts'
import { asError } from '../../src/base/errors.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'
import { RequestRefused } from '../../src/pipeline/request-refused.ts'
import type { TokenPlace } from '../../src/policy/tokens/token-place.ts'
import { TokenScanner } from '../../src/policy/tokens/token-scanner.ts'
import type { TokenPiece } from '../../src/policy/tokens/token-scanner.ts'
import type { TokenSession, TokenSpot } from './token-session.ts'

const spot: TokenSpot = { mode: 'body', location: 'body' }
/** What a coded body may expand to, in bytes; it is never held as a whole. */
const mostDecodedBytes = 256 * 1024 * 1024
/** So that what one step expands to stays small, and is sent before the next one. */
const codedSliceBytes = 4 * 1024

/** How values are written, as the Content-Type says; `undefined` where the content must tell. */
export function bodyPlace(headers: HeaderPairs): 'json' | 'raw' | 'form' | undefined {
  const type = headerValues(headers, 'content-type').join(',').toLowerCase()
  if (/[/+](?:json|x-ndjson|ndjson|jsonl|x-jsonlines|jsonlines|json-seq)\b/u.test(type)) {
    return 'json'
  }
  return type === '' || /^text\/plain\b|x-www-form-urlencoded\b/u.test(type) ? undefined : 'raw'
}

/** Replaces in one body. Chunks may be cut anywhere: the result does not depend on it. */
class BodyTokens {
  readonly #session: TokenSession
  readonly #scanner = new TokenScanner()
  readonly #isForm: boolean
  #place: TokenPlace | undefined
  hasChanged = false

  constructor(headers: HeaderPairs, session: TokenSession) {
    this.#session = session
    this.#place = bodyPlace(headers)
    this.#isForm = headerValues(headers, 'content-type').some((type) => /form/iu.test(type))
  }

  /** At once where there is nothing to be replaced; then mostly the very bytes that came. */
  push(chunk: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const text = latin1(chunk)
    const pieces = this.#scanner.push(text)
    return pieces.length === 1 && pieces[0] === text ? this.#seen(text, chunk) : this.#write(pieces)
  }

  async end(): Promise<Uint8Array> {
    const rest = await this.#write(this.#scanner.end())
    this.#session.tell(true)
    return rest
  }

  #seen(text: string, chunk: Uint8Array): Uint8Array {
    this.#place ??= this.#placeFor(text)
    return chunk
  }

  #write(pieces: readonly TokenPiece[]): Uint8Array | Promise<Uint8Array> {
    if (!hasToken(pieces)) {
      const text = pieces.filter((piece) => typeof piece === 'string').join('')
      return this.#seen(text, Buffer.from(text, 'latin1'))
    }
    return this.#replace(pieces)
  }

  async #replace(pieces: readonly TokenPiece[]): Promise<Uint8Array> {
    const [first] = pieces
    if (typeof first === 'string') this.#place ??= this.#placeFor(first)
    const place = this.#place ?? (this.#isForm ? 'form' : 'raw')
    const text = await this.#session.write(pieces, spot, () => place)
    const came = pieces.map((piece) => (typeof piece === 'string' ? piece : piece.written)).join('')
    this.hasChanged ||= text !== came
    this.#session.tell(false)
    return Buffer.from(text, 'latin1')
  }

  /** JSON is often sent under another name; a form begins with no bracket. */
  #placeFor(text: string): TokenPlace | undefined {
    const first = /[^\s\u00bb\u00bf\u00ef]/u.exec(text)?.[0]
    if (first === undefined) return undefined
    if (first === '{' || first === '[') return 'json'
    return this.#isForm ? 'form' : 'raw'
  }
}

export interface BodyReplacement {
  readonly stream: Duplex
  hasChanged(): boolean
}

/** `codings` are undone first, in reverse. */
export function replaceBodyTokens(
  headers: HeaderPairs,
  codings: readonly string[],
  session: TokenSession,
): BodyReplacement {
  const body = new BodyTokens(headers, session)
  const stream = codings.length === 0 ? new PlainStream(body) : codedStream(body, codings)
  return { stream, hasChanged: () => body.hasChanged }
}

class PlainStream extends Transform {
  readonly #body: BodyTokens

  constructor(body: BodyTokens) {
    super()
    this.#body = body
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#body.push(chunk)
    if (bytes instanceof Promise) void this.#pushLater(bytes, done)
    else done(null, bytes.length === 0 ? undefined : bytes)
  }

  override _flush(done: TransformCallback): void {
    void this.#pushLater(this.#body.end(), done)
  }

  async #pushLater(coming: Promise<Uint8Array>, done: TransformCallback): Promise<void> {
    let bytes: Uint8Array
    try {
      bytes = await coming
    } catch (error) {
      done(asError(error))
      return
    }
    done(null, bytes.length === 0 ? undefined : bytes)
  }
}

function codedStream(body: BodyTokens, codings: readonly string[]): Duplex {
  const decoder = createContentDecoder(codings, { outputBytes: mostDecodedBytes })
  // What follows the end of a coding is not decoded: nothing like a token may pass there.
  const outside = new TokenScanner()
  return Duplex.from(async function* replaced(source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      body.hasChanged ||= hasToken(outside.push(latin1(chunk)))
      for (let at = 0; at < chunk.length; at += codedSliceBytes) {
        const decoded = decoder.push(chunk.subarray(at, at + codedSliceBytes))
        const bytes = await body.push(decoded)
        if (bytes.length > 0) yield bytes
        refuseFailed(decoder)
      }
    }
    body.hasChanged ||= hasToken(outside.end())
    decoder.end()
    refuseFailed(decoder)
    const rest = await body.end()
    if (rest.length > 0) yield rest
  })
}

function hasToken(pieces: readonly TokenPiece[]): boolean {
  return pieces.some((piece) => typeof piece !== 'string')
}

/** What cannot be decoded cannot be looked at: it is not sent. */
function refuseFailed({ state }: ContentDecoder): void {
  const problem = problemOf(state)
  if (problem === undefined) return
  throw new RequestRefused({
    status: 400,
    reason: 'coded-body',
    message: `porthole cannot decode the body, to look for tokens in it: ${problem}`,
  })
}

function problemOf(state: DecoderState): string | undefined {
  switch (state.kind) {
    case 'open':
    case 'ended':
      return undefined
    case 'failed':
      return state.problem
    case 'limit':
      return 'it expands to more than 256 MiB'
    case 'truncated':
      return 'it ends too early'
  }
}

/** One text or binary message of a WebSocket. */
export async function replaceMessageTokens(
  payload: Buffer,
  session: TokenSession,
): Promise<Buffer> {
  const text = latin1(payload)
  const scanner = new TokenScanner()
  const pieces = [...scanner.push(text), ...scanner.end()]
  if (!hasToken(pieces)) return payload
  const place = /^\s*[[{]/u.test(text) ? 'json' : 'raw'
  const written = await session.write(
    pieces,
    { mode: 'websocket', location: 'websocket' },
    () => place,
  )
  session.tell(true)
  return Buffer.from(written, 'latin1')
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
