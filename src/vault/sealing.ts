/**
 * Sealing: AES-256-GCM with a random nonce of 12 bytes and a whole tag of 16 (NIST SP 800-38D).
 * What a ciphertext belongs to is authenticated with it, as length-prefixed fields that no other
 * fields can be mistaken for. Pure but for the nonce; it knows no file and no database.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** In bytes. */
export const keyLength = 32
const nonceLength = 12
const tagLength = 16

/** A key with the name that ciphertexts know it by. */
export interface NamedKey {
  readonly id: string
  /** 32 bytes. */
  readonly bytes: Buffer
}

/** As it is kept by whoever opens much: node takes longer to make a key of bytes than to use it. */
export interface DataKey {
  readonly id: string
  readonly secret: KeyObject
}

/** What a ciphertext is bound to, in order. */
export type Binding = ReadonlyArray<string | number>

/** `nonce ‖ ciphertext ‖ tag`. */
export function seal(key: Buffer | KeyObject, plain: Buffer, binding: Binding): Buffer {
  const nonce = randomBytes(nonceLength)
  return Buffer.concat([nonce, encrypt(key, nonce, plain, encodeBinding(binding))])
}

/** Undefined where the key, the binding or any bit of `sealed` is not the one of the sealing. */
export function unseal(
  key: Buffer | KeyObject,
  sealed: Buffer,
  binding: Binding,
): Buffer | undefined {
  if (sealed.byteLength < nonceLength + tagLength) return undefined
  const nonce = sealed.subarray(0, nonceLength)
  return decrypt(key, nonce, sealed.subarray(nonceLength), encodeBinding(binding))
}

/** Ciphertext with its tag behind it. Throws `RangeError` for a nonce of any other length than 12. */
export function encrypt(
  key: Buffer | KeyObject,
  nonce: Buffer,
  plain: Buffer,
  aad: Buffer,
): Buffer {
  if (nonce.byteLength !== nonceLength) throw new RangeError('a nonce has 12 bytes')
  // Without authTagLength, node would take and give tags of other lengths.
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
  cipher.setAAD(aad)
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([body, cipher.getAuthTag()])
}

/** Undefined where anything does not fit; a tag that was cut short never does. */
export function decrypt(
  key: Buffer | KeyObject,
  nonce: Buffer,
  sealed: Buffer,
  aad: Buffer,
): Buffer | undefined {
  if (nonce.byteLength !== nonceLength || sealed.byteLength < tagLength) return undefined
  const end = sealed.byteLength - tagLength
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(end))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
  } catch {
    // Node says no more than that it does not fit, and no more is to be said.
    return undefined
  }
}

/** Each field with its length before it: `['ab', 'c']` and `['a', 'bc']` are two bindings. */
export function encodeBinding(binding: Binding): Buffer {
  const parts: Buffer[] = [lengthOf(binding.length)]
  for (const field of binding) {
    const bytes = Buffer.from(`${typeof field === 'number' ? 'n' : 's'}${field}`, 'utf8')
    parts.push(lengthOf(bytes.byteLength), bytes)
  }
  return Buffer.concat(parts)
}

/** 256 random bits. */
export function mintKey(): Buffer {
  return randomBytes(keyLength)
}

/** A short random name for records and keys, as `key_…`. */
export function mintId(prefix: string): string {
  return `${prefix}_${randomBytes(9).toString('base64url')}`
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}
