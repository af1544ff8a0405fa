import { assert, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import {
  claudeFindings,
  codexFindings,
  environmentFindings,
} from '../../../src/run/bypass-findings.ts'
import type { Surroundings } from '../../../src/run/bypass-findings.ts'

function surroundings(
  env: Readonly<Record<string, string>> = {},
  allow: readonly string[] = ['api.openai.com', '*.example.com'],
): Surroundings {
  return { env, allow: allow.map(parseHostPattern), proxyUrls: ['http://127.0.0.1:8080'] }
}

describe('the environment', () => {
  test('of most users is worth no line', () => {
    const env = { PATH: '/bin', NO_PROXY: 'localhost,.internal', OPENAI_API_KEY: 'sk-x' }

    expect(environmentFindings(surroundings(env))).toEqual([])
  })

  test.each<[string, string, string, string]>([
    ['NODE_TLS_REJECT_UNAUTHORIZED', '0', 'fail', 'switches off'],
    ['NO_PROXY', 'x,.openai.com', 'warn', 'NO_PROXY entry .openai.com hides api.openai.com'],
    ['no_proxy', '*', 'warn', 'hides every host'],
    ['HTTPS_PROXY', 'http://corp.example:3128', 'warn', 'leads to corp.example:3128'],
    ['all_proxy', 'socks5://corp.example:1080', 'warn', 'no proxy of ours'],
    ['HTTPS_PROXY', 'http://porthole:t@127.0.0.1:8080', 'ok', 'a proxy of ours'],
    [
      'ANTHROPIC_BASE_URL',
      'https://gateway.test/v1',
      'warn',
      'gateway.test, which is not decrypted',
    ],
    ['OPENAI_BASE_URL', 'http://localhost:4000', 'warn', 'localhost:4000, past any proxy'],
    ['OPENAI_BASE_URL', 'http://127.0.0.1:8080/openai', 'ok', 'leads to a proxy of ours'],
    ['OLLAMA_HOST', '127.0.0.1:11434', 'warn', 'past any proxy'],
  ])('with %s=%s: %s', (name, value, level, text) => {
    expect(environmentFindings(surroundings({ [name]: value }))).toEqual([
      { level, what: expect.stringContaining(text), fix: expect.any(String) },
    ])
  })

  test.each(['https://api.openai.com/v1', 'https://llm.example.com'])(
    'may name a base URL that is decrypted: %s',
    (url) => {
      expect(environmentFindings(surroundings({ OPENAI_BASE_URL: url }))).toEqual([])
    },
  )

  test('is told without the secrets in it', () => {
    const env = {
      HTTPS_PROXY: 'http://user:hunter2@corp.example:3128/hunter2',
      OPENAI_BASE_URL: 'https://user:hunter2@gateway.test/hunter2?key=hunter2',
    }

    expect(JSON.stringify(environmentFindings(surroundings(env)))).not.toContain('hunter2')
  })
})

describe('the settings of Claude Code', () => {
  const path = '~/.claude/settings.json'

  test('that set a base URL or a proxy are told', () => {
    const env = {
      ANTHROPIC_BASE_URL: 'https://gateway.test',
      HTTPS_PROXY: 'http://corp.example',
      NODE_EXTRA_CA_CERTS: '/corp.pem',
      OTHER: '1',
    }
    const found = claudeFindings(path, JSON.stringify({ env }), surroundings())

    expect(found.map(({ what }) => what)).toEqual([
      `env.ANTHROPIC_BASE_URL in ${path} leads to gateway.test, which is not decrypted`,
      `env.HTTPS_PROXY in ${path} takes the place of what porthole run sets`,
      `env.NODE_EXTRA_CA_CERTS in ${path} takes the place of what porthole run sets`,
    ])
  })

  test.each(['{}', '{"env":null}', '{"env":[1]}', '[]', 'null', '{"env":{"HTTPS_PROXY":5}}'])(
    'without any are no news: %s',
    (text) => {
      expect(claudeFindings(path, text, surroundings())).toEqual([])
    },
  )

  test('that are no JSON are told', () => {
    expect(claudeFindings(path, '{,', surroundings())).toMatchObject([{ level: 'warn' }])
  })
})

test('providers with addresses of their own in the settings of Codex are told', () => {
  const text = `
model = "gpt-5"
[model_providers.corp]
base_url = "https://gateway.test/v1"
# base_url = "https://commented.test"
[model_providers.openai]
base_url = 'https://api.openai.com/v1'
`

  expect(codexFindings('config.toml', text, surroundings()).map(({ what }) => what)).toEqual([
    'base_url in config.toml leads to gateway.test, which is not decrypted',
  ])
})

test('whatever stands in them, lines are printable', () => {
  assert(
    property(string(), string(), (name, value) => {
      const hostile = `${value}\u001b[31m\r\n`
      const found = [
        ...environmentFindings(surroundings({ OPENAI_BASE_URL: hostile, HTTPS_PROXY: hostile })),
        ...claudeFindings(name, JSON.stringify({ env: { X_BASE_URL: hostile } }), surroundings()),
        ...codexFindings(`${name}\u0007`, `base_url = "${hostile}"`, surroundings()),
        ...environmentFindings(surroundings({ NO_PROXY: `*\u001b[31m,${name}` })),
      ]

      for (const { what, fix } of found) expect(what + fix).not.toMatch(/[\u0000-\u001f\u007f]/u)
    }),
  )
})
