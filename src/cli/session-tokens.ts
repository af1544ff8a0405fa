/** Opaque tokens as `start` and `run` replace them: those of the vault, and sealed ones with a key. */
import { TokenReplacer } from '../../analyzers/token-replacer.ts'
import { AppError } from '../base/errors.ts'
import type { Settings } from '../config/settings.ts'
import { StarpodTokens } from '../policy/tokens/starpod-tokens.ts'
import type { TokenSource } from '../policy/tokens/token-source.ts'
import type { CliContext } from './context.ts'
import type { SessionVault } from './session-vault.ts'

/** Undefined where there can be no tokens. Throws `ERR_TOKEN_KEY`. */
export function tokenReplacer(
  context: CliContext,
  { tokens, upstreamProxy }: Settings,
  vault: SessionVault | undefined,
): TokenReplacer | undefined {
  const { starpodVariable, ...policy } = tokens
  const sources: TokenSource[] = vault === undefined ? [] : [vault.vault.tokens]
  if (starpodVariable !== undefined) {
    const key = context.env[starpodVariable] ?? ''
    if (key === '') {
      throw new AppError('ERR_TOKEN_KEY', { problem: `${starpodVariable} is not set` })
    }
    sources.push(new StarpodTokens(key))
  }
  if (sources.length === 0) return undefined
  // To a parent proxy, plain HTTP goes over the network.
  return new TokenReplacer(sources, { ...policy, plainLoopback: upstreamProxy === undefined })
}
