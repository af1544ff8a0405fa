/**
 * Where the key comes from that seals a vault's data key: SECRET_ENCRYPTION_KEY, the keyring of the
 * operating system, a passphrase (PORTHOLE_PASSPHRASE_FILE, or asked for), or a key file beside the
 * vault. A new vault takes the first of variable, passphrase file and key file that there is,
 * unless it is told otherwise; an existing one remembers which it was.
 */
import { randomBytes, scrypt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { z } from 'zod'

import { AppError, describeError } from '../base/errors.ts'
import { addToKeyFile, keyFileIn, readKeyFile } from './key-file.ts'
import { keyLength, mintId, mintKey } from './sealing.ts'
import { openSystemKeyring } from './system-keyring.ts'
import type { SystemKeyring } from './system-keyring.ts'

export type KeySource = 'environment' | 'keyring' | 'passphrase' | 'file'

/** What keys are looked for in. */
export interface KeyEnvironment {
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Asks the user; undefined where there is none to ask. */
  readonly ask?: ((question: string) => Promise<string>) | undefined
  /** The operating system's, unless given. */
  readonly openKeyring?: (() => Promise<SystemKeyring>) | undefined
}

/** A key, and how to come by it again. */
export interface SealingKey {
  readonly source: KeySource
  /** JSON, without anything secret; authenticated by what the key seals. */
  readonly parameters: string
  readonly bytes: Buffer
}

/** OWASP's least cost of 2023 for 128 MiB; both bounds keep a doctored file from costing gigabytes. */
const scryptCost = { n: 131_072, r: 8, p: 1 } as const
const scryptMemory = 256 * 1024 * 1024
const leastPassphraseLength = 8

const passphraseShape = z.strictObject({
  n: z.number().refine((n) => [32_768, 65_536, 131_072, 262_144].includes(n)),
  r: z.literal(8),
  p: z.number().int().min(1).max(4),
  salt: z.base64().min(20).max(88),
})
/** Of a key that is kept under a name: in a file, or in a keyring. */
const namedShape = z.strictObject({ key: z.string() })

const keyVariable = 'SECRET_ENCRYPTION_KEY'
const passphraseVariable = 'PORTHOLE_PASSPHRASE_FILE'
/** What the child of `run` and commands of references must not inherit. */
export const keyVariables: readonly string[] = [
  keyVariable,
  `NEW_${keyVariable}`,
  passphraseVariable,
  'PORTHOLE_NEW_PASSPHRASE_FILE',
]

/** The source of a new vault. */
export function chooseKeySource({ env }: KeyEnvironment): KeySource {
  if ((env[keyVariable] ?? '') !== '') return 'environment'
  return (env[passphraseVariable] ?? '') === '' ? 'file' : 'passphrase'
}

/** The key that a vault was sealed with. Throws `ERR_VAULT_KEY`, `ERR_VAULT_MODE`. */
export async function findSealingKey(
  source: string,
  parameters: string,
  environment: KeyEnvironment,
): Promise<Buffer> {
  switch (source) {
    case 'environment': {
      const text = environment.env[keyVariable] ?? ''
      if (text !== '') return parseKey(keyVariable, text)
      throw missing(`${keyVariable} is not set`, `set it to the key the vault was made with`)
    }
    case 'passphrase': {
      const cost = readParameters(passphraseShape, parameters)
      const passphrase = await readPassphrase(environment, passphraseVariable, 'Passphrase')
      return derive(passphrase, cost)
    }
    case 'file':
      return readKeyFile(keyFileIn(environment.home), readParameters(namedShape, parameters).key)
    case 'keyring':
      return readFromKeyring(readParameters(namedShape, parameters).key, environment)
    default:
      throw damaged()
  }
}

/**
 * A new key of that source. `isReplacement` looks for it beside the one in use. What is kept under
 * a name is the caller's to store (`storeSealingKey`), under the vault's lock.
 */
export async function makeSealingKey(
  source: KeySource,
  environment: KeyEnvironment,
  isReplacement = false,
): Promise<SealingKey> {
  switch (source) {
    case 'environment': {
      const names = isReplacement ? [`NEW_${keyVariable}`, keyVariable] : [keyVariable]
      const name = names.find((known) => (environment.env[known] ?? '') !== '')
      if (name === undefined) {
        const next = 'set it to 32 random bytes: openssl rand -base64 32'
        throw missing(`${names[0] ?? ''} is not set`, next)
      }
      return {
        source,
        parameters: '{}',
        bytes: parseKey(name, environment.env[name] ?? ''),
      }
    }
    case 'passphrase': {
      const variable = isReplacement ? 'PORTHOLE_NEW_PASSPHRASE_FILE' : passphraseVariable
      const passphrase = await readPassphrase(environment, variable, 'New passphrase', true)
      const cost = { ...scryptCost, salt: randomBytes(16).toString('base64') }
      return { source, parameters: JSON.stringify(cost), bytes: await derive(passphrase, cost) }
    }
    case 'keyring':
      // Unlocked while the vault is not locked yet: the user may take some time.
      await (await openKeyring(environment)).read('unlock')
      return namedKey(source)
    case 'file':
      return namedKey(source)
  }
}

function namedKey(source: 'keyring' | 'file'): SealingKey {
  return { source, parameters: JSON.stringify({ key: mintId('kek') }), bytes: mintKey() }
}

/** Keeps a new key where it will be found again, before anything is sealed with it. */
export async function storeSealingKey(
  { source, parameters, bytes }: SealingKey,
  environment: KeyEnvironment,
): Promise<void> {
  if (source !== 'file' && source !== 'keyring') return
  const id = sealingKeyName(parameters)
  if (source === 'file') return addToKeyFile(keyFileIn(environment.home), { id, bytes })
  const keyring = await openKeyring(environment)
  await keyring.write(id, bytes.toString('base64'))
  const found = await readFromKeyring(id, environment)
  if (found.equals(bytes)) return
  throw missing('the keyring of this system did not keep the key', 'choose another --key-from')
}

/** Forgets a key that nothing is sealed with any more. One that cannot be removed opens nothing. */
export async function dropSealingKey(
  { source, parameters }: Pick<SealingKey, 'parameters'> & { readonly source: string },
  environment: KeyEnvironment,
): Promise<void> {
  if (source !== 'keyring') return
  try {
    await (await openKeyring(environment)).remove(sealingKeyName(parameters))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
  }
}

function openKeyring({
  openKeyring: open = openSystemKeyring,
}: KeyEnvironment): Promise<SystemKeyring> {
  return open()
}

async function readFromKeyring(name: string, environment: KeyEnvironment): Promise<Buffer> {
  const text = await (await openKeyring(environment)).read(name)
  if (text === undefined) {
    const next = 'open it as the user, and on the machine, that made it'
    throw missing('its key is not in the keyring of this system', next)
  }
  return parseKey('its entry in the keyring', text)
}

/** What a key is kept under in a file or a keyring, from the parameters of a `SealingKey`. */
export function sealingKeyName(parameters: string): string {
  return readParameters(namedShape, parameters).key
}

/** 32 bytes as base64 (either alphabet) or as hexadecimal digits. Throws `ERR_VAULT_KEY`. */
export function parseKey(name: string, text: string): Buffer {
  const trimmed = text.trim()
  const isHex = /^[\dA-Fa-f]{64}$/u.test(trimmed)
  const isBase64 = /^[\w+/-]{43}=?$/u.test(trimmed)
  const bytes = Buffer.from(trimmed, isHex ? 'hex' : 'base64')
  if ((!isHex && !isBase64) || bytes.byteLength !== keyLength) {
    const next = 'write 32 random bytes as base64 or hex: openssl rand -base64 32'
    throw missing(`${name} is not a key of 32 bytes`, next)
  }
  if (new Set(bytes).size < 8) {
    throw missing(`${name} is not random`, 'make one with: openssl rand -base64 32')
  }
  return bytes
}

/** The one-line reason where a key was found and does not fit. */
export function wrongKey(source: string): AppError {
  const what: Record<string, string> = {
    environment: `${keyVariable} is not the key that it was sealed with`,
    keyring: 'the keyring does not hold the key that it was sealed with',
    passphrase: 'the passphrase is wrong',
    file: 'vault.key does not hold the key that it was sealed with',
  }
  const problem = what[source] ?? 'its key does not fit'
  return missing(problem, 'give the key that the vault was made with; nothing was changed')
}

async function readPassphrase(
  { env, ask }: KeyEnvironment,
  variable: string,
  question: string,
  isNew = false,
): Promise<string> {
  const path = env[variable] ?? ''
  let passphrase: string
  if (path !== '') {
    try {
      passphrase = (await readFile(path, 'utf8')).replace(/\r?\n$/u, '')
    } catch (error) {
      throw missing(`cannot read ${variable}: ${describeError(error)}`, 'name a file that holds it')
    }
  } else if (ask === undefined) {
    throw missing('it wants a passphrase, and nobody can be asked', `name a file in ${variable}`)
  } else {
    passphrase = await ask(`${question}: `)
    if (isNew && (await ask(`${question}, again: `)) !== passphrase) {
      throw missing('the two passphrases differ', 'try again; nothing was changed')
    }
  }
  if (passphrase.length < (isNew ? leastPassphraseLength : 1)) {
    const next = `use at least ${leastPassphraseLength} characters; better, several random words`
    throw missing('the passphrase is too short', next)
  }
  return passphrase
}

type Cost = z.infer<typeof passphraseShape>

function derive(passphrase: string, { n, r, p, salt }: Cost): Promise<Buffer> {
  const run = promisify<string, Buffer, number, object, Buffer>(scrypt)
  return run(passphrase.normalize('NFC'), Buffer.from(salt, 'base64'), keyLength, {
    N: n,
    r,
    p,
    maxmem: scryptMemory + 1024 * 1024,
  })
}

/** Ranges are checked before anything is computed with them. */
function readParameters<T>(shape: z.ZodType<T>, text: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw damaged()
  }
  const parsed = shape.safeParse(value)
  if (!parsed.success) throw damaged()
  return parsed.data
}

function damaged(): AppError {
  return new AppError('ERR_VAULT_TAMPERED', { what: 'its key' })
}

function missing(problem: string, next: string): AppError {
  return new AppError('ERR_VAULT_KEY', { problem, next })
}
