import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { Authority } from '../../../../src/policy/authority.ts'
import type { RequestNames, RuleSubject } from '../../../../src/policy/rules/match-rule.ts'
import { matchRule } from '../../../../src/policy/rules/match-rule.ts'
import { rule } from '../../../support/rules.ts'

const authority: Authority = { host: 'api.openai.com', port: 443, kind: 'name' }
const names: RequestNames = { models: [['o3']], possible: [], tools: ['read'], isCertain: true }

function subject(over: Partial<RuleSubject> = {}): RuleSubject {
  return {
    authority,
    schemePort: 443,
    agent: 'ci',
    methods: ['POST'],
    path: '/v1/files',
    names,
    ...over,
  }
}

describe('a rule that limits', () => {
  test.each([
    ['every part that it names fits', { method: 'post', path: '/v1/*', agent: 'ci' }, 'yes'],
    ['one part does not', { method: 'get', path: '/v1/*' }, 'no'],
    ['an agent is another', { agent: 'other' }, 'no'],
    ['a model fits a pattern', { model: 'O*' }, 'yes'],
    ['a tool is none of them', { tool: 'bash,write*' }, 'no'],
  ] as const)('%s: %s', (_what, fields, wanted) => {
    expect(matchRule(rule({ action: 'block', host: '*.openai.com', ...fields }), subject())).toBe(
      wanted,
    )
  })

  test('holds for every port of a host without one, and for the port alone with one', () => {
    const other = subject({ authority: { ...authority, port: 8443 } })

    expect(matchRule(rule({ action: 'block', host: 'api.openai.com' }), other)).toBe('yes')
    expect(matchRule(rule({ action: 'block', host: 'api.openai.com:443' }), other)).toBe('no')
    expect(matchRule(rule({ action: 'allow', host: 'api.openai.com' }), other)).toBe('no')
    expect(matchRule(rule({ action: 'allow', host: 'api.openai.com:8443' }), other)).toBe('yes')
  })

  test('does not concern a client without a name where it names agents', () => {
    const nameless = subject({ agent: undefined })

    expect(matchRule(rule({ action: 'rate', agent: 'ci', limit: '1/s' }), nameless)).toBe('no')
  })

  test('does not know what was not read, unless something else excludes it', () => {
    const unread = subject({ methods: undefined, path: undefined, names: undefined })

    expect(matchRule(rule({ action: 'block', path: '/v1/*' }), unread)).toBe('unknown')
    expect(matchRule(rule({ action: 'block', model: '*' }), unread)).toBe('unknown')
    expect(matchRule(rule({ action: 'block', path: '/v1/*', agent: 'x' }), unread)).toBe('no')
  })

  test('takes any of several models, and does not exclude what may be another', () => {
    const blocking = rule({ action: 'block', model: 'gpt*' })
    const two = { ...names, models: [['o3'], ['x/gpt-4o', 'gpt-4o']] }
    const hidden = { ...names, possible: ['gpt-4o'] }

    expect(matchRule(blocking, subject({ names: two }))).toBe('yes')
    expect(matchRule(blocking, subject({ names: hidden }))).toBe('yes')
    expect(matchRule(blocking, subject({ names: { ...names, isCertain: false } }))).toBe('unknown')
  })
})

describe('a rule that allows', () => {
  test('takes a path to the letter, and none that can be read in two ways', () => {
    const allowing = rule({ action: 'allow', path: '/v1/files' })

    expect(matchRule(allowing, subject())).toBe('yes')
    expect(matchRule(allowing, subject({ path: '/V1/files' }))).toBe('no')
    expect(matchRule(allowing, subject({ path: '/v1/files/' }))).toBe('no')
    expect(matchRule(allowing, subject({ path: '/v1/x/../files' }))).toBe('unknown')
  })

  test('needs every model and every method to be allowed', () => {
    const allowing = rule({ action: 'allow', model: 'o3', method: 'POST' })
    const two = { ...names, models: [['o3'], ['gpt-4o']] }

    expect(matchRule(allowing, subject())).toBe('yes')
    expect(matchRule(allowing, subject({ names: two }))).toBe('no')
    expect(matchRule(allowing, subject({ names: { ...names, models: [] } }))).toBe('no')
    expect(matchRule(allowing, subject({ names: { ...names, isCertain: false } }))).toBe('unknown')
    expect(matchRule(allowing, subject({ methods: ['POST', 'DELETE'] }))).toBe('no')
  })
})

/** What some server makes of a path: decoded, in lower case, dot segments and slashes resolved. */
function lenientPath(path: string): string {
  const decoded = path.replaceAll(/%([\dA-Fa-f]{2})/gu, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  const kept: string[] = []
  for (const segment of decoded.toLowerCase().replaceAll('\\', '/').split('/')) {
    const bare = segment.split(';', 1)[0] ?? ''
    if (bare === '..') kept.pop()
    else if (bare !== '' && bare !== '.') kept.push(bare)
  }
  return `/${kept.join('/')}`
}

const pieces = fc.constantFrom(
  ...`/ // /./ /../ %2f %2F %2e . .. \\ ;x %5c /v1 v1
    files Files fil%65s /files a % %zz %c3%a9 %252f /V1/ %20`.split(/\s+/u),
)

property.prop([fc.array(pieces, { maxLength: 8 })], { numRuns: 2000 })(
  'no path that a server takes for a blocked one slips by',
  (parts) => {
    const path = `/${parts.join('')}`
    const read = lenientPath(path)
    fc.pre(read === '/v1/files' || read.startsWith('/v1/files/'))

    const blocking = rule({ action: 'block', path: '/v1/files/*' })

    expect(matchRule(blocking, subject({ path }))).not.toBe('no')
  },
)
