/** A vault put together: for a proxy that reads it, and for a command that changes it. */
import type { ValueScanner } from '../policy/value-scanner.ts'
import { AgentStore } from './agent-store.ts'
import { openVaultDatabase } from './database.ts'
import type { KeyEnvironment } from './key-sources.ts'
import { Keyring } from './keyring.ts'
import { References } from './references.ts'
import { RuleStore } from './rule-store.ts'
import { SecretStore } from './secret-store.ts'
import { TokenStore } from './token-store.ts'
import { VaultAgents } from './vault-agents.ts'
import { VaultCredentials } from './vault-credentials.ts'
import { vaultPathIn } from './vault-path.ts'
import { VaultReader } from './vault-reader.ts'
import { VaultRules } from './vault-rules.ts'
import { VaultTokens } from './vault-tokens.ts'
import { VaultValues } from './vault-values.ts'

export interface VaultOptions extends KeyEnvironment {
  /** Name of the agent that sees every secret without being granted any. */
  readonly unrestricted?: string | undefined
  /** Wall clock, in epoch milliseconds; the system's unless given. */
  readonly now?: () => number
}

/** What a proxy reads. Nothing is opened before it is there, and nothing is written. */
export interface Vault {
  /** For `CredentialInjector`. */
  readonly credentials: VaultCredentials
  /** For `TokenReplacer`. */
  readonly tokens: VaultTokens
  /** For `PortholeBuilder.agents()`. */
  readonly agents: VaultAgents
  /** Together with those of a file, for `PortholeBuilder.rules()`. */
  readonly rules: VaultRules
  /** For `PortholeBuilder.withhold()`: the values of all secrets, to be found and not to be read. */
  readonly values: ValueScanner
  close(): void
}

export function readVaultIn(options: VaultOptions): Vault {
  const reader = new VaultReader(options.home, options.now ?? Date.now)
  const values = new VaultValues()
  const credentials = new VaultCredentials({
    reader,
    values,
    keyring: new Keyring(options),
    references: new References({ env: options.env, monotonicMs: () => performance.now() }),
    unrestricted: options.unrestricted,
  })
  return {
    credentials,
    tokens: new VaultTokens(reader, credentials),
    agents: new VaultAgents(reader),
    rules: new VaultRules(reader),
    values: values.scanner,
    close: () => reader.close(),
  }
}

/** What a command changes. */
export interface WritableVault {
  readonly secrets: SecretStore
  readonly agents: AgentStore
  readonly rules: RuleStore
  readonly tokens: TokenStore
  close(): void
}

/** Makes the database where there is none, unless told not to. Throws `ERR_VAULT_…`, `ERR_HOME_UNWRITABLE`. */
export function openVaultIn(
  options: VaultOptions,
  { create = true }: { readonly create?: boolean } = {},
): WritableVault {
  const database = openVaultDatabase(vaultPathIn(options.home), { create })
  const now = options.now ?? Date.now
  return {
    secrets: new SecretStore(database, new Keyring(options), now),
    agents: new AgentStore(database, now),
    rules: new RuleStore(database, now),
    tokens: new TokenStore(database, now),
    close: () => database.close(),
  }
}
