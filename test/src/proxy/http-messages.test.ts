import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { headerValues } from '../../../src/messages/header-values.ts'
import {
  contentLengthOf,
  createHeaderList,
  forwardableRequestHeaders,
  forwardableResponseHeaders,
  hasBodyFraming,
  isWebSocketUpgrade,
  toPairs,
  toRaw,
} from '../../../src/proxy/http-messages.ts'

type Pairs = Array<readonly [string, string]>

const fieldName = fc.constantFrom(
  ...'A a B Cookie cookie X-Long-Name Connection Keep-Alive Proxy-Connection'.split(' '),
  ...'proxy-authorization Upgrade Transfer-Encoding Host TE'.split(' '),
)
const pairs: fc.Arbitrary<Pairs> = fc.array(
  fc.tuple(fieldName, fc.constantFrom('1', '2', 'a', 'keep-alive', 'close, b', 'x-long-name')),
  { maxLength: 12 },
)

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** The first of that name gets the value, the others go; without one it is added at the end. */
function setNaively(model: Pairs, name: string, value: string): Pairs {
  const next: Pairs = []
  let isDone = false
  for (const [key, old] of model) {
    if (!sameName(key, name)) next.push([key, old])
    else if (!isDone) next.push([key, value])
    isDone ||= sameName(key, name)
  }
  if (!isDone) next.push([name, value])
  return next
}

describe('toPairs', () => {
  property.prop([fc.array(fc.tuple(fc.string(), fc.string()))])(
    'is the inverse of flattening',
    (given) => {
      expect(toPairs(given.flat())).toEqual(given)
      expect(toRaw(given)).toEqual(given.flat())
    },
  )

  test('leaves out a name without a value', () => {
    expect(toPairs(['a', '1', 'b'])).toEqual([['a', '1']])
  })
})

describe('a header list', () => {
  const change = fc.oneof(
    fc.record({ type: fc.constant('set' as const), name: fieldName, value: fc.string() }),
    fc.record({ type: fc.constant('append' as const), name: fieldName, value: fc.string() }),
    fc.record({ type: fc.constant('remove' as const), name: fieldName, value: fc.constant('') }),
  )

  property.prop([pairs, fc.array(change, { maxLength: 10 })])(
    'changes as a naive list does',
    (initial, changes) => {
      const before = structuredClone(initial)
      const list = createHeaderList(initial)
      let model: Pairs = structuredClone(initial)
      for (const { type, name, value } of changes) {
        if (type === 'append') {
          list.append(name, value)
          model.push([name, value])
        } else if (type === 'remove') {
          list.remove(name)
          model = model.filter(([key]) => !sameName(key, name))
        } else {
          list.set(name, value)
          model = setNaively(model, name, value)
        }
        expect(list.pairs()).toEqual(model)
        expect(list.values(name)).toEqual(
          model.filter(([key]) => sameName(key, name)).map(([, each]) => each),
        )
      }
      expect(initial).toEqual(before)
    },
  )

  test('keeps the place and the spelling of a field that is set', () => {
    const list = createHeaderList([
      ['Accept', '*/*'],
      ['AUTHORIZATION', 'old'],
      ['X', '1'],
      ['authorization', 'older'],
    ])

    list.set('Authorization', 'new')

    expect(list.pairs()).toEqual([
      ['Accept', '*/*'],
      ['AUTHORIZATION', 'new'],
      ['X', '1'],
    ])
  })
})

describe('the length of a body', () => {
  test.each<[number | undefined, Pairs]>([
    [
      12,
      [
        ['Host', 'a'],
        ['content-length', '12'],
      ],
    ],
    [0, [['Content-Length', '0']]],
    [undefined, []],
    [undefined, [['Transfer-Encoding', 'chunked']]],
    [
      undefined,
      [
        ['Content-Length', '1'],
        ['Transfer-Encoding', 'chunked'],
      ],
    ],
    [
      undefined,
      [
        ['Transfer-Encoding', 'chunked'],
        ['Content-Length', '1'],
      ],
    ],
    [
      undefined,
      [
        ['Content-Length', '1'],
        ['content-length', '1'],
      ],
    ],
    [undefined, [['Content-Length', '1, 1']]],
    [undefined, [['Content-Length', '+1']]],
    [undefined, [['Content-Length', '9'.repeat(16)]]],
  ])('is %s for %j', (length, given) => {
    expect(contentLengthOf(given)).toBe(length)
  })
})

describe('request fields for the upstream', () => {
  const forwarded = (given: Pairs, isUpgrade = false) => forwardableRequestHeaders(given, isUpgrade)

  test.each([
    ['Proxy-Authorization'],
    ['proxy-connection'],
    ['Proxy-Anything'],
    ['Keep-Alive'],
    ['Proxy-Authenticate'],
    ['Upgrade'],
    ['HTTP2-Settings'],
  ])('lose %s', (name) => {
    expect(
      forwarded([
        [name, 'x'],
        ['A', '1'],
      ]),
    ).toEqual([['A', '1']])
  })

  test.each([['Transfer-Encoding'], ['Trailer'], ['TE'], ['Content-Length'], ['Expect'], ['Via']])(
    'keep %s',
    (name) => {
      expect(forwarded([[name, 'x']])).toEqual([[name, 'x']])
    },
  )

  test.each([['keep-alive'], ['close'], ['Keep-Alive'], ['close, keep-alive'], ['']])(
    'keep a plain Connection: %s where it was',
    (value) => {
      const given: Pairs = [
        ['A', '1'],
        ['Connection', value],
        ['B', '2'],
      ]

      expect(forwarded(given)).toEqual(given)
    },
  )

  test('lose what Connection nominates, and Connection with it', () => {
    const given: Pairs = [
      ['Connection', 'close, X-Hop'],
      ['x-hop', 'secret'],
      ['connection', ' X-Other ,'],
      ['X-Other', '1'],
      ['A', '1'],
    ]

    expect(forwarded(given)).toEqual([['A', '1']])
  })

  test.each([['Authorization'], ['Content-Length'], ['Host'], ['Transfer-Encoding']])(
    'keep %s even when Connection nominates it',
    (name) => {
      const given: Pairs = [
        ['Connection', name],
        [name, 'x'],
      ]

      expect(forwarded(given)).toEqual([[name, 'x']])
    },
  )

  test('of an upgrade keep Upgrade, Connection and what it nominates', () => {
    const given: Pairs = [
      ['Host', 'a'],
      ['Connection', 'keep-alive, Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Protocol', 'realtime, b'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate'],
      ['Proxy-Authorization', 'x'],
    ]

    expect(forwarded(given, true)).toEqual(given.slice(0, -1))
  })

  property.prop([pairs, fc.boolean()])(
    'are a subsequence of what came, without anything meant for the proxy',
    (given, isUpgrade) => {
      const out = forwarded(given, isUpgrade)

      let position = 0
      for (const pair of out) {
        position = given.findIndex(
          ([name, value], index) => index >= position && name === pair[0] && value === pair[1],
        )
        expect(position).toBeGreaterThanOrEqual(0)
        position += 1
      }
      expect(out.filter(([name]) => /^(?:proxy-|keep-alive$)/iu.test(name))).toEqual([])
      if (!isUpgrade) expect(headerValues(out, 'upgrade')).toEqual([])
    },
  )
})

describe('response fields for the client', () => {
  test('lose the hop-by-hop fields of the upstream and what it nominates', () => {
    const given: Pairs = [
      ['Set-Cookie', 'a=1'],
      ['Connection', 'close, X-Hop'],
      ['X-Hop', '1'],
      ['Keep-Alive', 'timeout=5'],
      ['Proxy-Authenticate', 'Basic'],
      ['Proxy-Connection', 'close'],
      ['set-cookie', 'b=2'],
      ['Content-Length', '3'],
      ['Transfer-Encoding', 'chunked'],
    ]

    expect(forwardableResponseHeaders(given)).toEqual([
      ['Set-Cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['Content-Length', '3'],
      ['Transfer-Encoding', 'chunked'],
    ])
  })

  test('keep their framing even when Connection nominates it', () => {
    const given: Pairs = [
      ['Connection', 'content-length'],
      ['Content-Length', '3'],
    ]

    expect(forwardableResponseHeaders(given)).toEqual([['Content-Length', '3']])
  })
})

describe('body framing', () => {
  test.each<[Pairs, boolean]>([
    [[], false],
    [[['Content-Type', 'x']], false],
    [[['content-length', '0']], true],
    [[['Transfer-Encoding', 'chunked']], true],
  ])('of %j: %s', (given, wanted) => {
    expect(hasBodyFraming(given)).toBe(wanted)
  })
})

describe('a WebSocket upgrade', () => {
  test.each<[Pairs, boolean]>([
    [
      [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
      ],
      true,
    ],
    [
      [
        ['connection', 'keep-alive, upgrade'],
        ['UPGRADE', 'WebSocket'],
      ],
      true,
    ],
    [[['Upgrade', 'websocket']], false],
    [[['Connection', 'Upgrade']], false],
    [
      [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'h2c'],
      ],
      false,
    ],
    [
      [
        ['Connection', 'close'],
        ['Upgrade', 'websocket'],
      ],
      false,
    ],
  ])('in %j: %s', (given, wanted) => {
    expect(isWebSocketUpgrade(given)).toBe(wanted)
  })
})
