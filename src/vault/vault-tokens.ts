/**
 * The vault as a source of what tokens stand for: looked up by their hash, decided on by the secret
 * that they name, opened for one request alone.
 */
import { timingSafeEqual } from 'node:crypto'

import { decideToken } from '../policy/tokens/token-decision.ts'
import { hashToken, isToken } from '../policy/tokens/token-format.ts'
import type {
  TokenKind,
  TokenLookup,
  TokenRequest,
  TokenSource,
  TokenVerdict,
} from '../policy/tokens/token-source.ts'
import type { VaultCredentials } from './vault-credentials.ts'
import type { TokenEntry, VaultReader, VaultSnapshot } from './vault-reader.ts'

/** In messages: of what was revoked nothing is known any more. */
const revokedId = 'revoked'

export class VaultTokens implements TokenSource {
  readonly #reader: VaultReader
  readonly #credentials: VaultCredentials
  #hadTokens = false

  constructor(reader: VaultReader, credentials: VaultCredentials) {
    this.#reader = reader
    this.#credentials = credentials
  }

  lookup(request: TokenRequest): TokenLookup | undefined {
    const snapshot = this.#reader.current()
    // Once there was one, it is still to be taken out when the last was revoked.
    this.#hadTokens ||= (snapshot?.tokensByHash.size ?? 0) > 0
    if (snapshot === undefined || !this.#hadTokens) return undefined
    return { find: (kind, text) => this.#find(snapshot, request, kind, text) }
  }

  #find(
    snapshot: VaultSnapshot,
    request: TokenRequest,
    kind: TokenKind,
    text: string,
  ): TokenVerdict {
    if (kind !== 'porthole' || !isToken(text)) return { decision: 'unknown' }
    const entry = findByHash(snapshot, hashToken(text))
    if (entry === undefined) return { decision: 'strip', secretId: revokedId, reason: 'revoked' }
    const { secret } = entry
    const isGranted = this.#credentials.mayUse(snapshot, request.agent)(secret)
    const facts = {
      hosts: entry.hosts,
      secretHosts: secret.hosts,
      path: secret.path,
      agent: entry.agent,
      isGranted,
      expiresAt: entry.expiresAt,
    }
    const decision = decideToken(facts, request, this.#reader.now())
    if (decision !== 'replace') return { decision: 'strip', secretId: secret.id, reason: decision }
    return {
      decision,
      secretId: secret.id,
      reveal: () => this.#credentials.reveal(snapshot, secret),
    }
  }
}

/** The lookup is by a hash, so its time says nothing about a token; the comparison is constant. */
function findByHash(snapshot: VaultSnapshot, hash: Buffer): TokenEntry | undefined {
  const entry = snapshot.tokensByHash.get(hash.toString('hex'))
  return entry !== undefined && timingSafeEqual(entry.hash, hash) ? entry : undefined
}
