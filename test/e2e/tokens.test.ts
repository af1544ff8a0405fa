import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/**
 * Opaque tokens as users have them: minted on the built command line, sent by curl in a run of its
 * own, and a canary that must turn up at the upstream and nowhere else.
 */
import { canary } from '../support/canary.ts'
import { runCli } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { textsBelow } from '../support/openai-bench.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const hosts = ['api.github.com', 'other.example'] as const
const root = createUpstreamRoot(...hosts)

let home = ''
let upstreams: TestUpstream[]

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-e2e-tokens-'))
  await writeFile(join(home, 'root.pem'), root.certificatePem)
  upstreams = await Promise.all(
    hosts.map((host) =>
      startHttpsUpstream(root, host, (_request, response) => void response.end('ok')),
    ),
  )
})
afterEach(async () => {
  for (const upstream of upstreams) await upstream.close()
  await rm(home, { recursive: true, force: true })
})

function porthole(args: readonly string[], stdin = '', env = {}): Promise<CliResult> {
  return runCli(args, { home, stdin, env })
}

async function mint(...flags: string[]): Promise<string> {
  const { out, err, exitCode } = await porthole(['tokens', 'mint', 'github', ...flags])
  expect([exitCode, err]).toEqual([0, expect.stringContaining('stands for github')])
  expect(out).toMatch(/^porthole:v1:[\w-]{48}\n$/u)
  return out.trim()
}

const add = (): Promise<CliResult> =>
  porthole(['secrets', 'add', 'github', '--host', hosts[0], '--token-only'], canary)

describe('a token', () => {
  test('is a secret to its host, and nothing to another, from the environment of a run', async () => {
    expect((await add()).err).toContain('tokens only')
    const token = await mint('--ttl', '12h')
    const script = hosts
      .map((host) => `curl -sS -H "X-Key: $GH_TOKEN" -d "k=$GH_TOKEN" https://${host}/?k=$GH_TOKEN`)
      .join(' && ')
    const options = [
      `--allow=${hosts.join(',')}`,
      ...hosts.map((host, at) => `--connect-to=${host}:443=127.0.0.1:${upstreams[at]?.port ?? 0}`),
      `--upstream-ca=${join(home, 'root.pem')}`,
    ]

    const args = ['run', ...options, '--json', '--', 'sh', '-c', script]
    const { exitCode, out, err } = await porthole(args, '', { GH_TOKEN: token })

    expect([exitCode, err]).toEqual([0, expect.any(String)])
    const seen = upstreams.map(({ requests }) => {
      const { message, body } = requests[0] ?? {}
      return [message?.url, message?.headers['x-key'], body?.toString()]
    })
    expect(seen).toEqual([
      [`/?k=${canary}`, canary, `k=${canary}`],
      ['/?k=', '', 'k='],
    ])
    expect(out).toContain('"token-replaced"')
    expect(out).toContain('"token-stripped"')
    for (const text of [out, err, ...textsBelow(join(home, 'captures'))]) {
      expect(text).not.toContain(canary)
      expect(text).not.toContain(token.slice(12))
    }
  })

  test('is listed without itself, narrowed by flags, and revoked', async () => {
    await add()
    await porthole(['agents', 'add', 'ci', '--secrets', 'github'])
    const token = await mint('--agent', 'ci', '--host', `${hosts[0]}:443`, '--ttl', '30d')
    const json = await porthole(['tokens', 'mint', 'github', '--json'])
    expect(JSON.parse(json.out)).toMatchObject({
      secret: 'github',
      hosts: [hosts[0]],
      agent: null,
      expiresAt: null,
      token: expect.stringMatching(/^porthole:v1:/u) as string,
    })

    const listed = await porthole(['tokens', 'list', '--json'])
    const rows = JSON.parse(listed.out) as Array<{ id: string; agent: string | null }>
    expect(new Set(rows.map(({ agent }) => agent))).toEqual(new Set(['ci', null]))
    expect(listed.out).not.toContain(token.slice(12))
    for (const { id } of rows) {
      expect((await porthole(['tokens', 'revoke', id])).exitCode).toBe(0)
    }
    const none = await porthole(['tokens', 'list'])
    expect([none.out, none.err]).toEqual(['', expect.stringContaining('no tokens yet')])
  })

  test.each([
    [['mint', 'nothing'], 1, 'there is no secret named nothing'],
    [['mint', 'github', '--host', 'evil.example'], 2, 'not among the hosts'],
    [['mint', 'github', '--agent', 'nobody'], 1, 'there is no agent named nobody'],
    [['mint', 'github', '--ttl', 'soon'], 2, '--ttl "soon" is no time'],
    [['revoke', 'token_none'], 1, 'there is no token with the id token_none'],
  ])('is not to be had by %j', async (args, exitCode, problem) => {
    await add()
    const refused = await porthole(['tokens', ...args])

    expect([refused.exitCode, refused.err]).toEqual([exitCode, expect.stringContaining(problem)])
    expect(refused.out).toBe('')
  })
})

test('the key of sealed tokens must be there, and is kept from the program', async () => {
  const flags = ['run', '--starpod-key-env', 'THE_KEY', '--', 'sh', '-c', 'echo "[$THE_KEY]"']
  const missing = await porthole(flags)
  const short = await porthole(flags, '', { THE_KEY: 'short' })
  const kept = await porthole(flags, '', { THE_KEY: Buffer.alloc(32, 7).toString('hex') })

  expect([missing.exitCode, missing.err]).toEqual([
    2,
    expect.stringContaining('THE_KEY is not set'),
  ])
  expect([short.exitCode, short.err]).toEqual([2, expect.stringContaining('not 32 bytes')])
  expect([kept.exitCode, kept.out]).toEqual([0, '[]\n'])
})
