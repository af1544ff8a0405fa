import { describe, expect, test } from 'vitest'

import { BlobStore } from '../../../src/capture/blob-store.ts'
import { knownBytes } from '../../../src/capture/known-pieces.ts'

function storeWith(blobs: readonly object[], maxLength = 1_000_000): BlobStore {
  const store = new BlobStore(maxLength)
  for (const blob of blobs) expect(store.take({ kind: 'blob', ...blob }, 50)).toBeUndefined()
  return store
}

const body = { kind: 'request-body', v: 1, seq: 4, at: 5, refs: ['a', 'b', 'a'], offset: 7 }

describe('refs of a body', () => {
  test('become text where all they name is text, in their place', () => {
    const store = storeWith([
      { hash: 'a', text: 'A' },
      { hash: 'b', text: 'é' },
    ])

    const resolved = store.resolve(body)

    expect(resolved).toEqual({
      ok: true,
      value: { kind: 'request-body', v: 1, seq: 4, at: 5, text: 'AéA', offset: 7 },
    })
    expect(Object.keys(resolved.ok ? (resolved.value as object) : {})[4]).toBe('text')
  })

  test('become base64 where one of them is no text', () => {
    const store = storeWith([
      { hash: 'a', text: 'A' },
      { hash: 'b', base64: '/w==' },
    ])

    expect(store.resolve(body)).toMatchObject({
      ok: true,
      value: { base64: Buffer.from([0x41, 0xff, 0x41]).toString('base64') },
    })
  })

  test.each([
    ['is missing', [{ hash: 'a', text: 'A' }]],
    [
      'is of another kind',
      [
        { hash: 'a', text: 'A' },
        { hash: 'b', json: [] },
      ],
    ],
  ])('are a problem where one %s', (_, blobs) => {
    expect(storeWith(blobs).resolve(body)).toEqual({
      ok: false,
      problem: 'a blob that it refers to is missing',
    })
  })

  test.each([[{ ...body, refs: 'a' }], [{ ...body, refs: [7] }]])(
    'of no list of names: %j',
    (value) => {
      expect(storeWith([{ hash: 'a', text: 'A' }]).resolve(value).ok).toBe(false)
    },
  )

  test('are bounded in what they grow to, however often a blob is named', () => {
    const store = storeWith([{ hash: 'a', text: 'x'.repeat(1000) }], 1_000_000)
    const refs = Array.from({ length: 1001 }, () => 'a')

    expect(store.resolve({ ...body, refs: refs.slice(1) }).ok).toBe(true)
    expect(store.resolve({ ...body, refs })).toEqual({
      ok: false,
      problem: 'what it refers to is too long to read',
    })
  })
})

describe('refs of a prompt', () => {
  const call = { kind: 'model-called', v: 1, messageRefs: ['m', 'n'], toolRefs: ['t'] }
  const [first, second, tool] = [{ role: 'a' }, { role: 'b' }, { name: 't' }]

  test('become the joined lists', () => {
    const store = storeWith([
      { hash: 'm', json: [first, second] },
      { hash: 'n', json: [first] },
      { hash: 't', json: [tool] },
    ])

    expect(store.resolve(call)).toEqual({
      ok: true,
      value: { kind: 'model-called', v: 1, messages: [first, second, first], tools: [tool] },
    })
  })

  test.each([
    ['is missing', []],
    ['holds text', [{ hash: 'n', text: 'x' }]],
  ])('are a problem where one %s', (_, more) => {
    const store = storeWith([{ hash: 'm', json: [first] }, { hash: 't', json: [tool] }, ...more])

    expect(store.resolve(call).ok).toBe(false)
  })
})

test.each([
  [{}],
  [{ hash: 'a' }],
  [{ hash: 'a', text: 'x', base64: '' }],
  [{ hash: 7, text: 'x' }],
  [{ hash: 'a', json: 'x' }],
])('a blob with the fields %j is refused', (fields) => {
  expect(new BlobStore(10).take({ kind: 'blob', ...fields }, 10)).toContain('a blob without')
})

test.each([
  [7],
  [null],
  [{ refs: ['a'] }],
  [{ kind: 'from-the-future', refs: ['a'] }],
  [{ kind: 'request-body', text: 'x' }],
  [{ kind: 'model-called', messages: [], tools: [] }],
])('%j is left as it is', (value) => {
  const resolved = new BlobStore(10).resolve(value)

  expect(resolved).toEqual({ ok: true, value })
  expect(resolved.ok && resolved.value).toBe(value)
})

test('all that a writer may refer back to is kept, and no more than twice that', () => {
  const text = 'x'.repeat(1024 * 1024)
  const count = knownBytes / text.length
  const store = storeWith(
    Array.from({ length: 2 * count + 1 }, (_, index) => ({ hash: `h${index}`, text })),
    Infinity,
  )
  const isThere = (index: number): boolean => store.resolve({ ...body, refs: [`h${index}`] }).ok

  expect(isThere(0)).toBe(false)
  expect(isThere(2 * count)).toBe(true)
  expect(isThere(count)).toBe(true)
})
