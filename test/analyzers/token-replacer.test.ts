import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { TokenReplacer } from '../../analyzers/token-replacer.ts'
import type { TokenReplacerOptions } from '../../analyzers/token-replacer.ts'
import type { AnalysisMsgDraft, HeaderPairs } from '../../src/messages/schema.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import { formatToken } from '../../src/policy/tokens/token-format.ts'
import type { TokenSource, TokenVerdict } from '../../src/policy/tokens/token-source.ts'
import { createHeaderList } from '../../src/proxy/http-messages.ts'

const value = 'CANARY "value" \\ 1'
const [token = '', foreign = '', slow = ''] = [1, 2, 3].map((byte) =>
  formatToken(new Uint8Array(32).fill(byte)),
)

/** One token that is for here, one that is not, one whose value is waited for. */
const source: TokenSource = {
  lookup: () => ({
    find(_kind, text): TokenVerdict {
      if (text === token) return { decision: 'replace', secretId: 'one', reveal: () => value }
      if (text === slow) {
        return { decision: 'replace', secretId: 'slow', reveal: async () => `${value} slow` }
      }
      return text === foreign
        ? { decision: 'strip', secretId: 'two', reason: 'host' }
        : { decision: 'unknown' }
    },
  }),
}

interface Sent {
  readonly request: OutgoingRequest
  readonly told: AnalysisMsgDraft[]
  readonly concealed: string[]
}

function outgoing(headers: HeaderPairs, path = '/'): Sent {
  const told: AnalysisMsgDraft[] = []
  const concealed: string[] = []
  const request: OutgoingRequest = {
    connectionId: 'c1',
    exchangeId: 'x1',
    agent: 'ci',
    scheme: 'https',
    host: 'a.example',
    port: 443,
    method: 'POST',
    path,
    headers: createHeaderList(headers),
    readBody: () => Promise.resolve(Buffer.alloc(0)),
    emit: (draft) => told.push(draft),
    conceal: (secret) => concealed.push(secret),
  }
  return { request, told, concealed }
}

const jsonType = ['Content-Type', 'application/json'] as const
const length = ['Content-Length', '1'] as const

interface Body {
  readonly bytes: Buffer
  readonly hasChanged: boolean
  readonly told: readonly AnalysisMsgDraft[]
  readonly concealed: readonly string[]
}

/** What becomes of a body that comes in these chunks. */
async function transformed(
  chunks: readonly Uint8Array[],
  headers: HeaderPairs = [jsonType],
  options: TokenReplacerOptions = {},
): Promise<Body> {
  const { request, told, concealed } = outgoing([length, ...headers])
  const replacer = new TokenReplacer(source, options)
  await replacer.onRequest(request)
  const transform = replacer.transformRequestBody(request)
  if (transform === undefined) throw new Error('no transform')
  const sent: Buffer[] = []
  for await (const chunk of Readable.from(chunks).compose(transform.stream)) {
    sent.push(chunk as Buffer)
  }
  return { bytes: Buffer.concat(sent), hasChanged: transform.hasChanged(), told, concealed }
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

const cuts = fc.array(fc.nat(2000), { maxLength: 8 })

describe('a body', () => {
  property.prop([fc.uint8Array({ maxLength: 2000 }), cuts])(
    'S4 without tokens is the same bytes, however it is cut',
    async (bytes, at) => {
      const { bytes: sent, hasChanged } = await transformed(cutAt(Buffer.from(bytes), at), [])

      expect(sent.equals(bytes)).toBe(true)
      expect(hasChanged).toBe(false)
    },
  )

  property.prop([
    fc.array(fc.constantFrom(token, foreign, slow, 'text ', '{"a": "', '"}', 'porthole:', '%70')),
    cuts,
    fc.constantFrom<HeaderPairs>([jsonType], [], [['Content-Type', 'text/csv']]),
  ])('S4 with tokens comes to the same, however it is cut', async (parts, at, headers) => {
    const bytes = Buffer.from(parts.join(''))

    const whole = await transformed([bytes], headers)
    const pieces = await transformed(cutAt(bytes, at), headers)

    expect(pieces.bytes.toString()).toBe(whole.bytes.toString())
    expect(pieces.hasChanged).toBe(whole.hasChanged)
    const wanted = parts.some((part) => [token, foreign, slow].includes(part))
    expect(whole.hasChanged).toBe(wanted)
  })

  test('says once what is new in it, and at its end what else there was', async () => {
    const chunks = [`["${token}",`, `"${token}","${token}",`, `"${foreign}"]`].map((text) =>
      Buffer.from(text),
    )

    const { told, concealed } = await transformed(chunks)

    const about = { by: 'token-replacer', mode: 'body', location: 'body' }
    expect(told).toEqual([
      { kind: 'token-replaced', ...about, secretId: 'one', count: 1 },
      { kind: 'token-stripped', ...about, secretId: 'two', reason: 'host', count: 1 },
      { kind: 'token-replaced', ...about, secretId: 'one', count: 2 },
    ])
    expect(concealed).toEqual([value, JSON.stringify(value).slice(1, -1)])
  })

  test('in a coding is decoded, and ends in an error where it cannot be', async () => {
    const coded: HeaderPairs = [jsonType, ['Content-Encoding', 'gzip']]
    const body = gzipSync(`{"k":"${token}"}`)

    const { bytes, hasChanged } = await transformed(cutAt(body, [1, 7, 30]), coded)
    expect(JSON.parse(bytes.toString())).toEqual({ k: value })
    expect(hasChanged).toBe(true)
    await expect(transformed([body.subarray(0, -9)], coded)).rejects.toThrow('too early')
    await expect(transformed([Buffer.from('none')], coded)).rejects.toThrow('decode')
  })

  test('of a kind that is passed is not looked at', async () => {
    const { request } = outgoing([length, ['Content-Encoding', 'gzip']])
    const replacer = new TokenReplacer(source, { codedBodies: 'pass' })

    expect(replacer.onRequest(request)).toBeUndefined()
    expect(replacer.transformRequestBody(request)).toBeUndefined()
  })
})

describe('a head', () => {
  test('without tokens is judged at once, and stays the same object', () => {
    const { request, told } = outgoing([['Host', 'a.example'], jsonType], '/v1/x?y=porthole:v1:z')
    const before = request.headers.pairs()

    expect(new TokenReplacer(source).onRequest(request)).toBeUndefined()
    expect(request.headers.pairs()).toBe(before)
    expect(request.path).toBe('/v1/x?y=porthole:v1:z')
    expect(told).toEqual([])
  })

  test('with tokens keeps the order and spelling of its fields', async () => {
    const { request, told } = outgoing(
      [
        ['X-One', `a ${token}`],
        ['cookie', 'b=1'],
        ['X-One', foreign],
        ['Content-Length', '7'],
      ],
      `/${slow}?q=${token}`,
    )

    expect(await new TokenReplacer(source).onRequest(request)).toBeUndefined()
    expect(request.headers.pairs()).toEqual([
      ['X-One', `a ${value}`],
      ['cookie', 'b=1'],
      ['X-One', ''],
      ['Content-Length', '7'],
    ])
    expect(request.path).toBe(
      `/${encodeURIComponent(`${value} slow`)}?q=${encodeURIComponent(value)}`,
    )
    expect(told.map((msg) => msg.kind)).toEqual([
      'token-replaced',
      'token-replaced',
      'token-replaced',
      'token-stripped',
    ])
  })

  test('that would grow too long is refused, and left as it was', async () => {
    const long: TokenSource = {
      lookup: () => ({
        find: () => ({ decision: 'replace', secretId: 'x', reveal: () => 'x'.repeat(16_000) }),
      }),
    }
    const { request } = outgoing([['X-Key', token.repeat(5)]])

    expect(await new TokenReplacer(long).onRequest(request)).toMatchObject({
      status: 431,
      reason: 'token-limit',
    })
    expect(request.headers.values('x-key')).toEqual([token.repeat(5)])
  })
})

describe('a source', () => {
  const failing = (fail: () => never): TokenSource => ({ lookup: fail })

  test('that cannot say what tokens mean refuses the request, and never throws into it', () => {
    const broken = failing(() => {
      throw new Error('the vault is away')
    })
    const { request } = outgoing([])

    expect(new TokenReplacer(broken).onRequest(request)).toMatchObject({
      status: 503,
      reason: 'credential-unavailable',
      message: expect.stringContaining('the vault is away') as string,
    })
    expect(new TokenReplacer(broken).transformRequestBody(request)).toBeUndefined()
  })

  test('without tokens leaves everything alone', () => {
    const replacer = new TokenReplacer({ lookup: () => undefined })
    const { request } = outgoing([['X-Key', token], length])

    expect(replacer.onRequest(request)).toBeUndefined()
    expect(replacer.transformRequestBody(request)).toBeUndefined()
    expect(replacer.transformRequestMessages(request)).toBeUndefined()
    expect(request.headers.values('x-key')).toEqual([token])
  })

  test('that comes first decides', async () => {
    const other: TokenSource = {
      lookup: () => ({
        find: () => ({ decision: 'replace', secretId: 'x', reveal: () => 'of-the-other' }),
      }),
    }
    const { request } = outgoing([['X-Key', `${token} ${formatToken(new Uint8Array(32))}`]])

    await new TokenReplacer([source, other]).onRequest(request)

    expect(request.headers.values('x-key')).toEqual([`${value} of-the-other`])
  })
})

test('a message of a WebSocket is judged by the path that was asked for, not by what it became', async () => {
  const paths: string[] = []
  const watching: TokenSource = {
    lookup: (request) => {
      paths.push(request.path)
      return source.lookup(request)
    },
  }
  const replacer = new TokenReplacer(watching)
  const { request } = outgoing([], `/${token}`)

  await replacer.onRequest(request)
  const transform = replacer.transformRequestMessages(request)
  const payload = await transform?.({ opcode: 1, payload: Buffer.from(`["${token}"]`) })

  expect(payload?.toString()).toBe(JSON.stringify([value]))
  expect(paths).toEqual([`/${token}`, `/${token}`])
})
