/**
 * Tokens in a request's head: its path, its query and every field. Within `Authorization: Basic`
 * the pair is decoded, and encoded again. Nothing is touched where there is no token.
 */
import type { HeaderPairs } from '../../src/messages/schema.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import { RequestRefused } from '../../src/pipeline/request-refused.ts'
import { splitTarget } from '../../src/policy/request-path.ts'
import { findTokens, leastTokenLength } from '../../src/policy/tokens/token-scanner.ts'
import type { TokenPiece } from '../../src/policy/tokens/token-scanner.ts'
import type { TokenSession } from './token-session.ts'

/** Fields that frame or route the message: what stands there was judged already. */
const framing = new Set(['connection', 'content-length', 'host', 'transfer-encoding', 'upgrade'])
const basic = /^(?<scheme>basic[ \t]+)(?<pair>[\w+/-]+={0,2})[ \t]*$/iu
/** What one part may grow to, in characters: as long as a whole head may be. */
const mostLength = 64 * 1024

interface FieldTokens {
  readonly index: number
  readonly name: string
  readonly pieces: readonly TokenPiece[]
  /** What stands before a pair that was decoded; undefined for a plain field. */
  readonly scheme: string | undefined
}

interface HeadTokens {
  readonly path: readonly TokenPiece[] | undefined
  readonly query: readonly TokenPiece[] | undefined
  readonly fields: readonly FieldTokens[]
}

/** Undefined where there are none. */
export function findHeadTokens({
  path: target,
  headers,
}: Pick<OutgoingRequest, 'path' | 'headers'>): HeadTokens | undefined {
  const { path, query } = splitTarget(target)
  const found = {
    path: tokensIn(path),
    query: tokensIn(query),
    fields: fieldTokens(headers.pairs()),
  }
  const isEmpty = found.path === undefined && found.query === undefined
  return isEmpty && found.fields.length === 0 ? undefined : found
}

/** All or nothing: the request is changed once every value is there. Rejects with `RequestRefused`. */
export async function replaceHeadTokens(
  request: Pick<OutgoingRequest, 'path' | 'headers'>,
  { path, query, fields }: HeadTokens,
  session: TokenSession,
): Promise<void> {
  let [newPath, newQuery] = [splitTarget(request.path).path, splitTarget(request.path).query]
  if (path !== undefined) {
    const spot = { mode: 'url-path', location: 'path' } as const
    newPath = await session.write(path, spot, () => 'path')
  }
  if (query !== undefined) {
    const spot = { mode: 'query', location: 'query' } as const
    newQuery = await session.write(query, spot, () => 'query')
  }
  const values = await writeFields(fields, session, 'header')
  const all = [newPath + newQuery, ...values.map(({ value }) => value)]
  if (all.some((text) => text.length > mostLength)) throw tooLong()
  request.path = newPath + newQuery
  for (const { index, value } of values) request.headers.replace(index, value)
}

/** Trailers come after the body; they are written as fields are. */
export async function replaceTrailerTokens(
  pairs: HeaderPairs,
  session: TokenSession,
): Promise<HeaderPairs> {
  const values = await writeFields(fieldTokens(pairs), session, 'trailer')
  const byIndex = new Map(values.map(({ index, value }) => [index, value]))
  return pairs.map(([name, value], index) => [name, byIndex.get(index) ?? value])
}

async function writeFields(
  fields: readonly FieldTokens[],
  session: TokenSession,
  mode: 'header' | 'trailer',
): Promise<Array<{ readonly index: number; readonly value: string }>> {
  const written: Array<{ readonly index: number; readonly value: string }> = []
  for (const { index, name, pieces, scheme } of fields) {
    const location = name.toLowerCase()
    if (scheme === undefined) {
      const value = await session.write(pieces, { mode, location }, () => 'header')
      written.push({ index, value: value.trimEnd() })
    } else {
      const spot = { mode: mode === 'header' ? 'basic' : mode, location } as const
      const pair = await session.write(pieces, spot, (before) =>
        before.includes(':') ? 'basic' : 'basic-user',
      )
      const value = scheme + Buffer.from(pair, 'latin1').toString('base64')
      written.push({ index, value })
    }
  }
  return written
}

function fieldTokens(pairs: HeaderPairs): FieldTokens[] {
  return pairs.flatMap(([name, value], index): FieldTokens[] => {
    if (value.length < leastTokenLength || framing.has(name.toLowerCase())) return []
    const groups = basic.exec(value)?.groups
    if (groups !== undefined) {
      const pair = Buffer.from(groups['pair'] ?? '', 'base64').toString('latin1')
      const pieces = tokensIn(pair)
      if (pieces !== undefined) return [{ index, name, pieces, scheme: groups['scheme'] ?? '' }]
    }
    const pieces = tokensIn(value)
    return pieces === undefined ? [] : [{ index, name, pieces, scheme: undefined }]
  })
}

function tokensIn(text: string): readonly TokenPiece[] | undefined {
  if (text.length < leastTokenLength) return undefined
  const pieces = findTokens(text)
  return pieces.some((piece) => typeof piece !== 'string') ? pieces : undefined
}

function tooLong(): RequestRefused {
  return new RequestRefused({
    status: 431,
    reason: 'token-limit',
    message: 'porthole refused the request: with its secrets its head would be too long',
  })
}
