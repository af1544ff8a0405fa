/**
 * The environment variables in which keys of known providers usually stand, by host. Captures hold
 * no keys: a command that is to run again must name where it takes them from. A capture may come from
 * anybody, so that a usual name is given to its own provider alone, over TLS: what a stranger's host
 * is to get has a name that no other program uses.
 */
import { providerOf } from '../../policy/provider-keys.ts'

/** Fields and parameters in which a key of an interface stands. */
const keyNames = new Set(
  'authorization api-key apikey api_key x-api-key x-goog-api-key key access_token token'.split(' '),
)

/** `name` is that of a header field or a parameter; `isBearer` says how the key is given. */
export function secretVariable(url: string, name: string, isBearer: boolean): string {
  const [, scheme = '', host = ''] = /^(https?):\/\/(?:[^/?#]*@)?([^/?#]*)/iu.exec(url) ?? []
  const bare = host.toLowerCase().replace(/:443$/u, '')
  const isKey = keyNames.has(name.toLowerCase())
  if (isKey && scheme.toLowerCase() === 'https') {
    if (isBearer && /(?:^|\.)anthropic\.com$/u.test(bare)) return 'ANTHROPIC_AUTH_TOKEN'
    if (isBearer && /(?:^|\.)googleapis\.com$/u.test(bare)) return 'GOOGLE_ACCESS_TOKEN'
    if (/(?:^|\.)githubcopilot\.com$/u.test(bare)) return 'GITHUB_TOKEN'
    const [variable] = providerOf(bare)?.variables ?? []
    if (variable !== undefined) return variable
  }
  return `PORTHOLE_${wordOf(bare)}_${isKey ? 'KEY' : wordOf(name)}`
}

function wordOf(text: string): string {
  return text
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/gu, '_')
    .slice(0, 60)
}
