/** Where it is known what tokens stand for, as those that replace them ask for it. Types alone. */

/** The request that a token stands in, before anything of it was replaced. */
export interface TokenRequest {
  readonly agent?: string | undefined
  /** `https` means over verified TLS to `host` and `port`. */
  readonly scheme: 'http' | 'https'
  /** Canonical; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** The request target, with its query. */
  readonly path: string
}

export type TokenKind = 'porthole' | 'starpod'

/** Why a token that is known, or was once, is not replaced in this request. */
export type TokenMismatch = 'host' | 'path' | 'agent' | 'expired' | 'revoked' | 'plain-http'

export type TokenVerdict =
  | {
      readonly decision: 'replace'
      /** Names the secret in messages; never its value. */
      readonly secretId: string
      /** Rejects, or throws, where the value cannot be had: then the request must not go out. */
      reveal(): string | Promise<string>
    }
  | {
      readonly decision: 'strip'
      readonly secretId: string
      readonly reason: TokenMismatch
    }
  /** Not one of this source, or no whole one. */
  | { readonly decision: 'unknown' }

/** What tokens mean as of one moment, for one request. */
export interface TokenLookup {
  /** `text` is the whole token, without any coding that it stood in. */
  find(kind: TokenKind, text: string): TokenVerdict
}

export interface TokenSource {
  /**
   * Undefined where there is no token at all, so that nothing need be looked at. Throws where that
   * cannot be known.
   */
  lookup(request: TokenRequest): TokenLookup | undefined
}
