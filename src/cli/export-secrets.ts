/**
 * Where `export --with-secrets` takes credentials from: captures hold none, so that only what is
 * configured now, or stands in the environment now, can be put in their place.
 */
import type { SecretSource } from '../capture/export/export-format.ts'
import type { CredentialSetting } from '../config/settings.ts'
import { matchesHostPattern } from '../policy/host-pattern.ts'

/** For requests over TLS alone, as `run` and `start` inject them. */
export function createSecretSource(
  credentials: readonly CredentialSetting[],
  env: NodeJS.ProcessEnv,
): SecretSource {
  const valueOf = (variable: string): string | undefined => {
    const value = env[variable] ?? ''
    return /^[\t\x20-\x7e]+$/u.test(value) ? value : undefined
  }
  return {
    field: (url, header) => {
      const authority = authorityOf(url)
      if (authority === undefined) return undefined
      const found = credentials.findLast(
        (credential) =>
          credential.header.toLowerCase() === header.toLowerCase() &&
          matchesHostPattern(credential.host, authority, 443),
      )
      const value = found === undefined ? undefined : valueOf(found.variable)
      return value === undefined ? undefined : found?.format.replaceAll('{}', () => value)
    },
    variable: (url, name) => (authorityOf(url) === undefined ? undefined : valueOf(name)),
  }
}

function authorityOf(url: string): { host: string; port: number; kind: 'name' } | undefined {
  if (!/^https:/iu.test(url) || !URL.canParse(url)) return undefined
  const { hostname, port } = new URL(url)
  return { host: hostname, port: port === '' ? 443 : Number(port), kind: 'name' }
}
