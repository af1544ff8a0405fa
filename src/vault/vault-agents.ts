/**
 * The vault as a directory of agents: whose token has a hash, whether it still counts, and what it
 * may reach. What cannot be read lets nobody in.
 */
import { timingSafeEqual } from 'node:crypto'

import type { AgentDirectory, AgentPass } from '../policy/agent-pass.ts'
import { matchesAny } from '../policy/host-pattern.ts'
import type { AgentEntry, VaultReader, VaultSnapshot } from './vault-reader.ts'

export class VaultAgents implements AgentDirectory {
  readonly #reader: VaultReader
  #hasDemanded = false

  constructor(reader: VaultReader) {
    this.#reader = reader
  }

  /**
   * As soon as there is an agent or a secret, and from then on: or else revoking the last agent
   * would let it in again, as it would everybody.
   */
  demandsToken(): boolean {
    this.#hasDemanded ||= this.#read(
      (snapshot) => snapshot.agents.length > 0 || snapshot.secrets.length > 0,
      false,
      false,
    )
    return this.#hasDemanded || this.#read(() => false, true, false)
  }

  find(hashes: readonly Buffer[]): AgentPass | undefined {
    const agent = this.#read((snapshot) => findByHash(snapshot, hashes), undefined, undefined)
    return agent === undefined
      ? undefined
      : this.#pass(agent.name, ({ id, tokenHash }) => {
          return id === agent.id && timingSafeEqual(tokenHash, agent.tokenHash)
        })
  }

  /** For a token that is not the agent's own but stands for it; undefined if there is none. */
  passOf(name: string): AgentPass | undefined {
    const agent = this.#reader.current()?.agentsByName.get(name)
    return agent === undefined ? undefined : this.#pass(name, ({ id }) => id === agent.id)
  }

  subscribe(listener: () => void): () => void {
    return this.#reader.subscribe(listener)
  }

  #pass(name: string, isSame: (entry: AgentEntry) => boolean): AgentPass {
    const now = (): AgentEntry | undefined => {
      const entry = this.#read(({ agentsByName }) => agentsByName.get(name), undefined, undefined)
      return entry !== undefined && isSame(entry) && this.#isCurrent(entry) ? entry : undefined
    }
    return {
      agent: name,
      isValid: () => now() !== undefined,
      mayReach: (authority, schemePort) => {
        const entry = now()
        if (entry === undefined) return false
        return entry.hosts === undefined || matchesAny(entry.hosts, authority, schemePort)
      },
    }
  }

  #isCurrent({ expiresAt }: AgentEntry): boolean {
    return expiresAt === undefined || expiresAt > this.#reader.now()
  }

  #read<T>(read: (snapshot: VaultSnapshot) => T, onFailure: T, without: T): T {
    try {
      const snapshot = this.#reader.current()
      return snapshot === undefined ? without : read(snapshot)
    } catch {
      // Unreadable: the caller's answer for that is the one that lets nobody in.
      return onFailure
    }
  }
}

/** The lookup is by a hash, so its time says nothing about a token; the comparison is constant. */
function findByHash(snapshot: VaultSnapshot, hashes: readonly Buffer[]): AgentEntry | undefined {
  let found: AgentEntry | undefined
  for (const hash of hashes) {
    const entry = snapshot.agentsByHash.get(hash.toString('hex'))
    if (entry !== undefined && timingSafeEqual(entry.tokenHash, hash)) found = entry
  }
  return found
}
