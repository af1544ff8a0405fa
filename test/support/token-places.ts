/**
 * Every place of a request that a token may stand in, and every form it may have there: how it is
 * sent, and how an upstream reads what came of it.
 */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

import { chunked, requestBytes } from './token-bench.ts'
import type { SeenRequest } from './token-bench.ts'

export interface TokenPlaceCase {
  readonly name: string
  readonly request: (host: string, token: string) => Buffer
  /** The value, decoded as the place demands; undefined where the place itself is broken. */
  readonly read: (seen: SeenRequest) => string | undefined
}

const json = 'Content-Type: application/json'
const form = 'Content-Type: application/x-www-form-urlencoded'

export const percentEncoded = (token: string): string => encodeURIComponent(token)
/** All of it, with hexadecimal digits in either case. */
export const percentAll = (token: string, upper: boolean): string =>
  Array.from(token, (one) => {
    const hex = one.charCodeAt(0).toString(16)
    return `%${upper ? hex.toUpperCase() : hex}`
  }).join('')
export const jsonEscaped = (token: string): string =>
  Array.from(token, (one) => `\\u00${one.charCodeAt(0).toString(16)}`).join('')

const field =
  (name: string, prefix = '') =>
  ({ fields }: SeenRequest): string | undefined => {
    const value = fields.find(([known]) => known.toLowerCase() === name)?.[1]
    // No space stands at the end of a value.
    return value?.startsWith(prefix.trimEnd()) === true ? value.slice(prefix.length) : undefined
  }

const basicPart =
  (part: 0 | 1) =>
  (seen: SeenRequest): string | undefined => {
    const pair = Buffer.from(field('authorization', 'Basic ')(seen) ?? '', 'base64').toString()
    const at = pair.indexOf(':')
    return part === 0 ? pair.slice(0, at) : pair.slice(at + 1)
  }

const basicOf = (pair: string): string =>
  `Authorization: Basic ${Buffer.from(pair).toString('base64')}`

const inQuery = ({ target }: SeenRequest): string | undefined =>
  new URL(target, 'https://x').searchParams.get('k') ?? undefined

const inJson = ({ body }: SeenRequest): string | undefined => {
  const parsed = JSON.parse(body) as { a?: { k?: string } }
  return parsed.a?.k
}

const inForm = ({ body }: SeenRequest): string | undefined =>
  new URLSearchParams(body).get('k') ?? undefined

const withHeader = (
  name: string,
  line: (token: string) => string,
  read: TokenPlaceCase['read'],
) => ({
  name,
  request: (host: string, token: string) => requestBytes(host, { fields: [line(token)] }),
  read,
})

const withTarget = (
  name: string,
  target: (token: string) => string,
  read: TokenPlaceCase['read'],
) => ({
  name,
  request: (host: string, token: string) => requestBytes(host, { target: target(token) }),
  read,
})

const withBody = (
  name: string,
  fields: readonly string[],
  body: (token: string) => string | Buffer,
  read: TokenPlaceCase['read'],
) => ({
  name,
  request: (host: string, token: string) => requestBytes(host, { fields, body: body(token) }),
  read,
})

const document = (token: string): string => `{"a": {"k": "${token}"}, "é": [1, "\\n"]}`
const multipart = (token: string): string =>
  `--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n${token}\r\n--b--\r\n`

export const placesInHead: readonly TokenPlaceCase[] = [
  withHeader('a field', (token) => `X-Key: v=${token}`, field('x-key', 'v=')),
  withHeader(
    'a bearer',
    (token) => `Authorization: Bearer ${token}`,
    field('authorization', 'Bearer '),
  ),
  withHeader('a cookie', (token) => `Cookie: a=1; b=${token}`, field('cookie', 'a=1; b=')),
  withHeader('a password', (token) => basicOf(`user:${token}`), basicPart(1)),
  withHeader('a user name', (token) => basicOf(`${token}:pass`), basicPart(0)),
  withTarget(
    'the path',
    (token) => `/bot${token}/x`,
    ({ target }) => decodeURIComponent(/^\/bot([^/]*)\/x$/u.exec(target)?.[1] ?? ''),
  ),
  withTarget(
    'the path, percent-encoded',
    (token) => `/bot${percentEncoded(token)}/x`,
    ({ target }) => decodeURIComponent(/^\/bot([^/]*)\/x$/u.exec(target)?.[1] ?? ''),
  ),
  withTarget('the query', (token) => `/?a=1&k=${token}&b=2`, inQuery),
  withTarget('the query, percent-encoded', (token) => `/?k=${percentEncoded(token)}`, inQuery),
  withTarget('the query, in upper hex', (token) => `/?k=${percentAll(token, true)}`, inQuery),
  withTarget('the query, in lower hex', (token) => `/?k=${percentAll(token, false)}`, inQuery),
]

export const placesInBody: readonly TokenPlaceCase[] = [
  withBody('JSON', [json], document, inJson),
  withBody('JSON, escaped', [json], (token) => document(jsonEscaped(token)), inJson),
  withBody('JSON of no type', [], document, inJson),
  withBody('JSON that is called a form', [form], document, inJson),
  withBody('a form', [form], (token) => `a=1&k=${token}&b=+2`, inForm),
  withBody('a form, percent-encoded', [form], (token) => `k=${percentEncoded(token)}&b`, inForm),
  withBody(
    'a part of many',
    ['Content-Type: multipart/form-data; boundary=b'],
    multipart,
    (seen) => /\r\n\r\n(.*)\r\n--b--\r\n$/u.exec(seen.body)?.[1],
  ),
  withBody(
    'text',
    ['Content-Type: text/plain'],
    (token) => `x ${token}`,
    (seen) => seen.body.slice(2),
  ),
  withBody(
    'bytes',
    ['Content-Type: application/octet-stream'],
    (token) => Buffer.concat([Buffer.from([0, 255, 128]), Buffer.from(token)]),
    (seen) => seen.body.slice(3),
  ),
  {
    name: 'chunks',
    request: (host, token) => {
      const fields = [json, 'Transfer-Encoding: chunked', '', '']
      const head = ['POST / HTTP/1.1', `Host: ${host}`, ...fields].join('\r\n')
      return Buffer.concat([Buffer.from(head), chunked([Buffer.from(document(token))])])
    },
    read: inJson,
  },
]

const coders: ReadonlyArray<readonly [string, (bytes: string) => Buffer]> = [
  ['gzip', (text) => gzipSync(text)],
  ['deflate', (text) => deflateSync(text)],
  ['br', (text) => brotliCompressSync(text)],
  ['zstd', (text) => zstdCompressSync(text)],
  ['gzip, br', (text) => brotliCompressSync(gzipSync(text))],
]

export const placesInCodings: readonly TokenPlaceCase[] = coders.flatMap(([name, encode]) => {
  const fields = [json, `Content-Encoding: ${name}`]
  return [
    withBody(`JSON in ${name}`, fields, (token) => encode(document(token)), inJson),
    {
      name: `chunks in ${name}`,
      request: (host: string, token: string) => {
        const bytes = encode(document(token))
        const lines = [...fields, 'Transfer-Encoding: chunked', '', '']
        const head = ['POST / HTTP/1.1', `Host: ${host}`, ...lines].join('\r\n')
        const parts = [bytes.subarray(0, 9), bytes.subarray(9)]
        return Buffer.concat([Buffer.from(head), chunked(parts)])
      },
      read: inJson,
    },
  ]
})
