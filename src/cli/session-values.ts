/**
 * What a session knows of secrets by their values and by their variables: the one is looked for in
 * all that is shown or kept, the other is taken out of what can be read of this process.
 */
import { randomBytes } from 'node:crypto'

import type { Settings } from '../config/settings.ts'
import { seedBytes, ValueScanner } from '../policy/value-scanner.ts'
import { hideVariables } from '../run/own-environment.ts'
import { keyVariables } from '../vault/key-sources.ts'
import type { CliContext } from './context.ts'
import type { SessionVault } from './session-vault.ts'

interface SecretsOfSession {
  readonly settings: Settings
  readonly vault?: SessionVault | undefined
}

/** What must stand in nothing that is shown or kept; undefined where no secret is known. */
export function valuesOf(
  context: CliContext,
  { settings, vault }: SecretsOfSession,
): ValueScanner | undefined {
  if (vault === undefined && settings.credentials.length === 0) return undefined
  const values = vault?.vault.values ?? new ValueScanner(randomBytes(seedBytes))
  for (const { variable } of settings.credentials) {
    values.add(variable, context.env[variable] ?? '')
  }
  return values
}

/** The program that is not to have a key could look for it in the environment of the proxy. */
export function hideSecretVariables({ settings, vault }: SecretsOfSession): void {
  const { starpodVariable } = settings.tokens
  const credentials = settings.credentials.map(({ variable }) => variable)
  const names = [...keyVariables, ...credentials, ...(vault?.variables ?? [])]
  hideVariables(starpodVariable === undefined ? names : [...names, starpodVariable])
}
