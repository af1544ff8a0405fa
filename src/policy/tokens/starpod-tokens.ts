/**
 * Tokens that carry their secret, sealed: `starpod:v1:` and base64 of `nonce(12) ‖ ciphertext ‖
 * tag(16)`, AES-256-GCM, in it `{"v": secret, "h": [host patterns]}`; no pattern at all is every
 * host. They are read where the key is given, and never made here. Pure.
 */
import { createDecipheriv, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { AppError } from '../../base/errors.ts'
import type { HostPattern } from '../host-pattern.ts'
import { matchesAny, parseHostPattern } from '../host-pattern.ts'
import { authorityOf, isSafeWay } from './token-decision.ts'
import { starpodPrefix } from './token-scanner.ts'
import type {
  TokenKind,
  TokenLookup,
  TokenMismatch,
  TokenRequest,
  TokenSource,
  TokenVerdict,
} from './token-source.ts'

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const tlsPort = 443
/** In messages: what the secret is called, the token does not say. */
const secretId = 'starpod'

const unknown: TokenVerdict = { decision: 'unknown' }

export class StarpodTokens implements TokenSource {
  readonly #key: KeyObject

  /** Throws `ERR_TOKEN_KEY` for anything but 32 bytes as base64 or hexadecimal digits. */
  constructor(key: string) {
    this.#key = createSecretKey(readKey(key))
  }

  lookup(request: TokenRequest): TokenLookup {
    return { find: (kind, text) => this.#find(request, kind, text) }
  }

  #find(request: TokenRequest, kind: TokenKind, text: string): TokenVerdict {
    const content = kind === 'starpod' ? openToken(text, this.#key) : undefined
    if (content === undefined) return unknown
    const reason = mismatchOf(content.hosts, request)
    if (reason !== undefined) return { decision: 'strip', secretId, reason }
    return { decision: 'replace', secretId, reveal: () => content.value }
  }
}

function mismatchOf(
  hosts: readonly HostPattern[] | 'all',
  request: TokenRequest,
): TokenMismatch | undefined {
  if (hosts !== 'all' && !matchesAny(hosts, authorityOf(request), tlsPort)) return 'host'
  return isSafeWay(request) ? undefined : 'plain-http'
}

interface Content {
  readonly value: string
  readonly hosts: readonly HostPattern[] | 'all'
}

function openToken(text: string, key: KeyObject): Content | undefined {
  const run = text.slice(starpodPrefix.length)
  if (run.length % 4 !== 0) return undefined
  const sealed = Buffer.from(run, 'base64')
  const end = sealed.byteLength - tagBytes
  if (end < nonceBytes) return undefined
  const nonce = sealed.subarray(0, nonceBytes)
  // Without authTagLength, node would take tags of other lengths.
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  decipher.setAuthTag(sealed.subarray(end))
  try {
    const plain = Buffer.concat([
      decipher.update(sealed.subarray(nonceBytes, end)),
      decipher.final(),
    ])
    return readContent(JSON.parse(plain.toString('utf8')))
  } catch {
    // Of another key, or none at all: no more is to be said of it.
    return undefined
  }
}

function readContent(parsed: unknown): Content | undefined {
  if (typeof parsed !== 'object' || parsed === null || !('v' in parsed)) return undefined
  const value: unknown = parsed.v
  const hosts: unknown = 'h' in parsed ? parsed.h : undefined
  if (typeof value !== 'string' || !Array.isArray(hosts)) return undefined
  return { value, hosts: hosts.length === 0 ? 'all' : hosts.flatMap(readPattern) }
}

/** A pattern that is none matches nothing: that is no reason to send the secret anywhere. */
function readPattern(text: unknown): HostPattern[] {
  try {
    return typeof text === 'string' ? [parseHostPattern(text)] : []
  } catch {
    return []
  }
}

function readKey(text: string): Buffer {
  const trimmed = text.trim()
  const isHex = /^[\da-f]{64}$/iu.test(trimmed)
  const isBase64 = /^[\w+/-]{43}=?$/u.test(trimmed)
  const key = Buffer.from(trimmed, isHex ? 'hex' : 'base64')
  if ((!isHex && !isBase64) || key.byteLength !== keyBytes) {
    throw new AppError('ERR_TOKEN_KEY', { problem: 'it is not 32 bytes as base64 or hex' })
  }
  return key
}
