/**
 * What a request target may be by the time it is sent: tokens in it are taken out where they do not
 * belong, and what stood around them becomes one word. Whoever decides over a target decides over
 * each of these. Pure.
 */
import { withoutOwnTokens } from '../own-token.ts'
import { splitTarget } from '../request-path.ts'
import { withoutTokens } from './token-scanner.ts'

/** In origin form, with the query; the first is the target itself, and mostly the only one. */
export function sentTargets(target: string): readonly string[] {
  const { path, query } = splitTarget(target)
  const tokenless = withoutTokens(path) + withoutTokens(query)
  return [...new Set([target, withoutOwnTokens(target), withoutOwnTokens(tokenless)])]
}
