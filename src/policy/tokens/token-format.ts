/**
 * What a token of ours looks like: `porthole:v1:` and 48 characters of base64url, which are 32
 * random bytes and the first 4 of a SHA-256 over the prefix and them. Its length is always the
 * same, so that what follows it can never become part of it. It says nothing of what it stands for.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

export const tokenPrefix = 'porthole:v1:'
/** Characters after the prefix. */
export const tokenRunLength = 48
/** Random bytes that make a token. */
export const tokenBytes = 32
const sumBytes = 4

/** Throws `RangeError` for any other number of bytes than `tokenBytes`. */
export function formatToken(bytes: Uint8Array): string {
  if (bytes.byteLength !== tokenBytes) throw new RangeError(`a token has ${tokenBytes} bytes`)
  return tokenPrefix + Buffer.concat([bytes, checksum(bytes)]).toString('base64url')
}

/** Whether it is whole: nothing of it was changed or cut. Not whether anybody knows it. */
export function isToken(text: string): boolean {
  const run = text.slice(tokenPrefix.length)
  if (!text.startsWith(tokenPrefix) || !/^[\w-]{48}$/u.test(run)) return false
  const all = Buffer.from(run, 'base64url')
  const bytes = all.subarray(0, tokenBytes)
  return timingSafeEqual(all.subarray(tokenBytes), checksum(bytes))
}

/** What is kept in place of a token: at 256 random bits nothing slower is needed. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function checksum(bytes: Uint8Array): Buffer {
  const sum = createHash('sha256').update(tokenPrefix).update(bytes).digest()
  return sum.subarray(0, sumBytes)
}
