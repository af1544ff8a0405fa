/**
 * Tokens that Porthole mints for those who speak to it, known by their looks: they are for the
 * proxy, so none may reach an upstream, a message or a capture. Pure; who a token belongs to is
 * decided elsewhere.
 */
import { splitTarget } from './request-path.ts'
import { withoutTokens } from './tokens/token-scanner.ts'

/** Stands for a credential that the program must not see, where it insists on finding one. */
export const keyPlaceholder = 'porthole-placeholder'

/** Of agents of the vault, and of routes. */
const ownToken = /porthole_(?:agent|route)_[\w-]{51}/gu
/** What every one of them begins with: most text is passed over by this alone. */
const beginning = 'porthole_'

/** The text with every such token replaced. */
export function replaceOwnTokens(text: string, replacement: string): string {
  return text.includes(beginning) ? text.replaceAll(ownToken, () => replacement) : text
}

/** Whether a header value holds one: as it stands, or as the password of Basic (RFC 7617). */
export function holdsOwnToken(value: string): boolean {
  if (value.includes(beginning) && value.search(ownToken) !== -1) return true
  const basic = /^basic +(?<pair>[\w+/=-]+)$/iu.exec(value)?.groups?.['pair']
  return (
    basic !== undefined && Buffer.from(basic, 'base64').toString('latin1').search(ownToken) > -1
  )
}

/** Whether a program sends this because it has no key of its own: it stands for one, and is none. */
export function standsForKey(value: string): boolean {
  if (value === '' || value === keyPlaceholder) return true
  // What stands beside a token would be left where that is taken out.
  const left = replaceOwnTokens(withoutTokens(value), '')
  return left === '' || left.startsWith('porthole:v1:')
}

/** A request that is about to leave. */
export interface LeavingRequest {
  path: string
  readonly headers: {
    remove(name: string): void
    pairs(): ReadonlyArray<readonly [string, string]>
  }
}

/** Takes such tokens out of header fields, parameters and path, wherever the client has put them. */
export function dropOwnTokens(request: LeavingRequest): void {
  for (const [name, value] of request.headers.pairs()) {
    if (holdsOwnToken(value)) request.headers.remove(name)
  }
  request.path = withoutOwnTokens(request.path)
}

/** A request target, with its query, as it is sent. */
export function withoutOwnTokens(target: string): string {
  const { path, query } = splitTarget(target)
  // Percent-encoded too: that is how clients write what they put into a path.
  if (!target.includes('%') && !target.includes(beginning)) return target
  if (!decoded(target).includes(beginning)) return target
  const segments = path.split('/').map((segment) => {
    const plain = replaceOwnTokens(segment, '')
    return replaceOwnTokens(decoded(plain), '') === decoded(plain) ? plain : ''
  })
  const pairs = query.slice(1).split('&')
  const kept = pairs.filter((pair) => replaceOwnTokens(decoded(pair), '') === decoded(pair))
  return `${segments.join('/')}${query === '' || kept.length === 0 ? '' : `?${kept.join('&')}`}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
