/** Where a new secret goes, from the flags of `secrets add`; for known providers from a table. */
import { AppError } from '../base/errors.ts'
import {
  parseBasicLocation,
  parseBoundPath,
  parseHeaderLocation,
  parseKeyVariable,
  parsePathLocation,
  parseQueryLocation,
} from '../policy/credential-syntax.ts'
import type { Parsed } from '../policy/credential-syntax.ts'
import type { CredentialLocation } from '../policy/credential.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { providerKeyOf } from '../policy/provider-keys.ts'

export interface LocationFlags {
  readonly header?: string
  readonly query?: string
  readonly urlPath?: string
  readonly basic?: string
  readonly ifPresent?: boolean
  readonly tokenOnly?: boolean
}

/** Throws `ERR_USAGE` where flags contradict each other, or say nothing and no provider is known. */
export function locationFrom(
  flags: LocationFlags,
  hosts: readonly HostPattern[],
): CredentialLocation {
  const { header, query, urlPath, basic, ifPresent = false } = flags
  const given = [header, query, urlPath, basic].filter((flag) => flag !== undefined)
  if (given.length > 1) {
    throw usage('a secret goes to one place', 'give one of --header, --query, --url-path, --basic')
  }
  if (flags.tokenOnly === true) {
    if (given.length === 0 && !ifPresent) return { type: 'token' }
    throw usage('--token-only is for no place', 'leave out --header, --query and the like')
  }
  if (query !== undefined) return taken(parseQueryLocation(query, ifPresent), '--query')
  if (urlPath !== undefined) return taken(parsePathLocation(urlPath, ifPresent), '--url-path')
  if (basic !== undefined) return taken(parseBasicLocation(basic, ifPresent), '--basic')
  return taken(parseHeaderLocation(header ?? defaultHeader(hosts), ifPresent), '--header')
}

/** The path of `--path`; undefined for every path. Throws `ERR_USAGE`. */
export function boundPathFrom(text: string | undefined): string | undefined {
  return text === undefined ? undefined : taken(parseBoundPath(text), '--path')
}

/** The variable of `--env-var`; undefined for the usual one. Throws `ERR_USAGE`. */
export function variableFrom(text: string | undefined): string | undefined {
  return text === undefined ? undefined : taken(parseKeyVariable(text), '--env-var')
}

function defaultHeader(hosts: readonly HostPattern[]): string {
  const known = hosts.map(
    ({ host, wildcard }) => providerKeyOf(wildcard ? `*.${host}` : host)?.header,
  )
  const [first] = known
  if (first !== undefined && known.every((header) => header === first)) return first
  const text = hosts.map((host) => host.text).join(', ')
  throw usage(
    `where the key of ${text} goes is not known`,
    "say it: --header 'Authorization: Bearer {}', or --query, --url-path, --basic, --token-only",
  )
}

function taken<T>(parsed: Parsed<T>, flag: string): T {
  if (parsed.ok) return parsed.value
  throw usage(`${flag}: ${parsed.problem}`, 'see porthole secrets add --help')
}

function usage(problem: string, next: string): AppError {
  return new AppError('ERR_USAGE', { problem, next })
}
