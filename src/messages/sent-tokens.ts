/** The one sum of token counts that is asked for everywhere: what was sent, cached or not. */
import type { Usage } from './schema.ts'

/** Fresh input, cache reads and cache writes: the buckets are disjoint. */
export function sentTokens(
  usage: Pick<Usage, 'inputTokens' | 'cacheReadTokens' | 'cacheWriteTokens'>,
): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens
}
