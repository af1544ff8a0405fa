import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { CredentialBinding, CredentialLocation } from '../../../src/policy/credential.ts'
import {
  ambiguousHost,
  CredentialIndex,
  describeLocation,
  holeIn,
  slotOf,
} from '../../../src/policy/credential.ts'
import { matchesHostPattern, parseHostPattern } from '../../../src/policy/host-pattern.ts'

const header = (name: string): CredentialLocation => ({
  type: 'header',
  name,
  format: '{}',
  ifPresent: false,
})
const basic = { type: 'basic', user: 'me', ifPresent: false } as const
const bot = { type: 'url-path', pattern: '/bot{}/', ifPresent: false } as const

function binding(
  id: string,
  host: string,
  path?: string,
  location: CredentialLocation = header('x-key'),
): CredentialBinding {
  return { id, hosts: host.split(',').map(parseHostPattern), path, location }
}

function chosen(
  bindings: readonly CredentialBinding[],
  host: string,
  path = '/',
  may: (id: string) => boolean = () => true,
): string[] {
  const [name = '', port = '443'] = host.split(':')
  return new CredentialIndex(bindings)
    .select({ host: name, port: Number(port), path }, ({ id }) => may(id))
    .map(({ id }) => id)
}

describe('of several for one place', () => {
  const all = [
    binding('none', '*.example.com'),
    binding('deep', '*.b.example.com'),
    binding('exact', 'a.b.example.com'),
    binding('prefix', 'a.b.example.com', '/v1/*'),
    binding('longer', 'a.b.example.com', '/v1/chat/*'),
    binding('path', 'a.b.example.com', '/v1/chat/x'),
  ]

  test.each([
    ['a.b.example.com', '/v1/chat/x', 'path'],
    ['a.b.example.com', '/v1/chat/x?y=z', 'path'],
    ['a.b.example.com', '/v1/chat/y', 'longer'],
    ['a.b.example.com', '/v1/chat', 'longer'],
    ['a.b.example.com', '/v1/chatter', 'prefix'],
    ['a.b.example.com', '/v1', 'prefix'],
    ['a.b.example.com', '/v1beta', 'exact'],
    ['a.b.example.com', '/v1/../v1/chat/x', 'exact'],
    ['x.b.example.com', '/v1/chat/x', 'deep'],
    ['x.example.com', '/', 'none'],
  ])('at %s%s the most specific is taken: %s', (host, path, id) => {
    expect(chosen(all, host, path)).toEqual([id])
    expect(chosen(all.toReversed(), host, path)).toEqual([id])
  })

  test('one that may not be used gives way to the next', () => {
    const may = (id: string): boolean => id === 'none' || id === 'prefix'

    expect(chosen(all, 'a.b.example.com', '/v1/chat/x', may)).toEqual(['prefix'])
    expect(chosen(all, 'a.b.example.com', '/', may)).toEqual(['none'])
    expect(chosen(all, 'a.b.example.com', '/', () => false)).toEqual([])
  })

  test.each(['example.com', 'evilexample.com', 'a.example.com.evil', 'x.example.com:8443'])(
    'none goes to %s',
    (host) => {
      expect(chosen(all, host)).toEqual([])
    },
  )
})

test('one that is for one agent goes before one that several have, and after a longer path', () => {
  const own = { ...binding('own', 'h.example'), reservedFor: 'x' }
  const list = [binding('shared', 'h.example'), own, binding('path', 'h.example', '/v1/*')]

  expect(chosen(list, 'h.example', '/')).toEqual(['own'])
  expect(chosen(list.toReversed(), 'h.example', '/')).toEqual(['own'])
  expect(chosen(list, 'h.example', '/v1/x')).toEqual(['path'])
})

describe('the places of a host', () => {
  const index = new CredentialIndex([
    binding('a', 'a.wild.example', '/v1/*'),
    binding('again', 'a.wild.example', '/v2/x'),
    binding('wild', '*.wild.example', undefined, basic),
    binding('port', 'a.wild.example:8443', undefined, bot),
    binding('else', 'b.example', undefined, bot),
  ])
  const placesOf = (host: string, basePath = '', port = 443): CredentialLocation[] =>
    index.places({ host, port, basePath }, () => true)

  test('are those of all paths, each once', () => {
    expect(placesOf('a.wild.example')).toEqual([header('x-key'), basic])
    expect(placesOf('a.wild.example', '', 8443)).toEqual([bot])
    expect(placesOf('c.wild.example')).toEqual([basic])
    expect(placesOf('c.other')).toEqual([])
  })

  test.each([
    ['/v1', true],
    ['/v1/chat', true],
    ['/v2', true],
    ['/v2/x', true],
    ['/v2/x/y', false],
    ['/v11', false],
    ['/v', false],
    ['/other', false],
  ])('below %s have one that is bound to a path there: %s', (base, isThere) => {
    expect(placesOf('a.wild.example', base)).toEqual(isThere ? [header('x-key'), basic] : [basic])
  })

  test('are for those who may use them', () => {
    const found = index.places({ host: 'a.wild.example', port: 443 }, ({ id }) => id === 'wild')

    expect(found).toEqual([basic])
  })
})

test('places of their own are filled side by side, a password and a header in one', () => {
  const both = [
    binding('a', 'h.example', undefined, header('Authorization')),
    binding('b', 'h.example', '/v1/*', basic),
    binding('c', 'h.example', undefined, header('x-other')),
  ]

  expect(chosen(both, 'h.example', '/v1/x')).toEqual(['b', 'c'])
  expect(chosen(both, 'h.example', '/v2')).toEqual(['a', 'c'])
  expect(slotOf(basic)).toBe(slotOf(header('AUTHORIZATION')))
})

test('a part of the path is filled where the path has it, and is read alike by everybody', () => {
  const one = [binding('bot', 'h.example', undefined, bot)]

  expect(chosen(one, 'h.example', '/botTOKEN/send')).toEqual(['bot'])
  for (const path of ['/bot', '/x/botTOKEN/', '/botTOKEN', '/bot../x', '/bot%2f/', '/bot/../x']) {
    expect(chosen(one, 'h.example', path)).toEqual(path === '/bot../x' ? ['bot'] : [])
  }
})

test.each([
  ['/bot{}/', '/botX/y', [4, 5]],
  ['/bot{}/', '/bot/y', [4, 4]],
  ['/bot{}', '/botX/y', [4, 5]],
  ['/bot{}', '/botX', [4, 5]],
  ['/b{}t/', '/bXYt/', [2, 4]],
  ['/bot{}/', '/other', undefined],
  ['/bot{}x', '/botA/x', undefined],
] as const)('the hole of %s in %s', (pattern, path, wanted) => {
  const hole = holeIn(pattern, path)

  expect(hole === undefined ? undefined : [hole.start, hole.end]).toEqual(wanted)
})

test.each([
  [binding('a', 'h.example'), binding('b', 'h.example:443'), 'h.example'],
  [binding('a', 'x.example,*.h.example'), binding('b', '*.h.example'), '*.h.example'],
  [binding('a', 'h.example', '/v1/*'), binding('b', 'h.example', '/v1/*'), 'h.example'],
  [binding('a', 'h.example'), binding('b', '*.h.example'), undefined],
  [{ ...binding('a', 'h.example'), reservedFor: 'x' }, binding('b', 'h.example'), undefined],
  [
    { ...binding('a', 'h.example'), reservedFor: 'x' },
    { ...binding('b', 'h.example'), reservedFor: 'x' },
    'h.example',
  ],
  [binding('a', 'h.example'), binding('b', 'h.example', '/v1/*'), undefined],
  [binding('a', 'h.example'), binding('b', 'h.example', undefined, basic), undefined],
])('what two bindings share (%#)', (one, other, host) => {
  expect(ambiguousHost(one, other)).toBe(host)
})

test('a place is told by its name alone', () => {
  const query = { type: 'query', name: 'key', ifPresent: true } as const

  expect([header('X-Key'), basic, query, bot].map(describeLocation)).toEqual([
    'x-key',
    'authorization',
    '?key',
    '/bot{}/',
  ])
})

const names = fc.constantFrom(
  'a.x.example',
  'b.x.example',
  'x.example',
  'y.example',
  'c.a.x.example',
)
const patterns = fc.oneof(
  names,
  names.map((name) => `*.${name}`),
  names.map((name) => `${name}:8443`),
)

property.prop([
  fc.array(patterns, { minLength: 1, maxLength: 8 }),
  names,
  fc.constantFrom(443, 8443),
])('a host gets exactly what the patterns of the allowlist would say', (hosts, host, port) => {
  const bindings = hosts.map((text, index) =>
    binding(String(index), text, undefined, header(`x-${index}`)),
  )
  const authority = { host, port, kind: 'name' } as const
  const wanted = bindings.filter((each) =>
    each.hosts.some((pattern) => matchesHostPattern(pattern, authority, 443)),
  )

  expect(chosen(bindings, `${host}:${port}`).toSorted()).toEqual(
    wanted.map(({ id }) => id).toSorted(),
  )
})
