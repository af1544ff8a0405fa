/**
 * Agents as the command line keeps them: made, listed, given another token, revoked, and granted
 * secrets. A new agent sees no secret. No key is needed here: tokens are stored as hashes.
 */
import { AppError } from '../base/errors.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { hashAgentToken, mintAgentToken } from './agent-token.ts'
import type { VaultDatabase } from './database.ts'
import { sql } from './database.ts'
import { hostsIn } from './host-lists.ts'
import type { AgentRow, SecretRow } from './schema.ts'
import { mintId } from './sealing.ts'

export interface NewAgent {
  readonly name: string
  /** Undefined for every host. */
  readonly hosts: readonly HostPattern[] | undefined
  /** Names of secrets, or all there are and will be. */
  readonly secrets: readonly string[] | 'all'
  /** Epoch milliseconds; undefined for never. */
  readonly expiresAt: number | undefined
  /** What becomes of requests that no rule decides; the proxy's own default unless given. */
  readonly defaultAction?: 'allow' | 'block' | undefined
}

export interface AgentDescription {
  readonly name: string
  readonly hosts: readonly string[] | undefined
  readonly secrets: readonly string[] | 'all'
  readonly expiresAt: number | undefined
  readonly defaultAction: 'allow' | 'block' | undefined
  readonly createdAt: number
  readonly rotatedAt: number
}

/** Tokens that proxies make for themselves go by these names. */
const reservedAgents = new Set(['porthole', 'porthole-session'])

export class AgentStore {
  readonly #database: VaultDatabase
  readonly #now: () => number

  constructor(database: VaultDatabase, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** Its token, which nobody can ever show again. Throws `ERR_NAME_TAKEN`, `ERR_SECRET_UNKNOWN`. */
  add(agent: NewAgent): string {
    const { name, hosts, secrets, expiresAt } = agent
    const token = mintAgentToken()
    this.#database.write(() => {
      const taken = this.#alike(name)
      if (taken !== undefined) {
        throw new AppError('ERR_NAME_TAKEN', {
          what: 'an agent',
          name: taken,
          next: 'choose another name, or use agents rotate to give it another token',
        })
      }
      const now = this.#now()
      const id = mintId('agent')
      const row: AgentRow = {
        id,
        name,
        token_hash: hashAgentToken(token),
        hosts: hosts === undefined ? null : JSON.stringify(hosts.map(({ text }) => text)),
        sees_all: secrets === 'all' ? 1 : 0,
        expires_at: expiresAt ?? null,
        created_at: now,
        rotated_at: now,
        default_action: agent.defaultAction ?? null,
      }
      this.#database.run(sql.insertInto('agents').values(row))
      for (const secret of secrets === 'all' ? [] : new Set(secrets)) this.#grant(id, secret)
    })
    return token
  }

  /** By name. */
  list(): AgentDescription[] {
    return this.#database.read(() => {
      const granted = this.#database.all(
        sql
          .selectFrom('grants')
          .innerJoin('secrets', 'secrets.id', 'grants.secret_id')
          .select(['grants.agent_id as agent', 'secrets.name as secret'])
          .orderBy('secrets.name'),
      )
      const reserved = this.#database.all(
        sql.selectFrom('secrets').select(['agent_id as agent', 'name as secret']).orderBy('name'),
      )
      return this.#database
        .all(sql.selectFrom('agents').selectAll().orderBy('name'))
        .map((row) => ({
          name: row.name,
          hosts:
            row.hosts === null
              ? undefined
              : hostsIn(row.hosts, `the agent ${row.name}`).map(({ text }) => text),
          secrets:
            row.sees_all === 1
              ? ('all' as const)
              : [...granted, ...reserved]
                  .filter(({ agent }) => agent === row.id)
                  .map(({ secret }) => secret)
                  .toSorted(),
          expiresAt: row.expires_at ?? undefined,
          defaultAction: row.default_action ?? undefined,
          createdAt: row.created_at,
          rotatedAt: row.rotated_at,
        }))
    })
  }

  /**
   * A new token in place of the old one, which is worth nothing from now on. `expiresAt`: from when
   * on the new one is, null for never; as it was unless given. Throws `ERR_AGENT_EXPIRED` for one
   * that would be worth nothing at once.
   */
  rotate(name: string, expiresAt?: number | null): string {
    const token = mintAgentToken()
    this.#database.write(() => {
      const { id, expires_at: before } = this.#need(name)
      const expires = expiresAt === undefined ? before : expiresAt
      const now = this.#now()
      if (expires !== null && expires <= now) throw new AppError('ERR_AGENT_EXPIRED', { name })
      const change = {
        token_hash: hashAgentToken(token),
        rotated_at: now,
        expires_at: expires,
      }
      this.#database.run(sql.updateTable('agents').set(change).where('id', '=', id))
    })
    return token
  }

  /** Takes the agent away, with its grants. */
  revoke(name: string): void {
    this.#database.write(() => {
      this.#database.run(sql.deleteFrom('agents').where('id', '=', this.#need(name).id))
    })
  }

  /**
   * Lets it use a secret; `all` for every one there is and will be, but those that are reserved for
   * other agents. Throws `ERR_SECRET_RESERVED`, `ERR_SECRET_UNKNOWN`, `ERR_AGENT_UNKNOWN`.
   */
  grant(name: string, secret: string): void {
    this.#database.write(() => {
      const { id } = this.#need(name)
      if (secret === 'all') {
        this.#database.run(sql.updateTable('agents').set({ sees_all: 1 }).where('id', '=', id))
      } else this.#grant(id, secret)
    })
  }

  /** Takes a secret away again, or throws as `grant`. An agent that saw all then sees all others that there are now. */
  deny(name: string, secret: string): void {
    this.#database.write(() => {
      const { id, sees_all: seesAll } = this.#need(name)
      const others =
        seesAll === 1 && secret !== 'all' ? this.#secrets().filter((known) => known !== secret) : []
      if (secret === 'all') {
        this.#database.run(sql.deleteFrom('grants').where('agent_id', '=', id))
      } else {
        const { id: secretId, agent_id: owner } = this.#secret(secret)
        if (owner !== null) throw new AppError('ERR_SECRET_RESERVED', { name: secret })
        this.#database.run(
          sql.deleteFrom('grants').where('agent_id', '=', id).where('secret_id', '=', secretId),
        )
      }
      this.#database.run(sql.updateTable('agents').set({ sees_all: 0 }).where('id', '=', id))
      for (const other of others) this.#grant(id, other)
    })
  }

  #grant(agentId: string, secret: string): void {
    const { id, agent_id: owner } = this.#secret(secret)
    if (owner !== null) throw new AppError('ERR_SECRET_RESERVED', { name: secret })
    const row = { agent_id: agentId, secret_id: id }
    this.#database.run(
      sql
        .insertInto('grants')
        .values(row)
        .onConflict((conflict) => conflict.doNothing()),
    )
  }

  #secrets(): string[] {
    return this.#database
      .all(sql.selectFrom('secrets').select('name').where('agent_id', 'is', null))
      .map(({ name }) => name)
  }

  #secret(name: string): Pick<SecretRow, 'id' | 'agent_id'> {
    const found = this.#database.first(
      sql.selectFrom('secrets').select(['id', 'agent_id']).where('name', '=', name),
    )
    if (found === undefined) throw new AppError('ERR_SECRET_UNKNOWN', { name })
    return found
  }

  /** A name that is taken and differs from this one in case at most, as nobody would tell them apart. */
  #alike(name: string): string | undefined {
    const folded = name.toLowerCase()
    if (reservedAgents.has(folded)) return folded
    return this.#database
      .all(sql.selectFrom('agents').select('name'))
      .find((row) => row.name.toLowerCase() === folded)?.name
  }

  #find(name: string): AgentRow | undefined {
    return this.#database.first(sql.selectFrom('agents').selectAll().where('name', '=', name))
  }

  #need(name: string): AgentRow {
    const found = this.#find(name)
    if (found === undefined) throw new AppError('ERR_AGENT_UNKNOWN', { name })
    return found
  }
}
