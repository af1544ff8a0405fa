import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import {
  constraintsFor,
  decodeConstraints,
  encodeConstraints,
  identityOf,
  permitsIdentity,
  permittedText,
} from '../../ca/name-constraints.ts'

function permits(patterns: readonly string[], host: string): boolean {
  const identity = identityOf(host)
  return identity !== undefined && permitsIdentity(constraintsFor(patterns), identity)
}

const names = fc.domain().map((domain) => domain.toLowerCase())

describe('name constraints', () => {
  it.each([
    [['api.openai.com'], 'api.openai.com', true],
    [['api.openai.com'], 'API.OpenAI.com.', true],
    [['api.openai.com'], 'eu.api.openai.com', true],
    [['api.openai.com'], 'evilapi.openai.com', false],
    [['api.openai.com'], 'openai.com', false],
    [['api.openai.com'], 'api.openai.com.evil.com', false],
    [['*.x.com'], 'a.b.x.com', true],
    [['*.x.com'], '*.x.com', false],
    [['api.openai.com'], '127.0.0.1', false],
    [['api.openai.com'], '::1', false],
    [['127.0.0.1:8443'], '127.0.0.1', true],
    [['127.0.0.1'], '127.0.0.2', false],
    [['127.0.0.1'], '::1', false],
    [['127.0.0.1'], 'localhost', false],
    [['[::1]:8443'], '::1', true],
    [['::1'], '0:0:0:0:0:0:0:1', true],
    [['2001:db8::5'], '2001:db8::6', false],
    [['api_v1.x.com'], 'api_v1.x.com', true],
    [[], 'api.openai.com', false],
    [[], '127.0.0.1', false],
  ])('%j permits %s: %s', (patterns, host, expected) => {
    expect(permits(patterns, host)).toBe(expected)
  })

  it.each(['', '*', 'https://x.com', '*.com', 'a b.com', 'x.com/path', 'fe80::1%eth0', '1.2.3'])(
    'refuses %j as a permitted host',
    (pattern) => {
      expect(() => constraintsFor([pattern])).toThrow(
        expect.objectContaining({ code: 'ERR_HOST_PATTERN' }),
      )
    },
  )

  it('excludes whole every type of name that nothing permits', () => {
    const everyIPv4 = { address: Buffer.alloc(4), mask: Buffer.alloc(4) }
    const everyIPv6 = { address: Buffer.alloc(16), mask: Buffer.alloc(16) }

    expect(constraintsFor(['x.com']).excluded).toEqual({
      names: [],
      ranges: [everyIPv4, everyIPv6],
    })
    expect(constraintsFor(['::1']).excluded).toEqual({ names: [''], ranges: [everyIPv4] })
    expect(constraintsFor(['1.2.3.4']).excluded).toEqual({ names: [''], ranges: [everyIPv6] })
    expect(constraintsFor(['x.com', '1.2.3.4', '::1']).excluded).toEqual({ names: [], ranges: [] })
  })

  it('names what is permitted, each once', () => {
    const constraints = constraintsFor(['*.x.com', 'x.com:8443', '10.0.0.1', '[2001:db8:0::1]'])

    expect(permittedText(constraints)).toEqual(['x.com', '10.0.0.1', '2001:db8::1'])
  })

  it('names foreign ranges with their prefix length', () => {
    const range = { address: Buffer.of(10, 0, 0, 0), mask: Buffer.of(255, 0, 0, 0) }
    const constraints = {
      permitted: { names: [], ranges: [range] },
      excluded: { names: [], ranges: [] },
    }

    expect(permittedText(constraints)).toEqual(['10.0.0.0/8'])
    const inside = identityOf('10.9.8.7')
    expect(inside !== undefined && permitsIdentity(constraints, inside)).toBe(true)
  })

  test.prop([fc.array(fc.oneof(names, fc.ipV4(), fc.ipV6()), { maxLength: 8 })])(
    'are read back as they were written',
    (patterns) => {
      const written = constraintsFor(patterns)

      expect(decodeConstraints(encodeConstraints(written))).toEqual(written)
    },
  )

  test.prop([fc.array(names, { maxLength: 5 }), names])(
    'permit a name exactly if it is one of the list or under one',
    (list, name) => {
      const expected = list.some((entry) => name === entry || name.endsWith(`.${entry}`))

      expect(permits(list, name)).toBe(expected)
    },
  )

  test.prop([fc.ipV6(), fc.ipV6()])('tell addresses apart however they are spelled', (a, b) => {
    const same = new URL(`http://[${a}]/`).hostname === new URL(`http://[${b}]/`).hostname

    expect(permits([a], b)).toBe(same)
    expect(permits([a], new URL(`http://[${a}]/`).hostname.slice(1, -1))).toBe(true)
  })
})
