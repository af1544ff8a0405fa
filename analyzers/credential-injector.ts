/**
 * Puts a credential into requests for its host, so that the program needs none of its own. It runs
 * after the capture has seen the request, acts over verified TLS only, and replaces every value the
 * client sent in that field. Values live in memory; messages carry the id alone.
 */
import { AppError } from '../src/base/errors.ts'
import type { Analyzer, OutgoingRequest } from '../src/pipeline/analyzer.ts'
import { matchesHostPattern, parseHostPattern } from '../src/policy/host-pattern.ts'
import type { HostPattern } from '../src/policy/host-pattern.ts'

export interface StaticCredential {
  /** Names it in messages; never the value. */
  readonly id: string
  /** Host pattern; without a port, 443. */
  readonly host: string
  /** Header field, such as `Authorization` or `x-api-key`. */
  readonly header: string
  /** `{}` stands for the value, as in `Bearer {}`. */
  readonly format: string
  readonly value: string
}

interface Entry {
  readonly id: string
  readonly pattern: HostPattern
  readonly header: string
  readonly rendered: string
}

export class CredentialInjector implements Analyzer {
  readonly name = 'credential-injector'
  readonly #entries: readonly Entry[]

  /** Throws `ERR_CREDENTIAL_INVALID` for a value that a header field cannot hold (RFC 9110 §5.5). */
  constructor(credentials: readonly StaticCredential[]) {
    this.#entries = credentials.map(({ id, host, header, format, value }) => {
      const rendered = format.replaceAll('{}', () => value)
      if (value === '' || !/^[\t\x20-\x7e]+$/u.test(rendered)) {
        throw new AppError('ERR_CREDENTIAL_INVALID', { variable: id })
      }
      return { id, pattern: parseHostPattern(host), header, rendered }
    })
  }

  onRequest(request: OutgoingRequest): void {
    if (request.scheme !== 'https') return
    const authority = { host: request.host, port: request.port, kind: 'name' as const }
    for (const entry of this.#entries) {
      if (!matchesHostPattern(entry.pattern, authority, 443)) continue
      request.headers.set(entry.header, entry.rendered)
      request.emit({
        kind: 'credential-injected',
        by: this.name,
        secretId: entry.id,
        mode: 'header',
        location: entry.header.toLowerCase(),
      })
    }
  }
}
