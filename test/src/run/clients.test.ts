import { describe, expect, test } from 'vitest'

import { providerHosts } from '../../../src/policy/providers.ts'
import { recogniseClient, recognitionNotice } from '../../../src/run/clients.ts'

describe('a client is recognised', () => {
  test.each([
    ['claude', 'claude'],
    ['claude', '/usr/local/bin/claude', '-p', 'hello'],
    ['claude', String.raw`C:\Users\me\AppData\Roaming\npm\claude.cmd`],
    ['codex', 'codex.exe', 'exec'],
    ['claude', 'npx', '-y', '@anthropic-ai/claude-code'],
    ['claude', 'npx', '--yes', '@anthropic-ai/claude-code@2.1.0', '-p', 'hi'],
    ['codex', 'npx', '-p', '@openai/codex', 'codex'],
    ['codex', 'npx', '--package=@openai/codex', '-c', 'codex'],
    ['gemini', 'npm', 'exec', '--', '@google/gemini-cli'],
    ['opencode', 'bunx', 'opencode-ai@latest'],
    ['copilot', 'pnpm', 'dlx', '@github/copilot'],
    ['claude', 'node', '/opt/node_modules/@anthropic-ai/claude-code/cli.js', '--version'],
    [
      'gemini',
      'node',
      '--no-warnings',
      '-r',
      './x.js',
      'node_modules/@google/gemini-cli/dist/index.js',
    ],
    ['opencode', 'bun', 'run', '/home/me/.bun/bin/opencode'],
    ['codex', 'env', 'A=1', 'codex'],
    ['claude', 'nohup', 'npx', 'claude'],
  ])('%s in: %s %s %s %s %s', (client, command, ...args) => {
    expect(recogniseClient(command, args)?.client).toBe(client)
  })
})

describe('nothing is recognised', () => {
  test.each([
    ['python3', 'agent.py'],
    ['node', 'server.js', 'claude'],
    ['npx', 'vitest', '@openai/codex'],
    ['npx'],
    ['env'],
    ['claudette'],
    ['node', '-e', 'claude()'],
    ['git', 'clone', 'https://github.com/openai/codex'],
    [''],
  ])('in: %s %s %s', (command, ...args) => {
    expect(recogniseClient(command, args)).toBeUndefined()
  })
})

test('the hosts of every client are ones that a CA may vouch for', () => {
  for (const name of ['claude', 'codex', 'gemini', 'opencode', 'copilot']) {
    const client = recogniseClient(name, [])
    expect(client?.hosts.length).toBeGreaterThan(0)
    for (const host of client?.hosts ?? []) expect(providerHosts).toContain(host)
  }
})

test('the notice names the client and its hosts in one line', () => {
  const client = recogniseClient('codex', [])

  expect(client && recognitionNotice(client)).toBe(
    'Codex CLI recognised: showing its calls to api.openai.com, chatgpt.com',
  )
})
