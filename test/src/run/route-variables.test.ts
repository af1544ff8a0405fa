import { describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { formatVariables, routeVariables } from '../../../src/run/route-variables.ts'
import type { RouteForProgram } from '../../../src/run/route-variables.ts'

const route = (name: string, upstream: string, token?: string): RouteForProgram => ({
  name,
  url: `http://127.0.0.1:8080/${name}`,
  upstream,
  token,
})
const openai = route('openai', 'https://api.openai.com/v1', 'T1')

function binding(host: string, variable?: string) {
  const location = { type: 'query', name: 'k', ifPresent: false } as const
  return { id: 's', hosts: [parseHostPattern(host)], path: undefined, location, variable }
}

describe('the variables of a route', () => {
  test('are a base URL, and the token in the usual variable of its provider', () => {
    expect(routeVariables([openai], [binding('api.openai.com')])).toEqual({
      variables: { OPENAI_BASE_URL: 'http://127.0.0.1:8080/openai', OPENAI_API_KEY: 'T1' },
      notes: [],
    })
  })

  test('are a base URL alone where there is no credential: a key of the program’s own counts', () => {
    const { variables, notes } = routeVariables([route('o', 'http://127.0.0.1:11434')], [])

    expect(variables).toEqual({ O_BASE_URL: 'http://127.0.0.1:8080/o' })
    expect(notes).toEqual([expect.stringContaining('route o has no credential')])
  })

  test.each([
    [route('my-api', 'https://api.example.com', 'T'), [], ['MY_API_BASE_URL', 'MY_API_API_KEY']],
    [route('1st', 'https://api.example.com', 'T'), [], ['_1ST_BASE_URL', '_1ST_API_KEY']],
    [route('x', 'https://api.anthropic.com', 'T'), [], ['X_BASE_URL', 'ANTHROPIC_API_KEY']],
    [
      route('x', 'https://me.openai.azure.com/openai/v1', 'T'),
      [],
      ['X_BASE_URL', 'AZURE_OPENAI_API_KEY'],
    ],
    [
      route('x', 'https://api.openai.com', 'T'),
      [binding('other.example', 'OTHER'), binding('*.openai.com', 'MINE')],
      ['X_BASE_URL', 'MINE'],
    ],
    [
      route('x', 'https://api.example.com:8443', 'T'),
      [binding('api.example.com', 'WRONG_PORT'), binding('api.example.com:8443', 'MINE')],
      ['X_BASE_URL', 'MINE'],
    ],
  ])('%j has %j', (one, bindings, wanted) => {
    expect(Object.keys(routeVariables([one], bindings).variables)).toEqual(wanted)
  })

  test('of two routes to one provider are the usual one and one of its own', () => {
    const second = route('openai-eu', 'https://api.openai.com/eu', 'T2')

    const { variables, notes } = routeVariables([openai, second], [])

    expect(variables).toMatchObject({ OPENAI_API_KEY: 'T1', OPENAI_EU_API_KEY: 'T2' })
    expect(notes).toEqual([
      'route openai-eu has its token in OPENAI_EU_API_KEY: OPENAI_API_KEY is taken',
    ])
  })

  test('take the place of placeholders for the same key', () => {
    const gemini = route('g', 'https://generativelanguage.googleapis.com', 'T')
    const env = { GOOGLE_API_KEY: 'porthole-placeholder', OTHER: 'porthole-placeholder' }

    expect(routeVariables([gemini], [], env).variables).toEqual({
      G_BASE_URL: 'http://127.0.0.1:8080/g',
      GEMINI_API_KEY: 'T',
      GOOGLE_API_KEY: 'T',
    })
  })
})

test.each([
  ['linux', "export A='b'"],
  ['darwin', "export A='b'"],
  ['win32', "$env:A = 'b'"],
] as const)('on %s they are printed as %s', (platform, line) => {
  expect(formatVariables({ A: 'b' }, platform)).toEqual([line])
})
