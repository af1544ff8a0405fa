/**
 * Replaces opaque tokens in requests by the secrets that they stand for, on the way to hosts that
 * these are bound to, and takes them out on the way to any other. It runs after the capture has
 * seen the request. Where it cannot be known what a token stands for, the request is not sent.
 */
import { parseContentEncoding, problemOfCodings } from '../src/base/content-decoder.ts'
import { describeError } from '../src/base/errors.ts'
import { headerValues } from '../src/messages/header-values.ts'
import type {
  Analyzer,
  BodyTransform,
  MessageTransform,
  OutgoingRequest,
  Refusal,
} from '../src/pipeline/analyzer.ts'
import { RequestRefused } from '../src/pipeline/request-refused.ts'
import type { TokenRequest, TokenSource } from '../src/policy/tokens/token-source.ts'
import { replaceBodyTokens, replaceMessageTokens } from './tokens/token-body.ts'
import { findHeadTokens, replaceHeadTokens, replaceTrailerTokens } from './tokens/token-head.ts'
import { TokenSession, unavailable } from './tokens/token-session.ts'
import type { TokenPolicy } from './tokens/token-session.ts'

export interface TokenReplacerOptions extends Partial<TokenPolicy> {
  /** Bodies with a Content-Encoding: looked into and sent without it, refused, or left alone. */
  readonly codedBodies?: 'decode' | 'refuse' | 'pass'
}

interface Opened {
  readonly about: TokenRequest
  readonly session: TokenSession
}

export class TokenReplacer implements Analyzer {
  readonly name = 'token-replacer'
  readonly #sources: readonly TokenSource[]
  readonly #policy: TokenPolicy
  readonly #codedBodies: 'decode' | 'refuse' | 'pass'
  readonly #opened = new WeakMap<OutgoingRequest, Opened>()

  /** Where several sources know a token, the first one decides. */
  constructor(sources: TokenSource | readonly TokenSource[], options: TokenReplacerOptions = {}) {
    this.#sources = 'lookup' in sources ? [sources] : sources
    this.#policy = {
      onMismatch: options.onMismatch ?? 'strip',
      onUnknown: options.onUnknown ?? 'leave',
      plainLoopback: options.plainLoopback ?? true,
    }
    this.#codedBodies = options.codedBodies ?? 'decode'
  }

  onRequest(request: OutgoingRequest): void | Refusal | Promise<void | Refusal> {
    // As it came: what is put into the path must not decide over what comes after it.
    const about = tokenRequestOf(request)
    let session: TokenSession | undefined
    try {
      session = this.#open(about, request)
    } catch (error) {
      if (error instanceof RequestRefused) return error.refusal
      throw error
    }
    if (session === undefined) return undefined
    const refusal = this.#refuseCoding(request)
    if (refusal !== undefined) return refusal
    this.#opened.set(request, { about, session })
    const found = findHeadTokens(request)
    return found === undefined ? undefined : replaceHead(request, found, session)
  }

  transformRequestBody(request: OutgoingRequest): BodyTransform | undefined {
    const session = this.#opened.get(request)?.session
    const codings = codingsOf(request)
    if (session === undefined || (codings.length > 0 && this.#codedBodies === 'pass')) {
      return undefined
    }
    const replacement = replaceBodyTokens(request.headers.pairs(), codings, session)
    return {
      stream: replacement.stream,
      hasChanged: () => replacement.hasChanged(),
      decodes: codings.length > 0,
      trailers: async (pairs) => {
        const replaced = await replaceTrailerTokens(pairs, session)
        session.tell(true)
        return replaced
      },
    }
  }

  transformRequestMessages(request: OutgoingRequest): MessageTransform | undefined {
    const about = this.#opened.get(request)?.about
    if (about === undefined) return undefined
    // A socket may live for hours: what tokens mean is asked anew for each of its messages.
    return async ({ payload }) => {
      const session = this.#open(about, request)
      return session === undefined ? payload : replaceMessageTokens(payload, session)
    }
  }

  /** Undefined where no token means anything. Throws `RequestRefused`. */
  #open(about: TokenRequest, request: OutgoingRequest): TokenSession | undefined {
    try {
      const lookups = this.#sources
        .map((source) => source.lookup(about))
        .filter((lookup) => lookup !== undefined)
      const options = { by: this.name, policy: this.#policy, lookups }
      return lookups.length === 0 ? undefined : new TokenSession(request, options)
    } catch (error) {
      throw unavailable(describeError(error))
    }
  }

  #refuseCoding(request: OutgoingRequest): Refusal | undefined {
    const codings = codingsOf(request)
    if (codings.length === 0 || this.#codedBodies === 'pass' || !hasBody(request)) return undefined
    const problem = problemOfCodings(codings)
    if (this.#codedBodies === 'decode' && problem === undefined) return undefined
    return {
      status: 415,
      reason: 'coded-body',
      message: `porthole does not send a coded body that may have tokens in it: ${problem ?? codings.join(', ')}`,
    }
  }
}

async function replaceHead(
  request: OutgoingRequest,
  found: NonNullable<ReturnType<typeof findHeadTokens>>,
  session: TokenSession,
): Promise<void | Refusal> {
  try {
    await replaceHeadTokens(request, found, session)
    session.tell(true)
    return undefined
  } catch (error) {
    if (error instanceof RequestRefused) return error.refusal
    throw error
  }
}

function hasBody({ headers }: OutgoingRequest): boolean {
  return ['content-length', 'transfer-encoding'].some((name) => headers.values(name).length > 0)
}

function codingsOf({ headers }: OutgoingRequest): string[] {
  return parseContentEncoding(headerValues(headers.pairs(), 'content-encoding'))
}

function tokenRequestOf({ agent, scheme, host, port, path }: TokenRequest): TokenRequest {
  return { agent, scheme, host, port, path }
}
