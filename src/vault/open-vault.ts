/** The library's way to a vault: what a database takes to load is loaded by those who open one. */
import type { Vault, VaultOptions } from './vault.ts'

/**
 * The secrets and agents that `porthole secrets` and `porthole agents` keep in a data folder, as
 * `new CredentialInjector(vault.credentials)`, `new TokenReplacer(vault.tokens)` and
 * `builder.agents(vault.agents)` take them.
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const { readVaultIn } = await import('./vault.ts')
  return readVaultIn(options)
}
