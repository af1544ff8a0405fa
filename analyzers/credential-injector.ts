/**
 * Puts credentials into requests for their hosts, so that the program needs none of its own. It
 * runs after the capture has seen the request, acts over verified TLS only, and replaces every
 * value the client sent in that place. Messages carry the id alone; the value is concealed in
 * whatever the exchange tells later. Where a credential cannot be had, the request is not sent.
 */
import { AppError, asError, describeError } from '../src/base/errors.ts'
import type { Analyzer, OutgoingRequest, Refusal } from '../src/pipeline/analyzer.ts'
import { fillSlot } from '../src/policy/credential-value.ts'
import type {
  CredentialBinding,
  CredentialLocation,
  CredentialSource,
  SelectedCredential,
} from '../src/policy/credential.ts'
import { CredentialIndex, describeLocation, slotOf } from '../src/policy/credential.ts'
import { parseHostPattern } from '../src/policy/host-pattern.ts'

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

export class CredentialInjector implements Analyzer {
  readonly name = 'credential-injector'
  readonly #sources: readonly CredentialSource[]

  /**
   * Where several sources fill one place, the first wins. Throws `ERR_CREDENTIAL_INVALID` for a
   * static value that a header field cannot hold (RFC 9110 §5.5).
   */
  constructor(...sources: ReadonlyArray<readonly StaticCredential[] | CredentialSource>) {
    this.#sources = sources.map((source) =>
      'select' in source ? source : createStaticSource(source),
    )
  }

  onRequest(request: OutgoingRequest): void | Refusal | Promise<void | Refusal> {
    if (request.scheme !== 'https') return undefined
    let selected: SelectedCredential[]
    try {
      selected = this.#select(request)
    } catch (error) {
      return unavailable(describeError(error))
    }
    return selected.length === 0 ? undefined : this.#inject(request, selected)
  }

  #select(request: OutgoingRequest): SelectedCredential[] {
    const found = new Map<string, SelectedCredential>()
    for (const source of this.#sources) {
      for (const credential of source.select(request)) {
        const slot = slotOf(credential.location)
        if (!found.has(slot)) found.set(slot, credential)
      }
    }
    return [...found.values()]
  }

  /** All values first, and at once where none has to be waited for; then all of them or none. */
  #inject(
    request: OutgoingRequest,
    selected: readonly SelectedCredential[],
  ): void | Refusal | Promise<void | Refusal> {
    const given = selected.map(revealed)
    const values = given.filter((value) => typeof value === 'string')
    if (values.length < given.length) return this.#injectLater(request, selected, given)
    this.#fill(request, selected, values)
    return undefined
  }

  async #injectLater(
    request: OutgoingRequest,
    selected: readonly SelectedCredential[],
    given: ReadonlyArray<string | Promise<string>>,
  ): Promise<void | Refusal> {
    try {
      const values = await Promise.all(given.map(async (value) => value))
      this.#fill(request, selected, values)
      return undefined
    } catch (error) {
      return unavailable(describeError(error))
    }
  }

  #fill(
    request: OutgoingRequest,
    selected: readonly SelectedCredential[],
    values: readonly string[],
  ): void {
    for (const [index, { id, location }] of selected.entries()) {
      const value = values[index] ?? ''
      const text = fillSlot(request, location, value)
      if (text === undefined) continue
      request.conceal(value, { secretId: id })
      if (!text.includes(value)) request.conceal(text, { secretId: id })
      request.emit({
        kind: 'credential-injected',
        by: this.name,
        secretId: id,
        mode: location.type,
        location: describeLocation(location),
      })
    }
  }
}

/** What cannot be had at once fails like what has to be waited for. */
function revealed(credential: SelectedCredential): string | Promise<string> {
  try {
    return credential.reveal()
  } catch (error) {
    return Promise.reject(asError(error))
  }
}

/** Nothing was sent, and nothing will be: the program hears of it and can ask again. */
function unavailable(problem: string): Refusal {
  return {
    status: 503,
    reason: 'credential-unavailable',
    message: `porthole has no credential for this request: ${problem}`,
  }
}

interface StaticEntry extends CredentialBinding {
  readonly value: string
}

function createStaticSource(credentials: readonly StaticCredential[]): CredentialSource {
  const index = new CredentialIndex(credentials.map(readStatic))
  return {
    select: (request) =>
      index
        .select(request, () => true)
        .map(({ id, location, value }) => ({ id, location, reveal: () => value })),
  }
}

function readStatic({ id, host, header, format, value }: StaticCredential): StaticEntry {
  const location: CredentialLocation = { type: 'header', name: header, format, ifPresent: false }
  const rendered = format.replaceAll('{}', () => value)
  if (value === '' || !/^[\t\x20-\x7e]+$/u.test(rendered)) {
    throw new AppError('ERR_CREDENTIAL_INVALID', { variable: id })
  }
  return { id, hosts: [parseHostPattern(host)], path: undefined, location, value }
}
