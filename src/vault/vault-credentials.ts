/**
 * The vault as a source of credentials: which secret a request's agent may have put into it, and
 * its value, opened for that request alone. Plain text is kept by nobody but the cache of what
 * references led to.
 */
import { AppError, describeError } from '../base/errors.ts'
import { problemOfValue } from '../policy/credential-value.ts'
import type {
  CredentialBinding,
  CredentialHost,
  InjectedLocation,
  CredentialRequest,
  CredentialSource,
  SelectedCredential,
} from '../policy/credential.ts'
import type { Keyring } from './keyring.ts'
import type { References } from './references.ts'
import { variableOf } from './references.ts'
import type { DataKey } from './sealing.ts'
import { checkManifest, openRow } from './secret-rows.ts'
import type { SecretEntry, VaultReader, VaultSnapshot } from './vault-reader.ts'
import type { VaultValues } from './vault-values.ts'

export interface VaultCredentialsOptions {
  readonly reader: VaultReader
  readonly keyring: Keyring
  readonly references: References
  /** Told of every value that there is, so that it can be kept out of what is written. */
  readonly values: VaultValues
  /** Name of the agent that sees every secret without being granted any: that of a run. */
  readonly unrestricted?: string | undefined
}

export class VaultCredentials implements CredentialSource {
  readonly #options: VaultCredentialsOptions
  /** Snapshots whose manifest was found to hold. */
  readonly #checked = new WeakSet<VaultSnapshot>()

  constructor(options: VaultCredentialsOptions) {
    this.#options = options
    options.reader.subscribe(() => this.#takeValues())
  }

  select(
    request: CredentialRequest & { readonly agent?: string | undefined },
  ): readonly SelectedCredential[] {
    const snapshot = this.#options.reader.current()
    if (snapshot === undefined) return []
    const may = this.mayUse(snapshot, request.agent)
    return snapshot.index.select(request, may).flatMap((entry) => {
      const { id, location } = entry
      if (location.type === 'token') return []
      return [{ id, location, reveal: () => this.reveal(snapshot, entry) }]
    })
  }

  placesFor(target: CredentialHost, agent?: string): readonly InjectedLocation[] {
    const snapshot = this.#options.reader.current()
    if (snapshot === undefined) return []
    return snapshot.index.places(
      target,
      agent === undefined ? () => true : this.mayUse(snapshot, agent),
    )
  }

  /** What an agent may have injected, wherever it goes. */
  bindingsFor(agent: string): readonly CredentialBinding[] {
    const snapshot = this.#options.reader.current()
    if (snapshot === undefined) return []
    const may = this.mayUse(snapshot, agent)
    return snapshot.secrets.filter((entry) => entry.location.type !== 'token' && may(entry))
  }

  /**
   * Finds the key while somebody can still be asked for it. The names of environment variables that
   * secrets refer to: nobody else should have them. Rejects with `ERR_VAULT_…`.
   */
  async unlock(): Promise<readonly string[]> {
    const snapshot = this.#options.reader.current()
    const dataKey = snapshot?.rows.dataKey
    if (snapshot === undefined || dataKey === undefined) return []
    const key = await this.#options.keyring.open(dataKey, snapshot.rows.vaultId)
    this.#check(snapshot, key)
    return snapshot.rows.secrets
      .filter(({ kind }) => kind === 'reference')
      .flatMap((row) => variableOf(openRow(row, key, snapshot.rows.vaultId)) ?? [])
  }

  /** After a change that no request has met with yet; what cannot be read is told by the next one. */
  #takeValues(): void {
    const { reader, keyring } = this.#options
    try {
      const snapshot = reader.current()
      const dataKey = snapshot?.rows.dataKey
      if (snapshot === undefined || dataKey === undefined) return
      const key = keyring.open(dataKey, snapshot.rows.vaultId)
      if (key instanceof Promise) key.then((found) => this.#check(snapshot, found)).catch(() => {})
      else this.#check(snapshot, key)
    } catch {
      // Nothing is injected from such a vault either.
    }
  }

  /** Which secrets an agent has. */
  mayUse(snapshot: VaultSnapshot, agent: string | undefined): (entry: SecretEntry) => boolean {
    if (agent === undefined) return () => false
    const isUnrestricted = agent === this.#options.unrestricted
    const entry = isUnrestricted ? undefined : snapshot.agentsByName.get(agent)
    const secrets = isUnrestricted ? 'all' : (entry?.secrets ?? new Set<string>())
    return ({ row, reservedFor }) =>
      reservedFor === undefined
        ? secrets === 'all' || secrets.has(row.id)
        : reservedFor === entry?.id
  }

  /** The value of a secret that the agent may use. Throws, or rejects with, `ERR_VAULT_…`. */
  reveal(snapshot: VaultSnapshot, entry: SecretEntry): string | Promise<string> {
    const { dataKey, vaultId } = snapshot.rows
    if (dataKey === undefined) throw new AppError('ERR_VAULT_TAMPERED', { what: 'as a whole' })
    const key = this.#options.keyring.open(dataKey, vaultId)
    const open = (found: DataKey): string | Promise<string> => this.#open(snapshot, entry, found)
    return key instanceof Promise ? key.then(open) : open(key)
  }

  #open(snapshot: VaultSnapshot, entry: SecretEntry, key: DataKey): string | Promise<string> {
    this.#check(snapshot, key)
    const text = openRow(entry.row, key, snapshot.rows.vaultId)
    if (entry.row.kind === 'value') return text
    return this.#follow(entry, text)
  }

  async #follow(entry: SecretEntry, reference: string): Promise<string> {
    let value: string
    try {
      value = await this.#options.references.resolve(reference)
    } catch (error) {
      const problem = describeError(error)
      throw new AppError('ERR_SECRET_UNAVAILABLE', { name: entry.id, problem }, error)
    }
    const problem = problemOfValue(value, entry.location)
    this.#options.values.followed(entry.id, value)
    if (problem === undefined) return value
    throw new AppError('ERR_SECRET_UNAVAILABLE', { name: entry.id, problem })
  }

  #check(snapshot: VaultSnapshot, key: DataKey): void {
    const { dataKey, secrets, vaultId } = snapshot.rows
    if (this.#checked.has(snapshot) || dataKey === undefined) return
    checkManifest(dataKey.manifest, secrets, key, vaultId)
    this.#checked.add(snapshot)
    this.#options.values.take(snapshot, key)
  }
}
