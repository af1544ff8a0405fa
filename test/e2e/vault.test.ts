/**
 * Secrets and agents as users have them: the built command line, the real SDK of OpenAI, and one
 * canary that must turn up at the upstream and nowhere else.
 */
import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { canary } from '../support/canary.ts'
import { projectFolder, runCli, startProxy } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { linesOf, messagesOf, only } from '../support/live-lines.ts'
import { oneCall, openAiHost, openOpenAiBench, textsBelow } from '../support/openai-bench.ts'
import type { OpenAiBench } from '../support/openai-bench.ts'
import { createProxiedClient, exchangeRaw } from '../support/proxied-client.ts'
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

function porthole(args: readonly string[], stdin = '', env = {}): Promise<CliResult> {
  return runCli(args, { home, stdin, env })
}

/** What the SDK saw, under `porthole run` with these options. */
async function runSdk(
  options: readonly string[] = [],
  env = {},
): Promise<{ result: CliResult; seen: Record<string, unknown> }> {
  const args = ['run', ...bench.toUpstream, ...options, '--', process.execPath, oneCall]
  const result = await runCli(args, { home, env, cwd: projectFolder })
  return { result, seen: JSON.parse(result.out) as Record<string, unknown> }
}

describe('the SDK of OpenAI under run', () => {
  test('works with a key that neither it nor any file, argument or output has', async () => {
    const added = await porthole(['secrets', 'add', 'openai', '--host', host], `${canary}\n`)
    expect(added).toMatchObject({ exitCode: 0, out: '' })

    const env = { OPENAI_API_KEY: 'sk-the-users-own-key', THE_KEY: 'x' }
    const { result, seen } = await runSdk([], env)

    expect(seen).toMatchObject({ key: 'porthole-placeholder', answer: 'hi', status: 200 })
    expect(upstream.requests.map(({ message }) => message.headers.authorization)).toEqual([
      `Bearer ${canary}`,
    ])
    expect(result.err).toContain('OPENAI_API_KEY is kept from the program')
    const told = [added.err, result.out, result.err, ...textsBelow(home)]
    expect(told.length).toBeGreaterThan(5)
    expect(told.filter((text) => text.includes(canary))).toEqual([])
    expect(result.out).not.toContain('sk-the-users-own-key')
    expect(textsBelow(join(home, 'captures')).join('')).toContain('credential-injected')
  })

  test('gets what its agent was granted, and no more', async () => {
    await porthole(['secrets', 'add', 'openai', '--host', host], canary)
    await porthole(['agents', 'add', 'ci'])

    const none = await runSdk(['--agent', 'ci'], { OPENAI_API_KEY: 'mine' })
    expect(none.seen).toMatchObject({ key: 'mine', status: 401 })
    await porthole(['agents', 'grant', 'ci', 'openai'])
    const granted = await runSdk(['--agent', 'ci'])
    expect(granted.seen).toMatchObject({ key: 'porthole-placeholder', status: 200 })
    const unknown = await porthole(['run', '--agent', 'cj', '--', 'true'])
    expect(unknown.exitCode).toBe(1)
    expect(unknown.err).toContain('there is no agent named cj')
  })

  test('finds neither the key of the vault nor a variable that a secret refers to', async () => {
    const key = Buffer.alloc(32, 'k3y-0f-th3-v4ult').toString('hex')
    const env = { SECRET_ENCRYPTION_KEY: key, MY_OWN_KEY: canary }
    const add = ['secrets', 'add', 'openai', '--host', host, '--from', 'env://MY_OWN_KEY']
    expect((await porthole(add, '', env)).exitCode).toBe(0)

    const { seen } = await runSdk([], env)

    expect(seen).toMatchObject({ status: 200, env: { MY_OWN_KEY: 'porthole-placeholder' } })
    expect(JSON.stringify(seen)).not.toContain(canary)
    expect(JSON.stringify(seen)).not.toContain(key)
    const wrong = await porthole(['run', '--', 'true'], '', {
      ...env,
      SECRET_ENCRYPTION_KEY: key.replace(/^../u, '00'),
    })
    expect(wrong.exitCode).toBe(69)
    expect(wrong.err).toMatch(/^porthole: the vault cannot be opened: SECRET_ENCRYPTION_KEY .+\n$/u)
  })
})

test('S13 a run tells of an older vault, and of one that is gone, and goes on', async () => {
  await porthole(['rules', 'add', 'block', '--model', 'gpt-4*'])
  const kept = readFileSync(join(home, 'porthole.db'))
  await porthole(['agents', 'add', 'ci'])
  await writeFile(join(home, 'porthole.db'), kept)

  const older = await porthole(['run', '--capture=none', '--', 'true'])
  expect(older.exitCode).toBe(0)
  expect(older.err).toContain('without 1 later change: an older porthole.db was put back')
  await rm(join(home, 'porthole.db'))
  const gone = await porthole(['run', '--capture=none', '--', 'true'])
  expect(gone.exitCode).toBe(0)
  expect(gone.err).toContain('is not there: its secrets, agents and rules hold no more')
})

describe('the commands', () => {
  test('of secrets keep, show, replace and forget', async () => {
    await porthole(['secrets', 'add', 'one', '--host', `${host},files.openai.com`], canary)
    const bot = ['--host', 'api.telegram.org', '--url-path', '/bot{}/']
    expect((await porthole(['secrets', 'add', 'bot', ...bot], '123456:abcdef')).exitCode).toBe(0)

    const list = await porthole(['secrets', 'list', '--json'])
    expect(JSON.parse(list.out)).toMatchObject([
      { name: 'bot', hint: '…cdef', location: { type: 'url-path', pattern: '/bot{}/' } },
      { name: 'one', hosts: [host, 'files.openai.com'], hint: `…${canary.slice(-4)}`, version: 1 },
    ])
    await porthole(['secrets', 'rotate', 'one'], 'sk-a-newer-one-4567')
    expect((await porthole(['secrets', 'rotate-key'])).err).toContain('2 secrets sealed anew')
    const shown = await porthole(['secrets', 'show', 'one'])
    expect(shown.out).toMatch(/hint +…4567\n/u)
    expect(shown.out).toMatch(/version +2\n/u)
    await porthole(['secrets', 'remove', 'one'])
    expect((await porthole(['secrets', 'list'])).out).not.toContain('one')
  })

  test('of secrets keep one for a single agent beside that of all others', async () => {
    const add = (name: string, ...more: string[]): Promise<{ readonly err: string }> =>
      porthole(['secrets', 'add', name, '--host', host, ...more], canary)
    await add('shared')
    expect((await add('own', '--agent', 'ci')).err).toContain('there is no agent named ci')
    await porthole(['agents', 'add', 'ci'])
    await add('own', '--agent', 'ci')

    const { out } = await porthole(['secrets', 'list'])
    expect(out).toMatch(/^own +\S+ +\* +authorization +ci +/mu)
    expect(out).toMatch(/^shared +\S+ +\* +authorization +\* +/mu)
    const granted = await porthole(['agents', 'grant', 'ci', 'own'])
    expect(granted.err).toContain('the secret own is for one agent alone')
  })

  test.each([
    [['--host', 'api.example.com'], 'where the key of api.example.com goes is not known'],
    [['--host', '*'], 'not a host pattern'],
    [['--host', host, '--header', 'Host: {}'], 'Host is not for credentials'],
    [['--host', host, '--header', 'X-Key: none'], 'needs one {} for the value'],
    [['--host', host, '--query', 'k', '--basic', 'me'], 'a secret goes to one place'],
    [['--host', host, '--path', '/v1/../x'], 'the path must begin with /'],
    [['--host', host, '--basic', 'a:b'], 'no colon'],
    [['--host', host, '--from', 'http://x'], 'a reference begins with'],
    [[], "required option '--host"],
  ])('refuse %j, in one line that says what to do', async (flags, problem) => {
    const { exitCode, err } = await porthole(['secrets', 'add', 'x', ...flags], canary)

    expect(exitCode).toBe(2)
    expect(err).toContain(problem)
    expect(err).toMatch(/^porthole: .+; .+\n$/u)
    expect(err).not.toContain(canary)
  })

  test('refuse a value among the arguments, and one that is a reference', async () => {
    const argument = await porthole(['secrets', 'add', 'x', 'pasted-0123456', '--host', host])
    const reference = await porthole(['secrets', 'add', 'x', '--host', host], 'env://THE_KEY')

    expect(argument.exitCode).toBe(2)
    expect(argument.err).not.toContain('pasted-0123456')
    expect(reference.err).toContain('give references with --from')
  })

  test('of agents show a token once, alone on stdout', async () => {
    await porthole(['secrets', 'add', 'openai', '--host', host], canary)
    const added = await porthole(['agents', 'add', 'ci', '--secrets', 'openai', '--expires', '30d'])
    expect(added.out).toMatch(/^porthole_agent_[\w-]{51}\n$/u)

    const listed = await porthole(['agents', 'list', '--json'])
    expect(JSON.parse(listed.out)).toMatchObject([{ name: 'ci', hosts: '*', secrets: ['openai'] }])
    expect(listed.out + textsBelow(home).join('')).not.toContain(added.out.trim().slice(15))
  })

  test('of agents replace a token, take a secret away, and put an agent out', async () => {
    const added = await porthole(['agents', 'add', 'ci', '--secrets', 'all', '--expires', '12h'])
    const rotated = await porthole(['agents', 'rotate', 'ci'])
    expect(rotated.out).not.toBe(added.out)
    await porthole(['agents', 'deny', 'ci', 'all'])
    expect((await porthole(['agents', 'list'])).out).toMatch(/^ci +\* +- +the proxy's +\d/mu)
    await porthole(['agents', 'revoke', 'ci'])
    expect((await porthole(['agents', 'list'])).out).toBe('')
  })

  test.each([
    [['revoke', 'nobody'], 1],
    [['add', 'porthole'], 2],
    [['add', 'all'], 2],
    [['add', 'x', '--expires', 'soon'], 2],
  ])('of agents refuse %j', async (args, exitCode) => {
    const refused = await porthole(['agents', ...args])

    expect(refused.exitCode).toBe(exitCode)
    expect(refused.err).toMatch(/^porthole: .+; .+\n$/u)
  })
})

test('S9 a value that a program itself sends is in no capture, on no stdout, and told once', async () => {
  await porthole(['secrets', 'add', 'openai', '--host', host], canary)
  const { out: token } = await porthole(['agents', 'add', 'ci', '--secrets', 'openai'])
  await using cli = await startProxy(home, ['--json', ...bench.toUpstream])
  const { url, caCert } = cli.ready
  const proxyUrl = url.replace('//', `//ci:${token.trim()}@`)
  using client = createProxiedClient(proxyUrl, readFileSync(caCert, 'utf8'))
  for (const path of ['/v1/chat/completions', `/v1/${canary}`]) {
    const content = `the key is ${canary}, as you know. `.repeat(100)
    const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] })
    const headers = [['Content-Type', 'application/json']] as const
    await client.request({ url: `https://${host}${path}`, method: 'POST', headers, body })
  }
  await cli.waitForText('out', /"kind":"exchange-completed"[^]*"kind":"exchange-completed"/u)
  cli.kill('SIGTERM')
  const { out, err } = await cli.ended

  expect(upstream.requests.at(-1)?.body.toString()).toContain(canary)
  const texts = [out, err, ...textsBelow(home)]
  expect(texts.length).toBeGreaterThan(5)
  expect(texts.filter((text) => text.includes(canary))).toEqual([])
  const withheld = only('secret-withheld', messagesOf(linesOf(out)))
  const places = withheld.map(({ secretId, where }) => `${secretId} ${where}`)
  expect(places).toEqual(expect.arrayContaining(['openai request-body', 'openai request-started']))
  expect(err.match(/the value of the secret openai stood in a request-body/gu)).toHaveLength(1)
  expect(err).toContain('values of 1 secret of the vault stood in messages')
})

test('S9 a capture whose name holds a value is refused', async () => {
  await porthole(['secrets', 'add', 'openai', '--host', host], canary)
  const capture = join(home, `${canary}.jsonl`)
  const name = canary.slice(0, 10)

  const refused = await porthole(['start', '--listen=127.0.0.1:0', `--capture=${capture}`])

  expect(refused.exitCode).toBe(2)
  expect(refused.err).toContain('the name of the capture holds the value of the secret openai')
  expect(refused.err).not.toContain(name)
})

test('a standing proxy takes up agents that are made while it runs, and lets nobody else in', async () => {
  await using cli = await startProxy(home, ['--capture=none', ...bench.toUpstream])
  const { port } = cli.ready
  const connect = async (token?: string): Promise<string> => {
    const pair = Buffer.from(`ci:${token ?? ''}`).toString('base64')
    const field = token === undefined ? '' : `Proxy-Authorization: Basic ${pair}\r\n`
    const request = `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n`
    const answer = await exchangeRaw(port, request, (text) => text.includes('\r\n\r\n'))
    return answer.slice(9, 12)
  }

  expect(await connect()).toBe('200')
  const { out } = await porthole(['agents', 'add', 'ci'])
  expect(await connect(out.trim())).toBe('200')
  expect(await connect()).toBe('407')
  await porthole(['agents', 'revoke', 'ci'])
  await porthole(['secrets', 'add', 'openai', '--host', host], canary)
  expect(await connect(out.trim())).toBe('407')
})
