/**
 * Host patterns of the allowlist: `host`, `*.host` (any depth below it, not the host itself), each
 * with an optional `:port`. Without a port a pattern stands for the scheme's own port only: 443
 * when intercepting TLS, 80 for plain HTTP. Anything else is a configuration error, never a literal.
 */
import { AppError } from '../base/errors.ts'
import type { Authority } from './authority.ts'
import { parseAuthority, parseHost } from './authority.ts'

export interface HostPattern {
  readonly host: string
  /** True for `*.host`. */
  readonly wildcard: boolean
  readonly port: number | undefined
  /** Canonical text. */
  readonly text: string
}

/** Throws `ERR_HOST_PATTERN`. A wildcard over `*.com`, `*.co.uk` or everything is refused. */
export function parseHostPattern(text: string): HostPattern {
  const trimmed = text.trim()
  const wildcard = trimmed.startsWith('*.')
  const rest = wildcard ? trimmed.slice(2) : trimmed
  const fail = (problem: string): never => {
    throw new AppError('ERR_HOST_PATTERN', { pattern: JSON.stringify(text), problem })
  }
  if (rest.includes('*')) return fail('* may only stand for the leading labels, as in *.host')
  if (/^https?:\/\//iu.test(rest)) return fail('give the host alone, without the scheme')
  const hasPort = /:\d*$/u.test(rest.replace(/^\[[^\]]*\]/u, ''))
  const parsed = hasPort ? parseAuthority(rest) : parseHost(rest)
  if (!parsed.ok) return fail(parsed.problem)
  const host = 'authority' in parsed ? parsed.authority.host : parsed.host
  const kind = 'authority' in parsed ? parsed.authority.kind : parsed.kind
  const port = 'authority' in parsed ? parsed.authority.port : undefined
  const tooWide = wildcard ? problemOfWildcard(host, kind) : undefined
  if (tooWide !== undefined) return fail(tooWide)
  const bracketed = kind === 'ipv6' ? `[${host}]` : host
  const canonical = `${wildcard ? '*.' : ''}${bracketed}${port === undefined ? '' : `:${port}`}`
  return { host, wildcard, port, text: canonical }
}

function problemOfWildcard(host: string, kind: Authority['kind']): string | undefined {
  if (kind !== 'name') return '* needs a name, not an address'
  if (!host.includes('.')) return 'this would cover a whole top-level domain'
  return isSharedSuffix(host) ? 'this would cover everybody below that suffix' : undefined
}

/**
 * Suffixes such as `co.uk`, under which anybody registers: a country's two letters after a label of
 * their usual division. Not the whole Public Suffix List: that would be a dependency to keep up to
 * date, and a suffix that is missed costs no more than its user wrote.
 */
function isSharedSuffix(host: string): boolean {
  return /^(?:ac|co|com|edu|gob|gov|mil|net|org|or|ne|go|gouv)\.[a-z]{2}$/u.test(host)
}

export function matchesHostPattern(
  pattern: HostPattern,
  authority: Authority,
  schemePort: number,
): boolean {
  if ((pattern.port ?? schemePort) !== authority.port) return false
  if (!pattern.wildcard) return pattern.host === authority.host
  return authority.kind === 'name' && authority.host.endsWith(`.${pattern.host}`)
}

/** True if any pattern matches; an empty list matches nothing. */
export function matchesAny(
  patterns: readonly HostPattern[],
  authority: Authority,
  schemePort: number,
): boolean {
  // A loop, for every request asks for those of every rule.
  for (const pattern of patterns) {
    if (matchesHostPattern(pattern, authority, schemePort)) return true
  }
  return false
}
