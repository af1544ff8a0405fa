/**
 * The environment variables that lead a program to a proxy's routes: a base URL for each, and in
 * place of its API key the token of the route. The latter only where the proxy has a credential to
 * put in its place: else the program's own key is the one that counts. Pure.
 */
import type { Authority } from '../policy/authority.ts'
import type { CredentialBinding } from '../policy/credential.ts'
import { matchesHostPattern } from '../policy/host-pattern.ts'
import { keyPlaceholder } from '../policy/own-token.ts'
import { providerKeyOf } from '../policy/provider-keys.ts'

export interface RouteForProgram {
  readonly name: string
  readonly url: string
  /** URL that it leads to. */
  readonly upstream: string
  /** Undefined where there is no credential. */
  readonly token: string | undefined
}

export interface RouteVariables {
  readonly variables: Readonly<Record<string, string>>
  /** For the user, one line each; no tokens. */
  readonly notes: readonly string[]
}

/**
 * `bindings` name the variables of credentials whose user wants them there. `env` is what else the
 * program gets: where a placeholder stands for the same key in it, the token does from now on.
 */
export function routeVariables(
  routes: readonly RouteForProgram[],
  bindings: readonly CredentialBinding[],
  env: NodeJS.ProcessEnv = {},
): RouteVariables {
  const variables: Record<string, string> = {}
  const notes: string[] = []
  for (const { name, url } of routes) variables[`${prefixOf(name)}_BASE_URL`] = url
  for (const { name, upstream, token } of routes) {
    if (token === undefined) {
      notes.push(
        `route ${name} has no credential: what uses it sends its own key, and the proxy's token as Proxy-Authorization`,
      )
      continue
    }
    const own = `${prefixOf(name)}_API_KEY`
    const usual = keyVariableOf(upstream, bindings) ?? own
    const variable = usual in variables ? own : usual
    if (variable !== usual) notes.push(`route ${name} has its token in ${own}: ${usual} is taken`)
    variables[variable] = token
    for (const other of providerKeyOf(hostOf(upstream).host)?.variables ?? []) {
      if (env[other] === keyPlaceholder && !(other in variables)) variables[other] = token
    }
  }
  return { variables, notes }
}

/** As the shell of the platform sets variables; tokens and URLs need no more quoting than this. */
export function formatVariables(
  variables: Readonly<Record<string, string>>,
  platform: NodeJS.Platform,
): string[] {
  return Object.entries(variables).map(([name, value]) =>
    platform === 'win32' ? `$env:${name} = '${value}'` : `export ${name}='${value}'`,
  )
}

/** Names of variables hold no hyphen, and begin with no digit. */
function prefixOf(name: string): string {
  const prefix = name.toUpperCase().replaceAll('-', '_')
  return /^\d/u.test(prefix) ? `_${prefix}` : prefix
}

function keyVariableOf(
  upstream: string,
  bindings: readonly CredentialBinding[],
): string | undefined {
  const authority = hostOf(upstream)
  const named = bindings.find(
    ({ hosts, variable }) =>
      variable !== undefined &&
      hosts.some((pattern) => matchesHostPattern(pattern, authority, 443)),
  )
  return named?.variable ?? providerKeyOf(authority.host)?.variables[0]
}

function hostOf(url: string): Authority {
  const { hostname, port } = new URL(url)
  const host = hostname.replaceAll(/^\[|\]$/gu, '')
  return { host, port: port === '' ? 443 : Number(port), kind: 'name' }
}
