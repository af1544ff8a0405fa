/**
 * Tokens of routes: 256 random bits that stand in the place of an API key, behind a prefix that
 * scanners and `policy/own-token.ts` know, with a checksum as the tokens of agents have it.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const prefix = 'porthole_route_'

/** Kept in memory, and known to whoever it is given to. */
export function mintRouteToken(): string {
  const text = `${prefix}${randomBytes(32).toString('base64url')}`
  return `${text}${crc32(text).toString(16).padStart(8, '0')}`
}
