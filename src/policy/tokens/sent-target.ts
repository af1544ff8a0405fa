/**
 * What a request target may be by the time it is sent: tokens in it are taken out where they do not
 * belong, and what stood around them becomes one word. Whoever decides over a target decides over
 * each of these. Pure.
 */
import { withoutOwnTokens } from '../own-token.ts'
import { isUnambiguousPath, splitTarget } from '../request-path.ts'
import { withoutTokens } from './token-scanner.ts'

/** In origin form, with the query; the first is the target itself, and mostly the only one. */
export function sentTargets(target: string): readonly string[] {
  const { path, query } = splitTarget(target)
  const tokenless = withoutTokens(path) + withoutTokens(query)
  return [...new Set([target, withoutOwnTokens(target), withoutOwnTokens(tokenless)])]
}

/**
 * What servers may take `sent` for, where a token that was a whole segment of `path` is gone from
 * it: for the path without the empty segment, or, at its beginning, for a host and what follows it
 * (RFC 3986 §4.2). `sent` alone where that is not all that is unclear about it.
 */
export function readingsOf(path: string, sent: string): readonly string[] {
  if (!isUnambiguousPath(path) || !sent.includes('//')) return [sent]
  const whole = sent.replaceAll(/\/{2,}/gu, '/')
  const behindHost = sent.startsWith('//') ? sent.replace(/^\/\/[^/]*/u, '') : undefined
  if (behindHost === undefined) return [whole]
  return [whole, behindHost === '' ? '/' : behindHost.replaceAll(/\/{2,}/gu, '/')]
}
