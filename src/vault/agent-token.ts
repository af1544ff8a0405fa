/**
 * Tokens of agents: 256 random bits behind a prefix that secret scanners can know, and a checksum
 * that tells a mistyped one. Only their SHA-256 is stored: at this entropy nothing slower is needed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const prefix = 'porthole_agent_'
const tokenShape = /^porthole_agent_(?<bits>[\w-]{43})(?<sum>[\da-f]{8})$/u

/** Shown once, stored nowhere. */
export function mintAgentToken(): string {
  const bits = randomBytes(32).toString('base64url')
  return `${prefix}${bits}${checksum(bits)}`
}

/** Whether it is whole; not whether anybody has it. */
export function isAgentToken(text: string): boolean {
  const groups = tokenShape.exec(text)?.groups
  return groups !== undefined && checksum(groups['bits'] ?? '') === groups['sum']
}

export function hashAgentToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function checksum(bits: string): string {
  return crc32(`${prefix}${bits}`).toString(16).padStart(8, '0')
}
