import { statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/**
 * Programs that take a base URL, as users start them: under `run`, beside a standing proxy, and
 * with a token where other machines could reach it. One canary must turn up at the upstream alone.
 */
import { canary } from '../support/canary.ts'
import { projectFolder, runCli, startProgram, startProxy } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { oneCall, openAiHost, openOpenAiBench, textsBelow } from '../support/openai-bench.ts'
import type { OpenAiBench } from '../support/openai-bench.ts'
import { exchangeRaw } from '../support/proxied-client.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = openAiHost

let bench: OpenAiBench
let home = ''
let upstream: TestUpstream

beforeEach(async () => {
  bench = await openOpenAiBench()
  ;({ home, upstream } = bench)
})
afterEach(() => bench[Symbol.asyncDispose]())

/** `api.openai.com` is not on the allowlist: what is seen of it came by the route. */
const options = (...more: readonly string[]): string[] => [
  ...bench.toUpstream,
  '--allow=other.example',
  `--route=openai=https://${host}/v1`,
  ...more,
]

interface Seen {
  readonly key: string
  readonly status: number
  readonly answer: string
  readonly env: Record<string, string | undefined>
}

async function runSdk(
  more: readonly string[] = [],
  env = {},
): Promise<{ result: CliResult; seen: Seen }> {
  const args = ['run', ...options(...more), '--', process.execPath, oneCall]
  const result = await runCli(args, { home, env, cwd: projectFolder })
  return { result, seen: JSON.parse(result.out) as Seen }
}

async function addSecret(...flags: readonly string[]): Promise<void> {
  const added = await runCli(['secrets', 'add', 'openai', '--host', host, ...flags], {
    home,
    stdin: canary,
  })
  expect(added).toMatchObject({ exitCode: 0 })
}

const sentKeys = (): unknown[] =>
  upstream.requests.map(({ message }) => message.headers.authorization)

describe('under run, the SDK of OpenAI', () => {
  test('finds a base URL and a token for its key, and neither key nor token is kept', async () => {
    await addSecret()

    const { result, seen } = await runSdk([], { OPENAI_API_KEY: 'sk-the-users-own-key' })

    expect(seen).toMatchObject({ status: 200, answer: 'hi' })
    expect(seen.env['OPENAI_BASE_URL']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/openai$/u)
    expect(seen.key).toMatch(/^porthole_route_[\w-]{51}$/u)
    expect(seen.env['OPENAI_API_KEY']).toBe(seen.key)
    expect(sentKeys()).toEqual([`Bearer ${canary}`])
    expect(upstream.requests[0]?.message.url).toBe('/v1/chat/completions')
    expect(result.err).toMatch(/1 model call/u)
    const kept = [result.err, ...textsBelow(home)]
    expect(kept.length).toBeGreaterThan(3)
    for (const secret of [canary, seen.key, 'sk-the-users-own-key']) {
      expect(kept.filter((text) => text.includes(secret))).toEqual([])
    }
    expect(result.out).not.toContain('sk-the-users-own-key')
  })

  test('has its token in the variable that its secret names', async () => {
    await addSecret('--env-var', 'MY_KEY')

    const { seen } = await runSdk([], { OPENAI_API_KEY: 'unused', MY_KEY: 'mine' })

    expect(seen.env['MY_KEY']).toMatch(/^porthole_route_/u)
    // The usual variable stands for the same key.
    expect(seen.env['OPENAI_API_KEY']).toBe(seen.env['MY_KEY'])
    expect(seen.status).toBe(200)
  })

  test('keeps its own key where there is no credential, and is told what the route wants', async () => {
    const { result, seen } = await runSdk([], { OPENAI_API_KEY: 'sk-own-0123456' })

    expect(seen.env['OPENAI_API_KEY']).toBe('sk-own-0123456')
    expect(seen.env['OPENAI_BASE_URL']).toMatch(/\/openai$/u)
    expect(seen.status).toBe(401)
    expect(result.err).toContain('route openai has no credential')
    expect(upstream.requests).toHaveLength(0)
  })

  test('gets the credential of the configuration file as well', async () => {
    const credential = { host, header: 'Authorization', env: 'THE_KEY', format: 'Bearer {}' }
    await writeFile(join(home, 'porthole.json'), JSON.stringify({ credentials: [credential] }))

    const { seen } = await runSdk([], { THE_KEY: canary, OPENAI_API_KEY: 'mine' })

    expect(seen).toMatchObject({ status: 200 })
    expect(seen.key).toMatch(/^porthole_route_/u)
    expect(seen.env['THE_KEY']).toBe('porthole-placeholder')
    expect(sentKeys()).toEqual([`Bearer ${canary}`])
  })
})

describe('beside a standing proxy', () => {
  test('a program works with what --print-env prints, and one with the token of an agent', async () => {
    await addSecret()
    await using cli = await startProxy(home, options('--print-env'))
    const printed = await cli.waitForText('out', /export OPENAI_API_KEY='.*'\n/u)
    const agent = await runCli(['agents', 'add', 'ci', '--secrets', 'openai'], { home })

    const variables = Object.fromEntries(
      Array.from(printed.matchAll(/^export (?<name>\w+)='(?<value>[^']*)'$/gmu), ({ groups }) => [
        groups?.['name'] ?? '',
        groups?.['value'] ?? '',
      ]),
    )
    for (const key of [variables['OPENAI_API_KEY'], agent.out.trim()]) {
      const env = { ...variables, OPENAI_API_KEY: key }
      await using program = startProgram([process.execPath, oneCall], { env, cwd: projectFolder })
      const { out } = await program.ended
      expect(JSON.parse(out)).toMatchObject({ status: 200, answer: 'hi', key })
    }

    expect(Object.keys(variables)).toEqual(['OPENAI_BASE_URL', 'OPENAI_API_KEY'])
    const ready = join(home, 'ready.json')
    expect(JSON.parse(await readFile(ready, 'utf8'))).toMatchObject({
      routes: [
        {
          name: 'openai',
          url: variables['OPENAI_BASE_URL'],
          upstream: `https://${host}/v1`,
          token: variables['OPENAI_API_KEY'],
        },
      ],
    })
    expect(statSync(ready).mode & 0o077).toBe(0)
    expect(sentKeys()).toEqual([`Bearer ${canary}`, `Bearer ${canary}`])
    expect(cli.text('err')).not.toContain('porthole_route_')
  })

  test('an own key is refused with --own-keys refuse, and nothing of it is told', async () => {
    await addSecret()
    await using cli = await startProxy(home, options('--own-keys=refuse', '--json'))
    const { port } = cli.ready
    const agent = await runCli(['agents', 'add', 'none'], { home })

    const answer = await exchangeRaw(
      port,
      `GET /openai/models HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n` +
        `Proxy-Authorization: Bearer ${agent.out.trim()}\r\nAuthorization: Bearer sk-${canary}-mine-7\r\n\r\n`,
      (text) => text.includes('own-key-refused'),
    )
    await cli.waitForText('out', 'own-key-refused')

    expect(answer).toMatch(/^HTTP\/1\.1 403 /u)
    expect(answer + cli.text('out') + cli.text('err')).not.toContain(canary)
    expect(upstream.requests).toHaveLength(0)
  })
})

describe('where other machines could reach it, a proxy without agents', () => {
  test('makes a token for itself, and lets in nobody without it', async () => {
    await using cli = await startProxy(home, options('--listen=0.0.0.0:0', '--capture=none'))
    const { url, port } = cli.ready
    const { username, password } = new URL(url)
    const ask = async (address: string, token?: string): Promise<string> => {
      const pair = Buffer.from(`x:${token ?? ''}`).toString('base64')
      const field = token === undefined ? '' : `Proxy-Authorization: Basic ${pair}\r\n`
      const request = `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n`
      const isWhole = (text: string): boolean => text.includes('\r\n\r\n')
      return (await exchangeRaw(port, request, isWhole, address)).slice(9, 12)
    }
    const own = Object.values(networkInterfaces())
      .flat()
      .find((known) => known?.family === 'IPv4' && !known.internal)?.address

    expect(username).toBe('porthole-session')
    expect(password).toMatch(/^[\w-]{43}$/u)
    expect(await cli.waitForText('err', 'HTTPS_PROXY=')).toContain(`HTTPS_PROXY=${url}\n`)
    for (const address of own === undefined ? ['127.0.0.1'] : ['127.0.0.1', own]) {
      expect(await ask(address)).toBe('407')
      expect(await ask(address, 'x'.repeat(43))).toBe('407')
      expect(await ask(address, password)).toBe('200')
    }
  })

  test('does not start with --auth off', async () => {
    const refused = await runCli(['start', '--listen', '0.0.0.0:0', '--auth', 'off'], { home })

    expect(refused.exitCode).toBe(2)
    expect(refused.err).toMatch(/^porthole: --auth off is for loopback.+; listen on 127.+\n$/u)
  })
})

test('--auth off on loopback asks for no token, though there is a secret', async () => {
  await addSecret()
  await using cli = await startProxy(home, options('--auth=off', '--capture=none'))
  const { port } = cli.ready

  const request = `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const answer = await exchangeRaw(port, request, (text) => text.includes('\r\n\r\n'))

  expect(answer.slice(9, 12)).toBe('200')
  expect(await cli.waitForText('err', 'warning: --auth off')).not.toContain(canary)
})
