/** A vault in a fresh data folder: the one that commands write, and the one that a proxy reads. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { CredentialLocation } from '../../src/policy/credential.ts'
import { parseHostPattern } from '../../src/policy/host-pattern.ts'
import type { NewAgent } from '../../src/vault/agent-store.ts'
import type { NewSecret } from '../../src/vault/secret-store.ts'
import { openVaultIn, readVaultIn } from '../../src/vault/vault.ts'
import type { Vault, VaultOptions, WritableVault } from '../../src/vault/vault.ts'

export interface VaultUnderTest {
  readonly home: string
  /** As `porthole secrets` and `porthole agents` have it. */
  readonly writable: WritableVault
  /** As a proxy has it; a connection of its own. */
  read(over?: Partial<VaultOptions>): Vault
  close(): Promise<void>
}

export async function makeVault(over: Partial<VaultOptions> = {}): Promise<VaultUnderTest> {
  const home = over.home ?? (await mkdtemp(join(tmpdir(), 'porthole-vault-')))
  const options = { env: {}, ...over, home }
  const writable = openVaultIn(options)
  const readers: Vault[] = []
  return {
    home,
    writable,
    read: (more = {}) => {
      const vault = readVaultIn({ ...options, ...more })
      readers.push(vault)
      return vault
    },
    close: async () => {
      for (const reader of readers) reader.close()
      writable.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

export const bearer: CredentialLocation = {
  type: 'header',
  name: 'Authorization',
  format: 'Bearer {}',
  ifPresent: false,
}

/** A secret that is a bearer for its hosts, unless told otherwise. */
export function secret(
  name: string,
  host: string | readonly string[],
  value: string,
  over: Partial<Pick<NewSecret, 'agent' | 'path' | 'location' | 'content'>> = {},
): NewSecret {
  return {
    name,
    hosts: [host].flat().map(parseHostPattern),
    path: undefined,
    location: bearer,
    content: { kind: 'value', text: value },
    ...over,
  }
}

/** An agent that may reach every host and gets no secret, unless told otherwise. */
export function agent(name: string, over: Partial<NewAgent> = {}): NewAgent {
  return { name, hosts: undefined, secrets: [], expiresAt: undefined, ...over }
}
