import { describe, expect, test } from 'vitest'

import type { CredentialBinding } from '../../../src/policy/credential.ts'
import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { keyPlaceholder } from '../../../src/policy/own-token.ts'
import { withoutKeys } from '../../../src/run/key-variables.ts'

function bound(id: string, ...hosts: string[]): CredentialBinding {
  const location = { type: 'header', name: 'x', format: '{}', ifPresent: false } as const
  return { id, hosts: hosts.map(parseHostPattern), path: undefined, location }
}

function after(
  env: NodeJS.ProcessEnv,
  bindings: readonly CredentialBinding[],
  allow: readonly string[],
): ReturnType<typeof withoutKeys> {
  const intercepted = allow.map(parseHostPattern)
  return withoutKeys({ env, bindings, intercepted, sources: ['SOURCE'], withheld: ['THE_KEY'] })
}

describe('a variable of an SDK', () => {
  test('is set where its host gets a secret, and a real key in it is told', () => {
    const { env, notes } = after(
      { OPENAI_API_KEY: 'sk-real', OTHER: 'x' },
      [bound('o', 'api.openai.com'), bound('a', 'api.anthropic.com')],
      ['api.openai.com', 'api.anthropic.com'],
    )

    expect(env).toEqual({
      OPENAI_API_KEY: keyPlaceholder,
      ANTHROPIC_API_KEY: keyPlaceholder,
      OTHER: 'x',
    })
    expect(notes).toEqual(['OPENAI_API_KEY is kept from the program: its calls get the secret o'])
  })

  test('that the user has named for a secret is one of them', () => {
    const named = { ...bound('n', 'n.example'), variable: 'N_KEY' }
    const unseen = { ...bound('u', 'u.example'), variable: 'U_KEY' }

    const { env, notes } = after({ N_KEY: 'mine', U_KEY: 'mine' }, [named, unseen], ['n.example'])

    expect(env).toEqual({ N_KEY: keyPlaceholder, U_KEY: 'mine' })
    expect(notes[0]).toBe('N_KEY is kept from the program: its calls get the secret n')
  })

  test('is left alone where its host is not decrypted, which is told', () => {
    const { env, notes } = after(
      { OPENAI_API_KEY: 'mine' },
      [bound('o', 'api.openai.com')],
      ['api.anthropic.com'],
    )

    expect(env).toEqual({ OPENAI_API_KEY: 'mine' })
    expect(notes).toEqual([
      'secrets of hosts that are not decrypted here: o (api.openai.com); --allow adds them',
    ])
  })

  test.each([
    ['*.openai.azure.com', ['*.openai.azure.com'], true],
    ['mine.openai.azure.com', ['*.openai.azure.com'], true],
    ['*.openai.azure.com', ['mine.openai.azure.com'], true],
    ['mine.openai.azure.com', ['yours.openai.azure.com'], false],
    ['mine.openai.azure.com:8443', ['*.openai.azure.com'], false],
  ])('of a wildcard, with a secret for %s and %j decrypted: %s', (host, allow, isSet) => {
    const { env } = after({}, [bound('z', host)], allow)

    expect(env['AZURE_OPENAI_API_KEY']).toBe(isSet ? keyPlaceholder : undefined)
  })

  test('that names the same key otherwise is replaced, and one that rivals it taken out', () => {
    const { env, notes } = after(
      { GOOGLE_API_KEY: 'real', ANTHROPIC_AUTH_TOKEN: 'real' },
      [bound('g', 'generativelanguage.googleapis.com'), bound('a', 'api.anthropic.com')],
      ['generativelanguage.googleapis.com', 'api.anthropic.com'],
    )

    expect(env).toEqual({
      GEMINI_API_KEY: keyPlaceholder,
      GOOGLE_API_KEY: keyPlaceholder,
      ANTHROPIC_API_KEY: keyPlaceholder,
    })
    expect(notes.join()).not.toContain('real,')
    expect(notes).toHaveLength(2)
  })
})

test('what secrets are read from is replaced, and what seals them taken out', () => {
  const parent = { SOURCE: 'real', THE_KEY: 'key' }

  expect(after(parent, [], []).env).toEqual({ SOURCE: keyPlaceholder })
  expect(parent).toEqual({ SOURCE: 'real', THE_KEY: 'key' })
  expect(after({}, [], []).env).toEqual({})
})
