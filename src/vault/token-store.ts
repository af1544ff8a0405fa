/**
 * Opaque tokens as the command line keeps them: minted, listed, revoked. Only the hash of one is
 * stored. A token narrows its secret and never widens it: its hosts lie within the secret's. It
 * goes with its secret, and with its agent.
 */
import { randomBytes } from 'node:crypto'

import { AppError } from '../base/errors.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { firstOutside } from '../policy/tokens/token-decision.ts'
import { formatToken, hashToken, tokenBytes } from '../policy/tokens/token-format.ts'
import type { VaultDatabase } from './database.ts'
import { sql } from './database.ts'
import { hostsIn } from './host-lists.ts'
import type { TokenRow } from './schema.ts'
import { mintId } from './sealing.ts'
import { bindingOf } from './secret-rows.ts'

export interface NewToken {
  /** Name of a secret. */
  readonly secret: string
  /** Undefined for all hosts of the secret, as they are now. */
  readonly hosts: readonly HostPattern[] | undefined
  /** Name of the only agent that it is for; undefined for every one that has the secret. */
  readonly agent: string | undefined
  /** Epoch milliseconds; undefined for never. */
  readonly expiresAt: number | undefined
}

export interface TokenDescription {
  readonly id: string
  readonly secret: string
  readonly hosts: readonly string[]
  readonly agent: string | undefined
  readonly expiresAt: number | undefined
  readonly createdAt: number
}

export interface MintedToken extends TokenDescription {
  /** Shown once, stored nowhere. */
  readonly token: string
}

export class TokenStore {
  readonly #database: VaultDatabase
  readonly #now: () => number

  constructor(database: VaultDatabase, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** Throws `ERR_SECRET_UNKNOWN`, `ERR_AGENT_UNKNOWN`, `ERR_TOKEN_HOST`. */
  mint({ secret, hosts: wanted, agent, expiresAt }: NewToken): MintedToken {
    const token = formatToken(randomBytes(tokenBytes))
    return this.#database.write(() => {
      const secretRow = this.#database.first(
        sql.selectFrom('secrets').selectAll().where('name', '=', secret),
      )
      if (secretRow === undefined) throw new AppError('ERR_SECRET_UNKNOWN', { name: secret })
      const own = bindingOf(secretRow).hosts
      const hosts = wanted ?? own
      const outside = firstOutside(hosts, own)
      if (outside !== undefined) {
        throw new AppError('ERR_TOKEN_HOST', { host: outside.text, name: secret })
      }
      const texts = [...new Set(hosts.map(({ text }) => text))].toSorted()
      const row: TokenRow = {
        id: mintId('token'),
        token_hash: hashToken(token),
        secret_id: secretRow.id,
        hosts: JSON.stringify(texts),
        agent_id: agent === undefined ? null : this.#agentId(agent),
        expires_at: expiresAt ?? null,
        created_at: this.#now(),
      }
      this.#database.run(sql.insertInto('tokens').values(row))
      const { id, created_at: createdAt } = row
      return { id, secret, hosts: texts, agent, expiresAt, createdAt, token }
    })
  }

  /** By secret, the oldest first. */
  list(): TokenDescription[] {
    const rows = this.#database.all(
      sql
        .selectFrom('tokens')
        .innerJoin('secrets', 'secrets.id', 'tokens.secret_id')
        .leftJoin('agents', 'agents.id', 'tokens.agent_id')
        .select([
          'tokens.id as id',
          'tokens.hosts as hosts',
          'tokens.expires_at as expiresAt',
          'tokens.created_at as createdAt',
          'secrets.name as secret',
          'agents.name as agent',
        ])
        .orderBy('secrets.name')
        .orderBy('tokens.created_at')
        .orderBy('tokens.id'),
    )
    return rows.map((row) => ({
      id: row.id,
      secret: row.secret,
      hosts: hostsIn(row.hosts, `the token ${row.id}`).map(({ text }) => text),
      agent: row.agent ?? undefined,
      expiresAt: row.expiresAt ?? undefined,
      createdAt: row.createdAt,
    }))
  }

  /** Worth nothing from the next request on. Throws `ERR_TOKEN_UNKNOWN`. */
  revoke(id: string): void {
    this.#database.write(() => {
      const found = this.#database.first(sql.selectFrom('tokens').select('id').where('id', '=', id))
      if (found === undefined) throw new AppError('ERR_TOKEN_UNKNOWN', { id })
      this.#database.run(sql.deleteFrom('tokens').where('id', '=', id))
    })
  }

  #agentId(name: string): string {
    const found = this.#database.first(
      sql.selectFrom('agents').select('id').where('name', '=', name),
    )
    if (found === undefined) throw new AppError('ERR_AGENT_UNKNOWN', { name })
    return found.id
  }
}
