/**
 * The tokens of one request: what becomes of each, as the sources and the user's options say. A
 * value is revealed once, concealed in whatever is told of the exchange, and counted by the place
 * that it went to. Nothing here knows where the pieces of text come from.
 */
import { describeError } from '../../src/base/errors.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import { RequestRefused } from '../../src/pipeline/request-refused.ts'
import { writeValue } from '../../src/policy/tokens/token-place.ts'
import type { TokenPlace } from '../../src/policy/tokens/token-place.ts'
import type { FoundToken, TokenPiece } from '../../src/policy/tokens/token-scanner.ts'
import type { TokenLookup, TokenVerdict } from '../../src/policy/tokens/token-source.ts'

/** What is to become of tokens that this request may not have, and of what only looks like one. */
export interface TokenPolicy {
  readonly onMismatch: 'strip' | 'block'
  readonly onUnknown: 'leave' | 'strip' | 'block'
  /** Whether plain HTTP to this machine may carry a secret. */
  readonly plainLoopback: boolean
}

/** Different secrets of one request; honest ones have one or two. */
const mostReveals = 32

/** Where in a request a token stood, as messages name it. */
export interface TokenSpot {
  readonly mode: 'header' | 'basic' | 'url-path' | 'query' | 'body' | 'trailer' | 'websocket'
  /** `authorization`, `path`, `query`, `body`, … */
  readonly location: string
}

interface Tally extends TokenSpot {
  readonly kind: 'token-replaced' | 'token-stripped'
  readonly secretId: string
  readonly reason: string | undefined
  count: number
  wasTold: boolean
}

type TellingRequest = Pick<OutgoingRequest, 'scheme' | 'emit' | 'conceal'>

export class TokenSession {
  readonly #request: TellingRequest
  readonly #by: string
  readonly #policy: TokenPolicy
  readonly #lookups: readonly TokenLookup[]
  readonly #revealed = new Map<string, string | Promise<string>>()
  readonly #concealed = new Set<string>()
  readonly #tallies = new Map<string, Tally>()

  constructor(
    request: TellingRequest,
    options: {
      readonly by: string
      readonly policy: TokenPolicy
      readonly lookups: readonly TokenLookup[]
    },
  ) {
    this.#request = request
    this.#by = options.by
    this.#policy = options.policy
    this.#lookups = options.lookups
  }

  /**
   * The text with its tokens replaced or taken out. `placeOf` is told what stands before a token.
   * Rejects with `RequestRefused`.
   */
  async write(
    pieces: readonly TokenPiece[],
    spot: TokenSpot,
    placeOf: (before: string) => TokenPlace,
  ): Promise<string> {
    let text = ''
    for (const piece of pieces) {
      text += typeof piece === 'string' ? piece : await this.#settle(piece, spot, placeOf(text))
    }
    return text
  }

  /** Reports what happened since, by secret and spot; unless `all`, only what is new. */
  tell(all: boolean): void {
    for (const tally of this.#tallies.values()) {
      if (tally.count === 0 || (tally.wasTold && !all)) continue
      const { kind, secretId, mode, location, reason, count } = tally
      const about = { by: this.#by, secretId, mode, location, count }
      this.#request.emit(
        kind === 'token-replaced'
          ? { kind, ...about }
          : { kind, ...about, ...(reason === undefined ? {} : { reason }) },
      )
      tally.count = 0
      tally.wasTold = true
    }
  }

  /** What stands in the token's place. */
  async #settle(token: FoundToken, spot: TokenSpot, place: TokenPlace): Promise<string> {
    const verdict = this.#verdictOf(token)
    switch (verdict.decision) {
      case 'replace':
        return this.#replace(token, verdict, spot, place)
      case 'strip':
        if (this.#policy.onMismatch === 'block') throw mismatched(verdict.reason)
        this.#count('token-stripped', verdict.secretId, spot, verdict.reason)
        return ''
      case 'unknown':
        if (this.#policy.onUnknown === 'leave') return token.written
        if (this.#policy.onUnknown === 'block') throw unknown()
        this.#count('token-stripped', token.kind, spot, 'unknown')
        return ''
    }
  }

  #verdictOf({ kind, text }: FoundToken): TokenVerdict {
    for (const lookup of this.#lookups) {
      const verdict = lookup.find(kind, text)
      if (verdict.decision === 'unknown') continue
      const isOpen = this.#request.scheme === 'http' && !this.#policy.plainLoopback
      if (verdict.decision === 'replace' && isOpen) {
        return { decision: 'strip', secretId: verdict.secretId, reason: 'plain-http' }
      }
      return verdict
    }
    return { decision: 'unknown' }
  }

  async #replace(
    token: FoundToken,
    verdict: Extract<TokenVerdict, { decision: 'replace' }>,
    spot: TokenSpot,
    place: TokenPlace,
  ): Promise<string> {
    const value = await this.#reveal(token, verdict)
    const written = writeValue(value, place, token.written)
    if (!written.ok) {
      throw unavailable(`${verdict.secretId} cannot stand in ${spot.location}: ${written.problem}`)
    }
    this.#conceal(value, verdict.secretId)
    if (!written.text.includes(value)) this.#conceal(written.text, verdict.secretId)
    this.#count('token-replaced', verdict.secretId, spot, undefined)
    return written.text
  }

  async #reveal(
    { text }: FoundToken,
    verdict: Extract<TokenVerdict, { decision: 'replace' }>,
  ): Promise<string> {
    try {
      let value = this.#revealed.get(text)
      if (value === undefined) {
        if (this.#revealed.size >= mostReveals) throw tooMany()
        value = verdict.reveal()
        this.#revealed.set(text, value)
      }
      return await value
    } catch (error) {
      throw error instanceof RequestRefused ? error : unavailable(describeError(error))
    }
  }

  #conceal(text: string, secretId: string): void {
    if (this.#concealed.has(text)) return
    this.#concealed.add(text)
    this.#request.conceal(text, { secretId })
  }

  #count(
    kind: Tally['kind'],
    secretId: string,
    { mode, location }: TokenSpot,
    reason: string | undefined,
  ): void {
    const key = [kind, secretId, mode, location, reason].join(' ')
    const tally = this.#tallies.get(key)
    if (tally !== undefined) tally.count += 1
    else {
      const entry = { kind, secretId, mode, location, reason, count: 1, wasTold: false }
      this.#tallies.set(key, entry)
    }
  }
}

/** For a source that could not say what a token stands for, too. */
export function unavailable(problem: string): RequestRefused {
  return new RequestRefused({
    status: 503,
    reason: 'credential-unavailable',
    message: `porthole has no secret for a token of this request: ${problem}`,
  })
}

function mismatched(reason: string): RequestRefused {
  return new RequestRefused({
    status: 403,
    reason: 'token-host-mismatch',
    message: `porthole refused the request: a token in it is not for this request (${reason})`,
  })
}

function unknown(): RequestRefused {
  return new RequestRefused({
    status: 403,
    reason: 'token-unknown',
    message: 'porthole refused the request: it has a token that nobody here knows',
  })
}

function tooMany(): RequestRefused {
  return new RequestRefused({
    status: 403,
    reason: 'token-limit',
    message: `porthole refused the request: it has tokens for more than ${mostReveals} secrets`,
  })
}
