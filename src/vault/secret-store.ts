/**
 * Secrets as the command line keeps them: added, shown, replaced, removed, sealed anew. Each change
 * is one transaction that is on the disk when it is acknowledged, and is made only to a vault whose
 * manifest holds. What is asked of the user is asked before the vault is locked.
 */
import { AppError } from '../base/errors.ts'
import { problemOfValue } from '../policy/credential-value.ts'
import type { CredentialBinding, CredentialLocation } from '../policy/credential.ts'
import { ambiguousHost } from '../policy/credential.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import type { VaultDatabase } from './database.ts'
import { sql } from './database.ts'
import type { KeySource, SealingKey } from './key-sources.ts'
import { chooseKeySource, findSealingKey, makeSealingKey } from './key-sources.ts'
import type { Keyring, VaultRows } from './keyring.ts'
import { readVault } from './keyring.ts'
import { problemOfReference } from './references.ts'
import type { DataKeyRow, SecretRow } from './schema.ts'
import type { DataKey } from './sealing.ts'
import { mintId } from './sealing.ts'
import { bindingOf, checkManifest, openRow, sealManifest, sealRow } from './secret-rows.ts'

/** A value, or where to find it at the time of use. */
export interface SecretContent {
  readonly kind: 'value' | 'reference'
  readonly text: string
}

export interface NewSecret {
  readonly name: string
  readonly hosts: readonly HostPattern[]
  readonly path: string | undefined
  readonly location: CredentialLocation
  readonly content: SecretContent
  /** Name of the only agent that it is for; undefined for those that are granted it. */
  readonly agent?: string | undefined
  /** The environment variable in which programs look for it, where that is not the usual one. */
  readonly variable?: string | undefined
}

/** What may be shown of a secret. */
export interface SecretDescription extends CredentialBinding {
  readonly kind: SecretContent['kind']
  /** The last four characters, or the scheme of a reference; undefined where that says too much. */
  readonly hint: string | undefined
  readonly version: number
  readonly keyId: string
  /** Of the agent that it is for; null where that was revoked. */
  readonly agent?: string | null
  readonly createdAt: number
  readonly changedAt: number
}

/** Values shorter than this are shown by no part of them. */
const leastHintedLength = 12

export class SecretStore {
  readonly #database: VaultDatabase
  readonly #keyring: Keyring
  readonly #now: () => number

  constructor(database: VaultDatabase, keyring: Keyring, now: () => number) {
    this.#database = database
    this.#keyring = keyring
    this.#now = now
  }

  /** Throws what `add` would throw whatever the value is: to be asked before anybody is asked for one. */
  assertAddable(secret: Omit<NewSecret, 'content'>): void {
    this.#database.read(() => this.#bindingFor(secret, readVault(this.#database)))
  }

  /** How many there are. */
  get count(): number {
    return readVault(this.#database).secrets.length
  }

  /** Throws `ERR_SECRET_UNKNOWN`, `ERR_VAULT_TAMPERED`. */
  assertKnown(name: string): void {
    findRow(
      this.#database.read(() => readVault(this.#database)),
      name,
    )
  }

  /**
   * Stores a secret; the first one makes the vault's keys, under a key of `source`. Throws
   * `ERR_SECRET_INVALID`, `ERR_SECRET_AMBIGUOUS`, `ERR_NAME_TAKEN`, `ERR_AGENT_UNKNOWN`,
   * `ERR_VAULT_…`.
   */
  async add(secret: NewSecret, source?: KeySource): Promise<void> {
    const { name, path, location, content } = secret
    checkContent(content, location)
    const hosts = [...new Set(secret.hosts.map(({ text }) => text))].toSorted()
    await this.#change(source, ({ rows, key }) => {
      const { reservedFor: agentId } = this.#bindingFor(secret, rows)
      const now = this.#now()
      const row = {
        id: mintId('secret'),
        name,
        hosts: JSON.stringify(hosts),
        path: path ?? null,
        location: JSON.stringify(location),
        variable: secret.variable ?? null,
        kind: content.kind,
        version: 1,
        created_at: now,
        changed_at: now,
        agent_id: agentId ?? null,
      }
      const sealed = sealRow(row, content.text, key, rows.vaultId)
      this.#database.run(sql.insertInto('secrets').values(sealed))
    })
  }

  /** Gives a secret another value; where it goes stays as it is. Throws `ERR_SECRET_UNKNOWN`, …. */
  async rotate(name: string, content: SecretContent): Promise<void> {
    // Before a vault without secrets is given a key for what is not there.
    this.assertKnown(name)
    await this.#change(undefined, ({ rows, key }) => {
      const old = findRow(rows, name)
      checkContent(content, bindingOf(old).location)
      const { sealed: _old, key_id: _key, ...kept } = old
      const next = {
        ...kept,
        kind: content.kind,
        version: old.version + 1,
        changed_at: this.#now(),
      }
      const row = sealRow(next, content.text, key, rows.vaultId)
      this.#database.run(sql.updateTable('secrets').set(row).where('id', '=', row.id))
    })
  }

  /** Throws `ERR_SECRET_UNKNOWN`. */
  async remove(name: string): Promise<void> {
    this.assertKnown(name)
    await this.#change(undefined, ({ rows }) => {
      const { id } = findRow(rows, name)
      this.#database.run(sql.deleteFrom('secrets').where('id', '=', id))
    })
  }

  /** All secrets, by name; without hints where the key is not at hand. Asks for nothing. */
  async list(): Promise<SecretDescription[]> {
    const [rows, agents] = this.#database.read(() => [
      readVault(this.#database),
      new Map(
        this.#database
          .all(sql.selectFrom('agents').select(['id', 'name']))
          .map(({ id, name }) => [id, name]),
      ),
    ])
    const key = await this.#keyWithoutAsking(rows)
    return rows.secrets.map((row) => describe(row, key, rows.vaultId, agents))
  }

  /**
   * A new data key, and all secrets sealed anew with it, in one transaction. Keys that are kept
   * here are new as well; `source` takes the vault to another source. How many secrets were sealed.
   */
  async rotateKey(source?: KeySource): Promise<number> {
    const before = readVault(this.#database)
    const old = before.dataKey
    if (old === undefined) return 0
    const key = await this.#keyring.open(old, before.vaultId)
    const outer = await this.#outerKey(old, source)
    const count = await this.#database.writeSlowly(async () => {
      const rows = readVault(this.#database)
      if (rows.dataKey?.id !== key.id) {
        const next = 'run it again'
        const problem = 'another process has changed its key just now'
        throw new AppError('ERR_VAULT_KEY', { problem, next })
      }
      checkManifest(rows.dataKey.manifest, rows.secrets, key, rows.vaultId)
      const [dataKey, next] = await this.#keyring.mint(outer, rows.vaultId, this.#now())
      this.#database.run(sql.insertInto('data_keys').values(dataKey))
      for (const row of rows.secrets) {
        const resealed = sealRow(row, openRow(row, key, rows.vaultId), next, rows.vaultId)
        this.#database.run(sql.updateTable('secrets').set(resealed).where('id', '=', row.id))
      }
      this.#database.run(sql.deleteFrom('data_keys').where('id', '=', key.id))
      this.#seal(dataKey, next, rows.vaultId)
      return rows.secrets.length
    })
    await this.#database.writeSlowly(async () => {
      const { dataKey } = readVault(this.#database)
      if (dataKey !== undefined) await this.#keyring.prune(dataKey, old)
    })
    this.#database.purge()
    return count
  }

  /** Keys from a file or a keyring are made anew; others stay, unless another is named or set beside them. */
  async #outerKey(row: DataKeyRow, source: KeySource | undefined): Promise<SealingKey> {
    const { environment } = this.#keyring
    if (source !== undefined) {
      return makeSealingKey(source, environment, source === row.source)
    }
    if (row.source === 'file' || row.source === 'keyring') {
      return makeSealingKey(row.source, environment)
    }
    const isReplaced =
      (environment.env['NEW_SECRET_ENCRYPTION_KEY'] ?? '') !== '' ||
      (environment.env['PORTHOLE_NEW_PASSPHRASE_FILE'] ?? '') !== ''
    const known = row.source === 'environment' ? 'environment' : 'passphrase'
    if (isReplaced) return makeSealingKey(known, environment, true)
    const bytes = await findSealingKey(row.source, row.parameters, environment)
    return { source: known, parameters: row.parameters, bytes }
  }

  #bindingFor(
    { name, hosts, path, location, agent }: Omit<NewSecret, 'content'>,
    rows: VaultRows,
  ): CredentialBinding {
    // Names that differ in case alone would be taken for one another.
    const taken = rows.secrets.find((row) => row.name.toLowerCase() === name.toLowerCase())
    if (taken !== undefined) {
      throw new AppError('ERR_NAME_TAKEN', {
        what: 'a secret',
        name: taken.name,
        next: 'choose another name, or use secrets rotate to replace its value',
      })
    }
    const reservedFor = agent === undefined ? undefined : this.#agentId(agent)
    const binding = { id: name, hosts, path, location, reservedFor }
    refuseAmbiguity(binding, rows.secrets)
    return binding
  }

  #agentId(name: string): string {
    const found = this.#database.first(
      sql.selectFrom('agents').select('id').where('name', '=', name),
    )
    if (found === undefined) throw new AppError('ERR_AGENT_UNKNOWN', { name })
    return found.id
  }

  async #change(
    source: KeySource | undefined,
    work: (vault: { readonly rows: VaultRows; readonly key: DataKey }) => void,
  ): Promise<void> {
    const before = readVault(this.#database)
    const { environment } = this.#keyring
    // Before the lock: a passphrase takes its time.
    if (before.dataKey !== undefined) await this.#keyring.open(before.dataKey, before.vaultId)
    const fresh =
      before.dataKey === undefined
        ? await makeSealingKey(source ?? chooseKeySource(environment), environment)
        : undefined
    await this.#database.writeSlowly(async () => {
      const rows = readVault(this.#database)
      const [dataKey, key] = await this.#dataKey(rows, fresh)
      checkManifest(dataKey.manifest, rows.secrets, key, rows.vaultId)
      work({ rows, key })
      this.#seal(dataKey, key, rows.vaultId)
    })
  }

  async #dataKey(rows: VaultRows, fresh: SealingKey | undefined): Promise<[DataKeyRow, DataKey]> {
    if (rows.dataKey !== undefined) {
      return [rows.dataKey, await this.#keyring.open(rows.dataKey, rows.vaultId)]
    }
    if (fresh === undefined) throw new AppError('ERR_VAULT_TAMPERED', { what: 'as a whole' })
    const [row, key] = await this.#keyring.mint(fresh, rows.vaultId, this.#now())
    this.#database.run(sql.insertInto('data_keys').values(row))
    return [row, key]
  }

  /** After every change: the manifest of what is there now. */
  #seal(dataKey: DataKeyRow, key: DataKey, vaultId: string): void {
    const rows = this.#database.all(sql.selectFrom('secrets').selectAll())
    const manifest = sealManifest(rows, key, vaultId)
    this.#database.run(sql.updateTable('data_keys').set({ manifest }).where('id', '=', dataKey.id))
  }

  async #keyWithoutAsking(rows: VaultRows): Promise<DataKey | undefined> {
    if (rows.dataKey === undefined) return undefined
    try {
      return await this.#keyring.open(rows.dataKey, rows.vaultId)
    } catch (error) {
      // The list is of use without hints.
      if (error instanceof AppError) return undefined
      throw error
    }
  }
}

function describe(
  row: SecretRow,
  key: DataKey | undefined,
  vaultId: string,
  agents: ReadonlyMap<string, string>,
): SecretDescription {
  const hint = key === undefined ? undefined : hintOf(row.kind, openRow(row, key, vaultId))
  return {
    ...bindingOf(row),
    kind: row.kind,
    hint,
    version: row.version,
    keyId: row.key_id,
    ...(row.agent_id === null ? {} : { agent: agents.get(row.agent_id) ?? null }),
    createdAt: row.created_at,
    changedAt: row.changed_at,
  }
}

function hintOf(kind: SecretContent['kind'], text: string): string | undefined {
  if (kind === 'reference') return `${text.split('://', 1)[0] ?? ''}://…`
  return text.length < leastHintedLength ? undefined : `…${text.slice(-4)}`
}

function checkContent({ kind, text }: SecretContent, location: CredentialLocation): void {
  const problem = kind === 'value' ? problemOfValue(text, location) : problemOfReference(text)
  if (problem !== undefined) throw new AppError('ERR_SECRET_INVALID', { problem })
}

function refuseAmbiguity(binding: CredentialBinding, rows: readonly SecretRow[]): void {
  for (const row of rows) {
    const host = ambiguousHost(binding, bindingOf(row))
    if (host === undefined) continue
    throw new AppError('ERR_SECRET_AMBIGUOUS', { name: binding.id, other: row.name, host })
  }
}

function findRow(rows: VaultRows, name: string): SecretRow {
  const row = rows.secrets.find((known) => known.name === name)
  if (row === undefined) throw new AppError('ERR_SECRET_UNKNOWN', { name })
  return row
}
