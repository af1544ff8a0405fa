/** `porthole doctor` as a user in need of it: what is wrong is named, with what to do about it. */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { runCli } from '../support/cli.ts'
import type { CliOptions } from '../support/cli.ts'
import { readRecorded } from '../support/recorded-exchanges.ts'
import { startRecordedHosts } from '../support/recorded-hosts.ts'
import { recordedIdHeader } from '../support/recorded-provider.ts'
import { createUpstreamRoot } from '../support/upstream.ts'

interface Check {
  readonly check: string
  readonly level: string
  readonly what: string
  readonly fix: string
}

interface Diagnosis {
  readonly checks: readonly Check[]
  readonly exitCode: number | null
  readonly err: string
  readonly of: (name: string) => Check[]
}

let folder = ''
let home = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-doctor-test-'))
  home = join(folder, 'home')
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function doctor(args: readonly string[] = [], options: CliOptions = {}): Promise<Diagnosis> {
  const { out, err, exitCode } = await runCli(['doctor', '--json', ...args], { home, ...options })
  const checks = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Check)
  return { checks, exitCode, err, of: (name) => checks.filter(({ check }) => check === name) }
}

test('on a sound machine all is well, one line each, and nothing is left behind', async () => {
  const { out, err, exitCode } = await runCli(['doctor'], { home })

  expect(exitCode, out).toBe(0)
  expect(err).toBe('')
  for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^ok {4}\S/u)
  expect(out).toContain('connected, decrypted, understood, recorded')
  await expect(readdir(home)).rejects.toThrow('ENOENT')
})

test('what leads programs past the proxy is named, without its secrets', async () => {
  await mkdir(join(home, '.claude'), { recursive: true })
  await mkdir(join(home, '.codex'))
  const claude = { env: { ANTHROPIC_BASE_URL: 'https://user:hunter2@gateway.test/hunter2' } }
  await writeFile(join(home, '.claude', 'settings.json'), JSON.stringify(claude))
  await writeFile(join(home, '.codex', 'config.toml'), 'base_url = "http://localhost:9/v1"\n')

  const { of, checks, exitCode } = await doctor([], {
    env: {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NO_PROXY: '*',
      HTTPS_PROXY: 'http://user:hunter2@corp.example:3128',
      NODE_EXTRA_CA_CERTS: join(folder, 'gone.pem'),
    },
  })

  expect(exitCode).toBe(1)
  expect(of('environment').map(({ level }) => level)).toEqual(['fail', 'warn', 'warn', 'warn'])
  expect(of('environment').at(-1)?.what).toMatch(
    /^NODE_EXTRA_CA_CERTS: there is no file .*gone\.pem$/u,
  )
  expect(of('settings').map(({ what }) => what)).toEqual([
    expect.stringContaining('settings.json leads to gateway.test'),
    expect.stringContaining('config.toml leads to localhost:9'),
  ])
  expect(of('call')).toMatchObject([{ level: 'ok' }])
  expect(JSON.stringify(checks)).not.toContain('hunter2')
})

describe('the certificate authority', () => {
  test('that is kept is looked at: whom it vouches for, and who may read its key', async () => {
    await runCli(['ca', 'rotate'], { home })

    const sound = await doctor()
    const narrow = await doctor(['--allow', 'llm.example'])
    await chmod(join(home, 'ca', 'ca.key.pem'), 0o644)
    const open = await doctor()

    expect(sound.of('authority')).toMatchObject([{ level: 'ok' }])
    expect(sound.of('trust')).toMatchObject([
      { level: 'ok', fix: expect.stringContaining('ca install') },
    ])
    expect(narrow.of('authority')).toMatchObject([
      { level: 'warn', fix: 'porthole ca rotate --permit llm.example' },
    ])
    expect(open.exitCode).toBe(1)
    expect(open.of('authority').at(-1)).toMatchObject({
      level: 'fail',
      what: expect.stringContaining('can be read by others'),
    })
  })
})

test('a place where nothing can be recorded is named', async () => {
  await writeFile(join(folder, 'file'), '')

  const { of, exitCode } = await doctor(['--capture', join(folder, 'file', 'calls.jsonl')])

  expect(exitCode).toBe(1)
  expect(of('captures')).toMatchObject([
    { level: 'fail', fix: expect.stringContaining('--capture FILE|DIR') },
  ])
})

describe('a program is run, and told how far it came', () => {
  const host = 'api.openai.com'
  const exchange = readRecorded('chat-usage-stream')
  const call =
    `fetch('https://${host}/v1/chat/completions', { method: 'POST', ` +
    `headers: { '${recordedIdHeader}': '${exchange.id}', 'content-type': 'application/json' }, ` +
    `body: '{"model":"gpt-4o","stream":true,"messages":[]}' })`
  const get = `fetch('https://${host}/v1/nothing')`
  const read = (request: string) => `${request}.then((r) => r.text()).catch(() => {})`

  test.each<[string, string, readonly string[], string]>([
    ['a model call was seen', read(call), ['--allow', host], 'a model call was seen'],
    ['it connects to nothing', '0', [], 'no program has connected'],
    [
      'its host is not on the allowlist',
      read(call),
      ['--allow', 'other.example'],
      `${host} passes unread`,
    ],
    [
      'it does not trust the certificate',
      `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(read(call))}],
         { env: { ...process.env, NODE_EXTRA_CA_CERTS: '' } })`,
      ['--allow', host],
      `TLS handshake of the program for ${host} failed`,
    ],
    ['it calls no model', read(get), ['--allow', host], `the last went to ${host}/v1/nothing`],
  ])('%s', async (_, script, options, expected) => {
    const root = createUpstreamRoot(host)
    await writeFile(join(folder, 'root.pem'), root.certificatePem)
    await using upstream = await startRecordedHosts({ root, exchanges: [exchange] })
    const way = ['--connect-to', `${host}:443=127.0.0.1:${upstream.httpsPort}`, '--allow-private']
    const trust = ['--upstream-ca', join(folder, 'root.pem')]
    const program = ['--', process.execPath, '-e', script]

    const { of, exitCode, checks } = await doctor([...options, ...way, ...trust, ...program])

    const isSeen = expected === 'a model call was seen'
    expect(of('program'), JSON.stringify(checks)).toMatchObject([
      { level: isSeen ? 'ok' : 'fail', what: expect.stringContaining(expected) },
    ])
    expect(of('program')[0]?.fix === '').toBe(isSeen)
    expect(exitCode).toBe(isSeen ? 0 : 1)
  })

  test('keeps its own output out of what is told as JSON', async () => {
    const { checks, err } = await doctor(['--', process.execPath, '-e', 'console.log("hello")'])

    expect(checks.at(-1)?.check).toBe('program')
    expect(err).toContain('hello')
  })

  test('that cannot be started is told in one line', async () => {
    const { exitCode, err } = await doctor(['--', 'no-such-program-anywhere'])

    expect(exitCode).toBe(127)
    expect(err).toMatch(/^porthole: cannot start no-such-program-anywhere: .+\n$/u)
  })
})
