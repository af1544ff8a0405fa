import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { createAuthenticator, unauthenticatedAnswer } from '../../../src/proxy/client-auth.ts'
import type { Authenticator } from '../../../src/proxy/client-auth.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const basic = (pair: string): string => `Basic ${base64(pair)}`
const token = 'tok-3n_x.Y~z'
const authenticator = createAuthenticator([
  { agent: 'porthole', token },
  { agent: 'other', token: 'second+token/=' },
])
const authenticate: Authenticator['authenticate'] = (values) => authenticator.authenticate(values)

describe('without tokens', () => {
  test('everybody is let in, nameless', () => {
    const open = createAuthenticator([])

    for (const values of [[], ['garbage'], ['Basic !', 'Basic !']]) {
      expect(open.authenticate(values)).toEqual({ ok: true })
    }
  })
})

describe('a credential', () => {
  test.each([
    ['the token as password', [basic(`user:${token}`)], 'porthole'],
    ['the token as user name', [basic(`${token}:`)], 'porthole'],
    ['the token as user name with a password', [basic(`${token}:x`)], 'porthole'],
    ['the token alone', [basic(token)], 'porthole'],
    ['the token behind an empty user', [basic(`:${token}`)], 'porthole'],
    ['a bearer', [`Bearer ${token}`], 'porthole'],
    ['a bearer in lower case', [`bearer  ${token}`], 'porthole'],
    ['the token of another agent', ['Bearer second+token/='], 'other'],
    ['spaces around', [`  ${basic(`u:${token}`)}  `], 'porthole'],
    ['a scheme in capitals', [`BASIC ${base64(`u:${token}`)}`], 'porthole'],
  ])('of %s is known', (_what, values, agent) => {
    expect(authenticate(values)).toEqual({ ok: true, agent })
  })

  test.each([
    ['nothing', []],
    ['an empty value', ['']],
    ['a scheme alone', ['Basic']],
    ['a scheme and a space', ['Basic ']],
    ['the bare token', [token]],
    ['another scheme', [`Digest ${token}`]],
    ['base64 that is none', ['Basic @@@@']],
    ['an empty pair', [basic(':')]],
    ['the name of the agent', [basic('porthole:porthole')]],
    ['a shorter token', [basic(`u:${token.slice(0, -1)}`)]],
    ['a longer token', [basic(`u:${token}x`)]],
    ['a token in capitals', [basic(`u:${token.toUpperCase()}`)]],
    ['two values', [basic(`u:${token}`), basic(`u:${token}`)]],
    ['two values joined', [`${basic(`u:${token}`)}, ${basic(`u:${token}`)}`]],
    ['a token behind spaces', [`Bearer ${token} x`]],
    ['too long a value', [`Bearer ${token.padEnd(5000, 'x')}`]],
    ['padding up to the length that is looked at', [`${' '.repeat(5000)}Bearer ${token}`]],
    ['a NUL', [`Bearer ${token}\0`]],
  ])('of %s is unknown, without a reason', (_what, values) => {
    expect(authenticate(values)).toEqual({ ok: false })
  })

  test('with colons in the password is read up to the first colon', () => {
    const colons = createAuthenticator([{ agent: 'a', token: 'x:y:z' }])

    expect(colons.authenticate([basic('user:x:y:z')])).toEqual({ ok: true, agent: 'a' })
  })

  property.prop([fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 })])(
    'of garbage never throws and is never let in',
    (values) => {
      expect(authenticate(values)).toEqual({ ok: false })
    },
  )

  property.prop([fc.string({ minLength: 1 }), fc.string()])(
    'of any user with any other password is not let in',
    (user, password) => {
      fc.pre(![user, password].some((part) => part.includes(token)))

      expect(authenticate([basic(`${user}:${password}`)])).toEqual({ ok: false })
    },
  )
})

test('the answer asks for Basic and does not tell what was wrong', () => {
  expect(unauthenticatedAnswer).toMatchObject({
    status: 407,
    headers: [['Proxy-Authenticate', 'Basic realm="porthole"']],
  })
})
