/**
 * The body of one request between the client and whoever takes it: a stream that is passed on as it
 * is, unless an inline analyzer has asked to read it first. What it has read is kept, within bounds
 * for one body and for all, and goes on from there, byte for byte; each byte is told once, as it
 * comes.
 */
import { Readable } from 'node:stream'

import { formatSize } from '../base/units.ts'
import { headerValues } from '../messages/header-values.ts'
import { BodyUnavailable } from '../pipeline/body-unavailable.ts'
import { tellToContinue } from './client-response.ts'
import type { ExchangeInput } from './exchange-input.ts'

/** What all bodies that are held at a time may take together. */
export interface HeldBodies {
  /** In bytes. */
  held: number
  readonly maxBytes: number
}

/** The client's side of an exchange, as far as its body goes. */
export type BodySource = Pick<ExchangeInput, 'body' | 'headers' | 'response'>

export class RequestBody {
  readonly #body: Readable
  readonly #source: BodySource
  readonly #holding: HeldBodies
  readonly #onChunk: (chunk: Buffer) => void
  #chunks: Buffer[] = []
  #bytes = 0
  #isRead = false
  #hasAsked = false
  #hasEnded = false
  #broken: Error | undefined
  #passedOn: Readable | undefined
  #pending: Promise<Buffer> | undefined
  /** Looks at what has come, where somebody waits for it. */
  #progress: (() => void) | undefined

  /** `onChunk` sees each chunk once, as it comes, from when the body is first read on. */
  constructor(source: BodySource, holding: HeldBodies, onChunk: (chunk: Buffer) => void) {
    this.#body = source.body
    this.#source = source
    this.#holding = holding
    this.#onChunk = onChunk
  }

  /** True once somebody has asked for it: chunks are then told from here. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** For whoever reads `stream()`: is to see each chunk, and tells of those that were not told yet. */
  get tee(): (chunk: Buffer) => void {
    return this.#isRead ? ignore : this.#onChunk
  }

  /** True once the client was asked for a body that it waited to be asked for. */
  get hasAsked(): boolean {
    return this.#hasAsked
  }

  /** As long as the client sends what was asked for. */
  get pending(): Promise<unknown> | undefined {
    return this.#pending
  }

  /** All of it. Rejects with `BodyUnavailable`; what has come is not lost by that. */
  read(maxBytes: number): Promise<Buffer> {
    this.#pending ??= this.#collect(maxBytes).finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  /** The body as it is to be forwarded. */
  stream(): Readable {
    if (!this.#isRead) return this.#body
    this.#passedOn ??= this.#replay()
    return this.#passedOn
  }

  /** Lets the rest of it pass unheard, and what was kept go. */
  discard(): void {
    if (!this.#isRead) {
      this.#body.resume()
      return
    }
    this.#unlisten()
    this.#release()
    this.#chunks = []
    this.#body.resume()
  }

  /** The exchange is over: nothing is held for it any more, but for what is still on its way. */
  dispose(): void {
    if (this.#isRead && this.#passedOn === undefined) this.discard()
    else this.#release()
  }

  async #collect(maxBytes: number): Promise<Buffer> {
    if (!this.#isRead) this.#listen()
    this.#body.resume()
    try {
      await this.#settled(maxBytes)
    } finally {
      this.#progress = undefined
    }
    const whole = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    this.#chunks = whole === undefined ? [] : [whole]
    return whole ?? Buffer.alloc(0)
  }

  #settled(maxBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#progress = () => {
        const holding = this.#holding
        if (this.#bytes > maxBytes) {
          this.#body.pause()
          reject(tooLarge(maxBytes))
        } else if (holding.held > holding.maxBytes) {
          this.#body.pause()
          reject(crowded())
        } else if (this.#hasEnded) resolve()
        else if (this.#broken !== undefined) reject(incomplete())
      }
      this.#progress()
    })
  }

  #listen(): void {
    this.#isRead = true
    if (this.#body.readableEnded) this.#hasEnded = true
    else if (this.#body.destroyed) this.#broken = new Error('the client left')
    this.#body.on('data', this.#receive).on('end', this.#onEnd)
    this.#body.on('error', this.#onBroken).on('close', this.#onBroken)
    if (!this.#hasEnded) this.#askClient()
  }

  /** RFC 9110 §10.1.1: who expects a 100 may send nothing before it. */
  #askClient(): void {
    const { headers, response } = this.#source
    const [expected = ''] = headerValues(headers, 'expect')
    if (expected.toLowerCase() !== '100-continue' || response.headersSent) return
    this.#hasAsked = true
    tellToContinue(response)
  }

  #unlisten(): void {
    this.#body.off('data', this.#receive).off('end', this.#onEnd)
    this.#body.off('error', this.#onBroken).off('close', this.#onBroken)
  }

  readonly #receive = (chunk: Buffer): void => {
    this.#onChunk(chunk)
    if (this.#passedOn !== undefined) {
      if (!this.#passedOn.push(chunk)) this.#body.pause()
      return
    }
    this.#chunks.push(chunk)
    this.#bytes += chunk.byteLength
    this.#holding.held += chunk.byteLength
    this.#progress?.()
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true
    if (this.#chunks.length === 0) this.#passedOn?.push(null)
    this.#progress?.()
  }

  readonly #onBroken = (error?: Error): void => {
    if (this.#hasEnded || this.#broken !== undefined) return
    this.#broken = error ?? new Error('the client left while sending its request')
    this.#passedOn?.destroy(this.#broken)
    this.#progress?.()
  }

  /** What was kept, then what is still to come. */
  #replay(): Readable {
    const stream = new Readable({
      read: () => {
        const next = this.#chunks.shift()
        if (next !== undefined) {
          if (this.#chunks.length === 0) this.#release()
          stream.push(next)
        } else if (this.#hasEnded) stream.push(null)
        else if (this.#broken === undefined) this.#body.resume()
        else stream.destroy(this.#broken)
      },
    })
    // Whoever takes it listens; a fault before that must not end the process.
    stream.on('error', () => {})
    this.#body.pause()
    return stream
  }

  #release(): void {
    this.#holding.held -= this.#bytes
    this.#bytes = 0
  }
}

function ignore(): void {}

function tooLarge(maxBytes: number): BodyUnavailable {
  const message = `the body of the request has to be read to decide on it, and is larger than ${formatSize(maxBytes)}`
  return new BodyUnavailable(413, 'body-too-large', message)
}

function incomplete(): BodyUnavailable {
  return new BodyUnavailable(
    408,
    'body-incomplete',
    'the body of the request did not come to its end',
  )
}

function crowded(): BodyUnavailable {
  const message = 'too many bodies of requests are being read at a time; try again'
  return new BodyUnavailable(503, 'bodies-waiting', message)
}
