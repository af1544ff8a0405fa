/** The values of stored secrets, for commands that look for them in what was written before. */
import { AppError } from '../base/errors.ts'
import type { ValueScanner } from '../policy/value-scanner.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { CliContext } from './context.ts'
import { askerOf } from './hidden-prompt.ts'
import { runAgent } from './session-vault.ts'

/**
 * Undefined where there is no vault. What references lead to is not among them. `isAsked`: whether
 * the user may be asked for a passphrase. Throws `ERR_VAULT_…`.
 */
export async function storedValues(
  context: Pick<CliContext, 'env' | 'stdin' | 'stderr'>,
  home: string,
  isAsked: boolean,
): Promise<ValueScanner | undefined> {
  if (!hasVault(home)) return undefined
  // Loaded here, so that no other command pays for a database.
  const { openVault } = await import('../vault/open-vault.ts')
  const ask = isAsked ? askerOf(context) : undefined
  const vault = await openVault({ home, env: context.env, ask, unrestricted: runAgent })
  try {
    await vault.credentials.unlock()
    return vault.values
  } finally {
    vault.close()
  }
}

/** As `storedValues` of whoever is asked for nothing: the reason where they cannot be had. */
export async function valuesAtHand(
  context: Pick<CliContext, 'env' | 'stdin' | 'stderr'>,
  home: string,
): Promise<{ readonly values?: ValueScanner | undefined; readonly problem?: string }> {
  try {
    return { values: await storedValues(context, home, false) }
  } catch (error) {
    if (error instanceof AppError) return { problem: error.message }
    throw error
  }
}
