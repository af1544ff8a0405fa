/**
 * TLS contexts by host, least recently used first out. One certificate is made per host however
 * many connections ask at once, and at most one per turn of the event loop, so that a burst of new
 * hosts cannot hold up traffic. It opens no socket.
 */
import { constants } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'

import { LRUCache } from 'lru-cache'

import type { Clock } from '../src/base/clock.ts'
import type { Authority } from './authority.ts'

/** A leaf is replaced once this part of its life is over. */
const refreshAfter = 2 / 3
const defaultCapacity = 1000

export interface LeafCacheOptions {
  /** Hosts kept. */
  readonly capacity?: number | undefined
  /**
   * Only `now()` is used, and clients compare with the real time: give it a clock that follows the
   * wall clock through a suspended machine.
   */
  readonly clock: Pick<Clock, 'now'>
}

interface Entry {
  readonly context: SecureContext
  readonly notBeforeMs: number
  readonly refreshAtMs: number
}

export class LeafCache {
  readonly #authority: Authority
  readonly #clock: Pick<Clock, 'now'>
  readonly #entries: LRUCache<string, Entry>
  readonly #pending = new Map<string, Promise<SecureContext>>()
  #lastMint: Promise<void> = Promise.resolve()

  constructor(authority: Authority, options: LeafCacheOptions) {
    this.#authority = authority
    this.#clock = options.clock
    this.#entries = new LRUCache({ max: options.capacity ?? defaultCapacity })
  }

  /** Hosts with a context at hand. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * The context for one canonical host. Rejects with `ERR_CA_NOT_PERMITTED` or `ERR_CA_UNUSABLE`
   * (see `Authority.issueLeaf`); a failure is not remembered.
   */
  contextFor(host: string): Promise<SecureContext> {
    const known = this.#entries.get(host)
    if (known !== undefined && this.#isFresh(known)) return Promise.resolve(known.context)
    const pending = this.#pending.get(host)
    if (pending !== undefined) return pending
    const minting = this.#mintInTurn(host).finally(() => this.#pending.delete(host))
    this.#pending.set(host, minting)
    return minting
  }

  #isFresh(entry: Entry): boolean {
    const now = this.#clock.now()
    return now >= entry.notBeforeMs && now < entry.refreshAtMs
  }

  async #mintInTurn(host: string): Promise<SecureContext> {
    const turn = this.#lastMint.then(() => setImmediate())
    this.#lastMint = turn
    await turn
    return this.#mint(host)
  }

  #mint(host: string): SecureContext {
    const now = this.#clock.now()
    const leaf = this.#authority.issueLeaf(host, new Date(now))
    const context = createSecureContext({
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
      minVersion: 'TLSv1.2',
      // It costs us more than the client, and node bounds it for servers of its own alone.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    })
    this.#entries.set(host, {
      context,
      notBeforeMs: leaf.notBefore.getTime(),
      refreshAtMs: now + (leaf.notAfter.getTime() - now) * refreshAfter,
    })
    return context
  }
}
