import { describe, expect, test } from 'vitest'

import type { AgentDirectory } from '../../../src/policy/agent-pass.ts'
import type { CredentialHost, CredentialPlaces } from '../../../src/policy/credential.ts'
import { parseReverseRoute } from '../../../src/proxy/reverse-routes.ts'
import { runningRoutes } from '../../../src/proxy/running-routes.ts'
import { mintRouteTokens, tokensFor } from '../../../src/proxy/session-token.ts'

const agents = (demands: boolean): AgentDirectory => ({
  demandsToken: () => demands,
  find: () => undefined,
  subscribe: () => () => {},
})
const plan = (host: string, over: Partial<Parameters<typeof tokensFor>[0]> = {}) => ({
  listen: { host },
  demand: 'auto' as const,
  tokens: [],
  agents: undefined,
  ...over,
})

describe('the tokens of a proxy', () => {
  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1'])(
    'at %s are those that were given',
    (host) => {
      expect(tokensFor(plan(host))).toEqual([])
      expect(tokensFor(plan(host, { demand: 'off' }))).toEqual([])
    },
  )

  test.each(['0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1', 'box.example', '127.0.0.1.example'])(
    'at %s have one more where nobody has one, and always one',
    (host) => {
      const given = [{ agent: 'me', token: 't' }]
      const [made, again] = [tokensFor(plan(host)), tokensFor(plan(host))]

      expect(made).toEqual([
        { agent: 'porthole-session', token: expect.stringMatching(/^[\w-]{43}$/u) },
      ])
      expect(made).not.toEqual(again)
      expect(tokensFor(plan(host, { agents: agents(false) }))).toHaveLength(1)
      expect(tokensFor(plan(host, { agents: agents(true) }))).toEqual([])
      expect(tokensFor(plan(host, { tokens: given }))).toEqual(given)
      expect(() => tokensFor(plan(host, { demand: 'off' }))).toThrow('wants a token')
    },
  )
})

describe('the routes of a proxy', () => {
  const routes = new Map(
    [
      'a=https://a.example/v1',
      'b=https://b.example:8443',
      'c=http://127.0.0.1:11434',
      'd=https://d.example',
    ].map((text) => {
      const parsed = parseReverseRoute(text)
      if (!parsed.ok) throw new Error(parsed.problem)
      return [parsed.route.name, parsed.route] as const
    }),
  )

  test('show a token where there is a credential for those who come by it', () => {
    const asked: Array<[CredentialHost, string | undefined]> = []
    const places: CredentialPlaces = {
      placesFor: (target, agent) => {
        asked.push([target, agent])
        const isBound = target.host !== 'd.example'
        return isBound ? [{ type: 'query', name: 'k', ifPresent: false }] : []
      },
    }
    const credentials = { routes, routeCredentials: { places, agent: 'me' } }
    const tokens = mintRouteTokens(credentials)

    const running = runningRoutes(credentials, 'http://127.0.0.1:1', tokens)

    expect(running.map(({ url }) => url)).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => `http://127.0.0.1:1/${name}`),
    )
    expect(running.map(({ token }) => token)).toEqual([
      tokens.get('a')?.token,
      tokens.get('b')?.token,
      undefined,
      undefined,
    ])
    expect(new Set([...tokens.values()].map(({ token }) => token)).size).toBe(4)
    expect(asked).toEqual([
      [{ host: 'a.example', port: 443, basePath: '/v1' }, 'me'],
      [{ host: 'b.example', port: 8443, basePath: '' }, 'me'],
      [{ host: 'd.example', port: 443, basePath: '' }, 'me'],
    ])
  })

  test('have no token where nothing is put into requests', () => {
    const without = { routes, routeCredentials: undefined }

    expect(mintRouteTokens(without).size).toBe(0)
    const running = runningRoutes(without, 'http://127.0.0.1:1', new Map())
    expect(running.every(({ token }) => token === undefined)).toBe(true)
  })
})
