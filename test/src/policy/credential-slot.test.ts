import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { slotValues, tokensIn } from '../../../src/policy/credential-slot.ts'
import { fillSlot } from '../../../src/policy/credential-value.ts'
import type { InjectedLocation } from '../../../src/policy/credential.ts'
import { createHeaderList } from '../../../src/proxy/http-messages.ts'

const header = (name: string, format = '{}'): InjectedLocation => ({
  type: 'header',
  name,
  format,
  ifPresent: false,
})
const query: InjectedLocation = { type: 'query', name: 'k', ifPresent: false }
const inPath: InjectedLocation = { type: 'url-path', pattern: '/bot{}/', ifPresent: false }
const basic: InjectedLocation = { type: 'basic', user: 'me', ifPresent: false }

function values(
  place: InjectedLocation,
  path: string,
  fields: ReadonlyArray<readonly [string, string]> = [],
): string[] {
  return slotValues({ path, headers: createHeaderList(fields) }, place).map(({ value }) => value)
}

describe('what stands in the place of a credential', () => {
  test.each<[InjectedLocation, string, string[]]>([
    [query, '/x', []],
    [query, '/x?k=1', ['1']],
    [query, '/x?k', ['']],
    [query, '/x?a=k&%6b=%41+b&kk=2', ['A b']],
    [query, '/x?k=1&k=2', ['1', '2']],
    [query, '/x?k=%zz', ['%zz']],
    [inPath, '/botT/x', ['T']],
    [inPath, '/bot/x', []],
    [inPath, '/bot%41/x', ['%41']],
    [inPath, '/botT', []],
    [inPath, '/x/botT/', []],
  ])('%j of %s is %j', (place, path, wanted) => {
    expect(values(place, path)).toEqual(wanted)
  })

  test('is every field of its name', () => {
    const fields = [
      ['X-Key', 'a'],
      ['x-key', 'b'],
      ['X-Keys', 'c'],
      ['AUTHORIZATION', 'd'],
    ] as const

    expect(values(header('x-KEY'), '/', fields)).toEqual(['a', 'b'])
    expect(values(basic, '/', fields)).toEqual(['d'])
  })
})

describe('a token', () => {
  const pair = Buffer.from('u:t:k').toString('base64')

  test.each<[InjectedLocation, string, string[]]>([
    [header('x'), 'tok', ['tok']],
    [header('x'), ' tok ', ['tok', ' tok ']],
    [header('x'), 'BEARER  tok', ['BEARER  tok', 'tok']],
    [header('x', 'token {}'), 'Token tok', ['Token tok', 'tok']],
    [header('x', 'v={};'), 'v=tok;', ['v=tok;', 'tok']],
    [header('x', 'v={};'), 'v=;', ['v=;', '']],
    [header('x', 'Key {}'), 'key', ['key', '']],
    [header('x', 'v={};'), 'tok', ['tok']],
    [basic, `basic ${pair}`, ['t:k']],
    [basic, 'Bearer tok', []],
    [basic, `Basic ${Buffer.from('tok').toString('base64')}`, []],
    [basic, 'Basic ', []],
    [query, 'Bearer tok', ['Bearer tok']],
    [inPath, 'tok', ['tok']],
    [header('x'), 'x'.repeat(5000), []],
  ])('in %j as %j is looked for as %j', (place, value, wanted) => {
    expect(tokensIn(value, place)).toEqual(wanted)
  })

  property.prop([
    fc.constantFrom(
      header('Authorization', 'Bearer {}'),
      header('x', 'a{}b'),
      query,
      inPath,
      basic,
    ),
    fc.stringMatching(/^[\w-]{1,80}$/u),
  ])('is found where the injector would have put it', (place, token) => {
    const request = { path: '/botX/y?k=1', headers: createHeaderList([]) }
    fillSlot(request, place, token)

    const found = slotValues(request, place)

    expect(found).toHaveLength(1)
    expect(tokensIn(found[0]?.value ?? '', place)).toContain(token)
  })
})
