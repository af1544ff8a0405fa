/**
 * Puts credentials into requests for their hosts, so that the program needs none of its own. It
 * runs after the capture has seen the request, acts over verified TLS only, and replaces every
 * value the client sent in that place. Messages carry the id alone; the value is concealed in
 * whatever the exchange tells later. Where a credential cannot be had, the request is not sent.
 */
import { AppError, asError, describeError } from '../src/base/errors.ts'
import type { Analyzer, OutgoingRequest, Refusal } from '../src/pipeline/analyzer.ts'
import { slotValues, tokensIn } from '../src/policy/credential-slot.ts'
import { clearSlot, fillSlot } from '../src/policy/credential-value.ts'
import type {
  CredentialBinding,
  CredentialHost,
  CredentialPlaces,
  CredentialSource,
  InjectedLocation,
  SelectedCredential,
} from '../src/policy/credential.ts'
import { CredentialIndex, describeLocation, slotOf } from '../src/policy/credential.ts'
import { parseHostPattern } from '../src/policy/host-pattern.ts'
import { standsForKey } from '../src/policy/own-token.ts'
import { otherPlaces } from '../src/policy/provider-keys.ts'

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

/** What becomes of a key that a program sends itself to a host that has a credential. */
export type OwnKeys = 'replace' | 'refuse'

export class CredentialInjector implements Analyzer, CredentialPlaces {
  readonly name = 'credential-injector'
  readonly #sources: readonly CredentialSource[]
  #ownKeys: OwnKeys = 'replace'

  /**
   * Where several sources fill one place, the first wins. Throws `ERR_CREDENTIAL_INVALID` for a
   * static value that a header field cannot hold (RFC 9110 §5.5).
   */
  constructor(...sources: ReadonlyArray<readonly StaticCredential[] | CredentialSource>) {
    this.#sources = sources.map((source) =>
      'select' in source ? source : createStaticSource(source),
    )
  }

  /** With `refuse`, a request that brings a key of its own where a credential goes is not sent. */
  ownKeys(choice: OwnKeys): this {
    this.#ownKeys = choice
    return this
  }

  /** For `PortholeBuilder.routeCredentials()`. Throws where a source cannot be read. */
  placesFor(target: CredentialHost, agent?: string): readonly InjectedLocation[] {
    return this.#sources.flatMap((source) => source.placesFor?.(target, agent) ?? [])
  }

  onRequest(request: OutgoingRequest): void | Refusal | Promise<void | Refusal> {
    if (request.scheme !== 'https') return undefined
    let selected: SelectedCredential[]
    try {
      if (this.#ownKeys === 'refuse' && this.#bringsKey(request)) return ownKeyRefused
      selected = this.#select(request)
    } catch (error) {
      return unavailable(describeError(error))
    }
    return selected.length === 0 ? undefined : this.#inject(request, selected)
  }

  /** Whoever the credential is for: an agent without it may not bring its own instead. */
  #bringsKey(request: OutgoingRequest): boolean {
    // What another analyzer has put there since is not the client's.
    const sent = request.asSent?.() ?? request
    const places = [
      ...this.placesFor(request),
      ...this.#select(request).map(({ location }) => location),
    ]
    return [...places, ...otherPlaces(request.host, places)].some((place) =>
      slotValues(sent, place).some(
        ({ value }) =>
          // What a client without a key sends: a scheme alone.
          !/^\s*(?:(?:bearer|basic|token)\s*)?$/iu.test(value) &&
          !tokensIn(value, place).some(standsForKey),
      ),
    )
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
      // Another key beside it would be the client's own, or a placeholder that nobody knows.
      for (const other of otherPlaces(request.host, [location])) {
        if (!isFilled(other, selected)) clearSlot(request, other)
      }
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

function isFilled(place: InjectedLocation, by: readonly SelectedCredential[]): boolean {
  return by.some(({ location }) => slotOf(location) === slotOf(place))
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

/** Says nothing of what was sent. */
const ownKeyRefused: Refusal = {
  status: 403,
  reason: 'own-key-refused',
  message:
    'this host gets its credential from porthole, and the request brought one of its own: ' +
    'send porthole-placeholder or nothing in its place',
}

interface StaticEntry extends CredentialBinding {
  readonly location: InjectedLocation
  readonly value: string
}

function createStaticSource(credentials: readonly StaticCredential[]): CredentialSource {
  const index = new CredentialIndex(credentials.map(readStatic))
  return {
    placesFor: (target) => index.places(target, () => true),
    select: (request) =>
      index
        .select(request, () => true)
        .map(({ id, location, value }) => ({ id, location, reveal: () => value })),
  }
}

function readStatic({ id, host, header, format, value }: StaticCredential): StaticEntry {
  const location: InjectedLocation = { type: 'header', name: header, format, ifPresent: false }
  const rendered = format.replaceAll('{}', () => value)
  if (value === '' || !/^[\t\x20-\x7e]+$/u.test(rendered)) {
    throw new AppError('ERR_CREDENTIAL_INVALID', { variable: id })
  }
  return { id, hosts: [parseHostPattern(host)], path: undefined, location, value }
}
