/**
 * The environment variables in which SDKs look for a key, for a program that is to have none: where
 * Porthole puts the key into the requests, the program finds a placeholder. Pure.
 */
import type { CredentialBinding } from '../policy/credential.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { matchesHostPattern, parseHostPattern } from '../policy/host-pattern.ts'
import { keyPlaceholder } from '../policy/own-token.ts'
import type { ProviderKey } from '../policy/provider-keys.ts'
import { providerKeys } from '../policy/provider-keys.ts'

export interface KeyVariablesInput {
  readonly env: NodeJS.ProcessEnv
  /** What is put into the requests of this program. */
  readonly bindings: readonly CredentialBinding[]
  /** What is decrypted; elsewhere nothing can be put in. */
  readonly intercepted: readonly HostPattern[]
  /** Variables that secrets are read from. */
  readonly sources: readonly string[]
  /** Variables that no child may inherit at all. */
  readonly withheld: readonly string[]
}

/** `env` is not changed; notes are for the user, one line each. */
export function withoutKeys({
  env: parent,
  bindings,
  intercepted,
  sources,
  withheld,
}: KeyVariablesInput): { readonly env: NodeJS.ProcessEnv; readonly notes: readonly string[] } {
  const env = { ...parent }
  const notes: string[] = []
  for (const name of withheld) delete env[name]
  for (const name of sources) {
    if (isReal(env[name])) env[name] = keyPlaceholder
  }
  notes.push(...hideNamed(env, bindings, intercepted))
  for (const row of providerKeys) {
    const binding = bindings.find((known) => coversProvider(known, row, intercepted))
    if (binding === undefined) continue
    for (const [index, name] of row.variables.entries()) {
      const isSet = isReal(env[name])
      if (isSet)
        notes.push(`${name} is kept from the program: its calls get the secret ${binding.id}`)
      if (isSet || index === 0) env[name] = keyPlaceholder
    }
    for (const name of row.rivals ?? []) {
      if (!isReal(env[name])) continue
      delete env[name]
      notes.push(`${name} is kept from the program: it would sign in beside ${binding.id}`)
    }
  }
  const unseen = bindings.filter(({ hosts }) => !hosts.some((host) => meets(host, intercepted)))
  if (unseen.length > 0) {
    const list = unseen.map(
      ({ id, hosts }) => `${id} (${hosts.map(({ text }) => text).join(', ')})`,
    )
    notes.push(
      `secrets of hosts that are not decrypted here: ${list.join(', ')}; --allow adds them`,
    )
  }
  return { env, notes }
}

/** Variables that users have named for their secrets; `env` is changed. */
function hideNamed(
  env: NodeJS.ProcessEnv,
  bindings: readonly CredentialBinding[],
  intercepted: readonly HostPattern[],
): string[] {
  const notes: string[] = []
  for (const { id, hosts, variable } of bindings) {
    if (variable === undefined || !hosts.some((host) => meets(host, intercepted))) continue
    if (isReal(env[variable])) {
      notes.push(`${variable} is kept from the program: its calls get the secret ${id}`)
    }
    env[variable] = keyPlaceholder
  }
  return notes
}

function isReal(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== keyPlaceholder
}

/** Whether calls to this provider get the secret, as far as a table can tell. */
function coversProvider(
  { hosts }: CredentialBinding,
  { host }: ProviderKey,
  intercepted: readonly HostPattern[],
): boolean {
  const provider = parseHostPattern(host)
  return hosts.some((bound) => meets(bound, [provider]) && meets(bound, intercepted))
}

/** Whether two patterns have a host in common. */
function meets(pattern: HostPattern, others: readonly HostPattern[]): boolean {
  return others.some((other) => covers(pattern, other) || covers(other, pattern))
}

function covers(wide: HostPattern, narrow: HostPattern): boolean {
  const authority = { host: narrow.host, port: narrow.port ?? 443, kind: 'name' as const }
  if (!narrow.wildcard) return matchesHostPattern(wide, authority, 443)
  const isBelow = narrow.host === wide.host || narrow.host.endsWith(`.${wide.host}`)
  return wide.wildcard && isBelow && (wide.port ?? 443) === authority.port
}
