import { PassThrough, Transform } from 'node:stream'

import { describe, expect, test } from 'vitest'

import type { HeaderPairs } from '../../../src/messages/schema.ts'
import type { BodyTransform, HeaderList } from '../../../src/pipeline/analyzer.ts'
import { createHeaderList } from '../../../src/proxy/http-messages.ts'
import {
  frameAnew,
  holdBody,
  mayBeHeld,
  transformTrailers,
} from '../../../src/proxy/transformed-body.ts'
import type { PreparedBody } from '../../../src/proxy/transformed-body.ts'

function transformOf(
  work: (text: string) => string,
  over: Partial<BodyTransform> = {},
): BodyTransform {
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, work(chunk.toString('latin1')))
    },
  })
  return { stream, decodes: false, hasChanged: () => true, trailers: (pairs) => pairs, ...over }
}

interface Held {
  readonly body: PassThrough
  readonly headers: HeaderList
  readonly seen: string[]
  readonly result: Promise<PreparedBody | undefined>
}

function hold(transforms: readonly BodyTransform[], coding: HeaderPairs = []): Held {
  const body = new PassThrough()
  const given: HeaderPairs = [['content-length', '3'], ...coding]
  const headers = createHeaderList(given)
  const seen: string[] = []
  const tee = (chunk: Buffer): void => void seen.push(chunk.toString())
  const result = holdBody({ stream: () => body, tee }, transforms, headers)
  return { body, headers, seen, result }
}

describe('a body that is held', () => {
  test('is sent with the length that it came to', async () => {
    const { body, headers, seen, result } = hold([
      transformOf((text) => text.repeat(3)),
      transformOf((text) => text.toUpperCase()),
    ])
    body.write('a')
    body.end('bc')

    expect(await result).toEqual({ kind: 'held', bytes: Buffer.from('AAABCBCBC') })
    expect(headers.pairs()).toEqual([['content-length', '9']])
    expect(seen).toEqual(['a', 'bc'])
  })

  test('is sent as it came where nothing says that it changed, coding and all', async () => {
    const { body, headers, result } = hold(
      [transformOf(() => 'decoded', { decodes: true, hasChanged: () => false })],
      [['Content-Encoding', 'gzip']],
    )
    body.end('abc')

    expect(await result).toEqual({ kind: 'held', bytes: Buffer.from('abc') })
    expect(headers.pairs()).toEqual([
      ['content-length', '3'],
      ['Content-Encoding', 'gzip'],
    ])
  })

  test('loses its coding where that was undone', async () => {
    const { body, headers, result } = hold(
      [transformOf(() => 'decoded', { decodes: true })],
      [['Content-Encoding', 'gzip']],
    )
    body.end('abc')

    expect(await result).toMatchObject({ kind: 'held' })
    expect(headers.pairs()).toEqual([['content-length', '7']])
  })

  test('goes on in chunks where it grows beyond what is held, and loses nothing', async () => {
    const { body, headers, result } = hold([transformOf((text) => text.repeat(1000))])
    const pieces = Array.from({ length: 100 }, (_, index) => String(index % 10).repeat(100))
    for (const piece of pieces) body.write(piece)
    body.end()

    const prepared = await result
    if (prepared?.kind !== 'begun') throw new Error('not begun')
    const chunks: Buffer[] = []
    for await (const chunk of prepared.stream) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe(
      pieces.map((piece) => piece.repeat(1000)).join(''),
    )
    expect(headers.pairs()).toEqual([['Transfer-Encoding', 'chunked']])
  })

  test('is none where the client leaves before its end', async () => {
    const transform = transformOf((text) => text)
    const { body, result } = hold([transform])
    body.write('a')
    body.destroy()

    expect(await result).toBeUndefined()
    expect(transform.stream.destroyed).toBe(true)
  })

  test('is none where the client has left already', async () => {
    const body = new PassThrough()
    body.destroy()
    await new Promise((resolve) => {
      body.once('close', resolve)
    })
    const headers = createHeaderList([])

    expect(await holdBody({ stream: () => body, tee: () => {} }, [], headers)).toBeUndefined()
  })

  test('fails with what its transform fails with', async () => {
    const failing = transformOf(() => {
      throw new Error('oh')
    })
    const broken: BodyTransform = {
      ...failing,
      stream: new Transform({ transform: (_chunk, _encoding, done) => done(new Error('oh')) }),
    }
    const { body, result } = hold([transformOf((text) => text), broken])
    body.end('abc')

    await expect(result).rejects.toThrow('oh')
  })
})

test.each<[string, HeaderPairs, boolean]>([
  ['small', [['Content-Length', '1048576']], true],
  ['large', [['Content-Length', '1048577']], false],
  ['in chunks', [['Transfer-Encoding', 'chunked']], false],
  [
    'waited with',
    [
      ['Content-Length', '1'],
      ['Expect', '100-continue'],
    ],
    false,
  ],
])('a body that is %s may be held, or not', (_what, headers, wanted) => {
  expect(mayBeHeld({ headers })).toBe(wanted)
})

test('a body that streams is framed anew, without a coding that was undone', () => {
  const headers = createHeaderList([
    ['Content-Length', '3'],
    ['Content-Encoding', 'br'],
  ])

  frameAnew(headers, [transformOf((text) => text)])
  expect(headers.pairs()).toEqual([
    ['Content-Encoding', 'br'],
    ['Transfer-Encoding', 'chunked'],
  ])
  frameAnew(headers, [transformOf((text) => text, { decodes: true })])
  expect(headers.pairs()).toEqual([['Transfer-Encoding', 'chunked']])
})

test('trailers go through one transform after the other', async () => {
  const add = (name: string): BodyTransform =>
    transformOf((text) => text, { trailers: async (pairs) => [...pairs, [name, '1']] })

  expect(await transformTrailers([['A', '0']], [add('B'), add('C')])).toEqual([
    ['A', '0'],
    ['B', '1'],
    ['C', '1'],
  ])
})
