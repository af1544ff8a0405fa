/**
 * The vault as a running proxy sees it: one snapshot of secrets, agents, grants and rules, read anew as
 * soon as another process has changed anything. It never writes. A vault that cannot be read is an
 * error for whoever asks, never an empty one; one that is not there yet is watched for.
 */
import { lstatSync } from 'node:fs'

import { AppError } from '../base/errors.ts'
import type { CredentialBinding } from '../policy/credential.ts'
import { CredentialIndex } from '../policy/credential.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { openVaultDatabase, readerPatienceMs, sql } from './database.ts'
import type { VaultDatabase } from './database.ts'
import { hostsIn } from './host-lists.ts'
import type { VaultRows } from './keyring.ts'
import { readVault } from './keyring.ts'
import type { AgentRow, RuleRow, SecretRow } from './schema.ts'
import { bindingOf } from './secret-rows.ts'
import { hasVault, vaultPathIn } from './vault-path.ts'

export interface SecretEntry extends CredentialBinding {
  readonly row: SecretRow
}

export interface AgentEntry {
  readonly id: string
  readonly name: string
  readonly tokenHash: Buffer
  readonly hosts: readonly HostPattern[] | undefined
  /** Ids of secrets. */
  readonly secrets: ReadonlySet<string> | 'all'
  readonly expiresAt: number | undefined
  /** As it is stored. */
  readonly defaultAction: AgentRow['default_action']
}

export interface TokenEntry {
  readonly hash: Buffer
  readonly secret: SecretEntry
  readonly hosts: readonly HostPattern[]
  /** Name of the only agent that it is for. */
  readonly agent: string | undefined
  readonly expiresAt: number | undefined
}

export interface VaultSnapshot {
  readonly rows: VaultRows
  readonly index: CredentialIndex<SecretEntry>
  readonly secrets: readonly SecretEntry[]
  /** As they are stored. */
  readonly rules: readonly RuleRow[]
  readonly agents: readonly AgentEntry[]
  readonly agentsByName: ReadonlyMap<string, AgentEntry>
  /** By the token's hash, in hexadecimal digits. */
  readonly agentsByHash: ReadonlyMap<string, AgentEntry>
  /** By the token's hash, in hexadecimal digits. */
  readonly tokensByHash: ReadonlyMap<string, TokenEntry>
}

/** How often changes are looked for where no request asks, in ms. */
const pollMs = 500

export class VaultReader {
  readonly now: () => number
  readonly #home: string
  readonly #listeners = new Set<() => void>()
  #database: VaultDatabase | undefined
  #file = ''
  #version = -1
  #snapshot: VaultSnapshot | undefined
  #timer: NodeJS.Timeout | undefined
  #lastSeen = ''
  #wasThere = false

  constructor(home: string, now: () => number) {
    this.#home = home
    this.now = now
  }

  /** What holds now; undefined as long as there is no vault. Throws `ERR_VAULT_…`. */
  current(): VaultSnapshot | undefined {
    const database = this.#open()
    if (database === undefined) return undefined
    const version = database.dataVersion
    if (this.#snapshot === undefined || version !== this.#version) {
      this.#snapshot = database.read(() => readSnapshot(database))
      this.#version = version
    }
    return this.#snapshot
  }

  /** Calls `listener` soon after a change, or when an agent's time is over. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    if (this.#timer === undefined) {
      this.#lastSeen = this.#look()
      this.#timer = setInterval(() => this.#poll(), pollMs)
      this.#timer.unref()
    }
    return () => void this.#listeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
    this.#database?.close()
    this.#database = undefined
  }

  #open(): VaultDatabase | undefined {
    if (this.#database !== undefined) return this.#database
    const path = vaultPathIn(this.#home)
    if (!hasVault(this.#home)) {
      // Without what it demanded, nobody is let in.
      if (!this.#wasThere) return undefined
      throw new AppError('ERR_VAULT_UNUSABLE', { path, problem: 'it was moved away' })
    }
    this.#database = openVaultDatabase(path, { patienceMs: readerPatienceMs })
    this.#file = fileName(path)
    this.#wasThere = true
    return this.#database
  }

  #poll(): void {
    const seen = this.#look()
    if (seen === this.#lastSeen) return
    this.#lastSeen = seen
    for (const listener of this.#listeners) listener()
  }

  /** Differs from the time before where anything about agents may differ. */
  #look(): string {
    try {
      if (this.#database !== undefined && fileName(vaultPathIn(this.#home)) !== this.#file) {
        // Moved away, or replaced by a copy: what is open here is no longer the vault.
        this.#database.close()
        this.#database = undefined
        this.#snapshot = undefined
      }
      const agents = this.current()?.agents ?? []
      const now = this.now()
      const expired = agents.filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now)
      return `${this.#file} ${this.#version} ${expired.length}`
    } catch (error) {
      return error instanceof AppError ? error.code : 'unreadable'
    }
  }
}

function fileName(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`
}

function readSnapshot(database: VaultDatabase): VaultSnapshot {
  const rows = readVault(database)
  const secrets = rows.secrets.map((row) => ({ ...bindingOf(row), row }))
  const agents = readAgents(database)
  return {
    rows,
    secrets,
    index: new CredentialIndex(secrets),
    rules: database.all(sql.selectFrom('rules').selectAll().orderBy('name')),
    agents,
    agentsByName: new Map(agents.map((agent) => [agent.name, agent])),
    agentsByHash: new Map(agents.map((agent) => [agent.tokenHash.toString('hex'), agent])),
    tokensByHash: readTokens(database, secrets, agents),
  }
}

/** A token whose secret or agent is not there is none. */
function readTokens(
  database: VaultDatabase,
  secrets: readonly SecretEntry[],
  agents: readonly AgentEntry[],
): Map<string, TokenEntry> {
  const secretsById = new Map(secrets.map((secret) => [secret.row.id, secret]))
  const agentsById = new Map(agents.map(({ id, name }) => [id, name]))
  const tokens = new Map<string, TokenEntry>()
  for (const row of database.all(sql.selectFrom('tokens').selectAll())) {
    const secret = secretsById.get(row.secret_id)
    const agent = row.agent_id === null ? undefined : agentsById.get(row.agent_id)
    if (secret === undefined || (row.agent_id !== null && agent === undefined)) continue
    tokens.set(row.token_hash.toString('hex'), {
      hash: row.token_hash,
      secret,
      hosts: hostsIn(row.hosts, `the token ${row.id}`),
      agent,
      expiresAt: row.expires_at ?? undefined,
    })
  }
  return tokens
}

function readAgents(database: VaultDatabase): AgentEntry[] {
  const grants = new Map<string, Set<string>>()
  for (const row of database.all(sql.selectFrom('grants').selectAll())) {
    const known = grants.get(row.agent_id)
    if (known === undefined) grants.set(row.agent_id, new Set([row.secret_id]))
    else known.add(row.secret_id)
  }
  return database.all(sql.selectFrom('agents').selectAll()).map((row) => ({
    id: row.id,
    name: row.name,
    tokenHash: row.token_hash,
    hosts: row.hosts === null ? undefined : hostsIn(row.hosts, `the agent ${row.name}`),
    secrets: row.sees_all === 1 ? 'all' : (grants.get(row.id) ?? new Set()),
    expiresAt: row.expires_at ?? undefined,
    defaultAction: row.default_action,
  }))
}
