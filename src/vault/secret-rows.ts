/**
 * Secrets as they stand in the database: what each ciphertext is bound to, and the manifest that
 * binds all of them together. Every column that decides over a secret is in its binding, as the
 * very text that is stored: an edited row does not open, and neither does one that took the place
 * of another.
 */
import { createHash } from 'node:crypto'

import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import { parseKeyVariable } from '../policy/credential-syntax.ts'
import type { CredentialBinding, CredentialLocation } from '../policy/credential.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import type { DataKeyRow, SecretRow } from './schema.ts'
import type { Binding, DataKey } from './sealing.ts'
import { seal, unseal } from './sealing.ts'

const format = 1

const locationShape = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('header'),
    name: z.string(),
    format: z.string(),
    ifPresent: z.boolean(),
  }),
  z.strictObject({ type: z.literal('query'), name: z.string(), ifPresent: z.boolean() }),
  z.strictObject({ type: z.literal('url-path'), pattern: z.string(), ifPresent: z.boolean() }),
  z.strictObject({ type: z.literal('basic'), user: z.string(), ifPresent: z.boolean() }),
  z.strictObject({ type: z.literal('token') }),
]) satisfies z.ZodType<CredentialLocation>

/** A row's binding, as the rules of injection read it. Throws `ERR_VAULT_TAMPERED`. */
export function bindingOf(row: SecretRow): CredentialBinding {
  try {
    const hosts = z.array(z.string()).parse(JSON.parse(row.hosts))
    const location = locationShape.parse(JSON.parse(row.location))
    const path = row.path ?? undefined
    const variable = row.variable ?? undefined
    if (variable !== undefined && !parseKeyVariable(variable).ok) throw new Error('not a variable')
    const reservedFor = row.agent_id ?? undefined
    const shared = { id: row.name, hosts: hosts.map(parseHostPattern), path, location }
    return { ...shared, variable, reservedFor }
  } catch (error) {
    throw new AppError('ERR_VAULT_TAMPERED', { what: row.name }, error)
  }
}

/** The same row with a new value, sealed. */
export function sealRow(
  row: Omit<SecretRow, 'sealed' | 'key_id'>,
  value: string,
  key: DataKey,
  vaultId: string,
): SecretRow {
  const bound = { ...row, key_id: key.id }
  const sealed = seal(key.secret, Buffer.from(value, 'utf8'), secretBinding(bound, vaultId))
  return { ...bound, sealed }
}

/** Throws `ERR_VAULT_TAMPERED`. */
export function openRow(row: SecretRow, key: DataKey, vaultId: string): string {
  const plain =
    row.key_id === key.id ? unseal(key.secret, row.sealed, secretBinding(row, vaultId)) : undefined
  if (plain === undefined) throw new AppError('ERR_VAULT_TAMPERED', { what: row.name })
  const value = plain.toString('utf8')
  plain.fill(0)
  return value
}

function secretBinding(row: Omit<SecretRow, 'sealed'>, vaultId: string): Binding {
  const path = row.path === null ? 'any' : `path ${row.path}`
  const { id, name, hosts, location, kind, key_id: keyId, version, created_at: at } = row
  const bound = ['secret', format, vaultId, id, name, hosts, path, location, kind, keyId]
  // Rows from before there were variables and reserved ones open as they were sealed.
  return [
    ...bound,
    version,
    at,
    ...(row.variable === null ? [] : ['variable', row.variable]),
    ...(row.agent_id === null ? [] : ['agent', row.agent_id]),
  ]
}

/** What a data key's ciphertext is bound to; the parameters of its own key among it. */
export function dataKeyBinding(
  row: Pick<DataKeyRow, 'id' | 'source' | 'parameters' | 'created_at'>,
  vaultId: string,
): Binding {
  return ['data-key', format, vaultId, row.id, row.source, row.parameters, row.created_at]
}

/** Names every secret with its version and ciphertext: none can be added, dropped or put back. */
export function sealManifest(rows: readonly SecretRow[], key: DataKey, vaultId: string): Buffer {
  return seal(key.secret, Buffer.alloc(0), manifestBinding(rows, key, vaultId))
}

/** Throws `ERR_VAULT_TAMPERED` where the secrets are not the ones that were last written. */
export function checkManifest(
  manifest: Buffer,
  rows: readonly SecretRow[],
  key: DataKey,
  vaultId: string,
): void {
  if (unseal(key.secret, manifest, manifestBinding(rows, key, vaultId)) !== undefined) return
  throw new AppError('ERR_VAULT_TAMPERED', { what: 'as a whole' })
}

function manifestBinding(rows: readonly SecretRow[], key: DataKey, vaultId: string): Binding {
  const secrets = rows
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap(({ id, version, sealed }) => [
      id,
      version,
      createHash('sha256').update(sealed).digest('base64'),
    ])
  return ['manifest', format, vaultId, key.id, ...secrets]
}
