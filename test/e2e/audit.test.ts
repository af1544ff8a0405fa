/** The audit as users have it: the built command line, a run, a standing proxy, and what they leave. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { auditRowSchema } from '../../src/audit/audit-row.ts'
import type { AuditRow } from '../../src/audit/audit-row.ts'
import { canary } from '../support/canary.ts'
import { projectFolder, runCli, startCli, startProxy } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { oneCall, openAiHost, openOpenAiBench } from '../support/openai-bench.ts'
import type { OpenAiBench } from '../support/openai-bench.ts'
import { exchangeRaw } from '../support/proxied-client.ts'

const host = openAiHost
/** Of the program, which may know it. */
const ownKey = 'sk-OWN-of-the-program-0123'

let bench: OpenAiBench
let home = ''

beforeEach(async () => {
  bench = await openOpenAiBench({ asksForKey: false })
  ;({ home } = bench)
})
afterEach(() => bench[Symbol.asyncDispose]())

function porthole(args: readonly string[], stdin = '', env = {}): Promise<CliResult> {
  return runCli(args, { home, stdin, env })
}

async function rows(...args: string[]): Promise<AuditRow[]> {
  const { out, exitCode } = await porthole(['audit', '--json', ...args])
  expect(exitCode).toBe(0)
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => auditRowSchema.parse(JSON.parse(line)))
}

function runSdk(options: readonly string[] = []): Promise<CliResult> {
  const args = ['run', ...bench.toUpstream, ...options, '--', process.execPath, oneCall]
  return runCli(args, { home, cwd: projectFolder, env: { OPENAI_API_KEY: ownKey } })
}

const audit = (): Sqlite.Database => new Sqlite(join(home, 'audit.db'))

describe('what commands and a run did', () => {
  test('is there, in order, with who and how, and without a secret', async () => {
    await porthole(['secrets', 'add', 'openai', '--host', host], canary)
    const { out: token } = await porthole(['agents', 'add', 'ci', '--secrets', 'openai'])
    await porthole(['agents', 'grant', 'ci', 'nosuch'])
    const { exitCode } = await runSdk(['--agent', 'ci'])
    await porthole(['agents', 'revoke', 'ci'])

    expect(exitCode).toBe(0)
    const [added, made, granted, call, revoked, ...rest] = await rows()
    expect(rest).toEqual([])
    expect([added, made, granted, revoked]).toMatchObject([
      { kind: 'act', action: 'secrets add', target: 'openai', details: { hosts: [host] } },
      { kind: 'act', action: 'agents add', target: 'ci', details: { secrets: ['openai'] } },
      { kind: 'act', action: 'agents grant', outcome: { error: 'ERR_SECRET_UNKNOWN' } },
      { kind: 'act', action: 'agents revoke', target: 'ci', outcome: {} },
    ])
    expect(call).toMatchObject({
      kind: 'decision',
      agent: 'ci',
      subject: 'request',
      host,
      method: 'POST',
      path: '/v1/chat/completions',
      decision: 'allow',
      outcome: { status: 200, models: ['gpt-4o-mini'], inputTokens: 1, secrets: ['openai'] },
    })
    for (const name of readdirSync(home)) {
      const path = join(home, name)
      if (!statSync(path).isFile()) continue
      expect(readFileSync(path, 'latin1')).not.toContain(canary)
      expect(readFileSync(path, 'latin1')).not.toContain(ownKey)
      expect(readFileSync(path, 'latin1')).not.toContain(token.trim())
    }
  })

  test('names who changed rules and tokens, and what', async () => {
    await porthole(['secrets', 'add', 'openai', '--host', host, '--token-only'], canary)
    const minted = await porthole(['tokens', 'mint', 'openai', '--json'])
    const { id, token } = JSON.parse(minted.out) as { readonly id: string; readonly token: string }
    await porthole(['tokens', 'revoke', id])
    await porthole(['rules', 'add', 'block', '--model', 'gpt-4*', '--name', 'no-4'])
    await porthole(['rules', 'add', 'rate', '--host', host, '--limit', '2/1m'])
    await porthole(['rules', 'mode', 'no-4', 'observe'])
    await porthole(['rules', 'remove', 'no-4'])
    await porthole(['rules', 'remove', 'no-4'])

    const [, ...acts] = await rows()
    expect(acts).toMatchObject([
      { action: 'tokens mint', target: 'openai' },
      { action: 'tokens revoke', target: id },
      { action: 'rules add', target: 'no-4', details: { rule: 'block model gpt-4*' } },
      { action: 'rules add', target: `rate ${host} (2 requests in 1m, each agent)` },
      { action: 'rules mode', target: 'no-4', details: { mode: 'observe' } },
      { action: 'rules remove', target: 'no-4', outcome: {} },
      { action: 'rules remove', target: 'no-4', outcome: { error: 'ERR_RULE_UNKNOWN' } },
    ])
    expect(JSON.stringify(acts)).not.toContain(token)
  })

  test('is shown to people in lines, and what is asked for alone', async () => {
    await porthole(['agents', 'add', 'ci'])
    await runSdk(['--audit', 'on'])

    const { out } = await porthole(['audit'])
    const denied = await porthole(['audit', '--denied', '--host', host, '--since', '2h'])

    expect(out).toMatch(/^\S+ \S+Z +\S.* act +agents add ci +done\n/u)
    expect(out).toMatch(
      /porthole +allow +POST api\.openai\.com\/v1\/chat\/completions +allowlisted/u,
    )
    expect(out).toContain('200 · ')
    expect(denied).toMatchObject({ out: '', exitCode: 0, err: 'porthole: no such entries\n' })
    expect(await rows('--agent', 'porthole', '--limit', '1')).toHaveLength(1)
  })

  test('holds, can be compared with a head kept elsewhere, and breaks when tampered with', async () => {
    await porthole(['agents', 'add', 'ci'])
    const { out: head } = await porthole(['audit', '--head'])
    await porthole(['agents', 'revoke', 'ci'])

    const kept = await porthole(['audit', '--verify', '--expect', head.trim()])
    expect(kept).toMatchObject({ exitCode: 0 })
    expect(kept.out).toMatch(/^the audit holds: 4 entries\n4:[\da-f]{64}\n$/u)

    const raw = audit()
    raw.exec(`update entries set body = replace(body, 'revoke', 'rotate') where number = 3`)
    raw.close()
    expect(await porthole(['audit', '--verify'])).toMatchObject({
      exitCode: 1,
      out: '',
      err: expect.stringMatching(/does not hold: entry 3: it was changed/u),
    })
  })

  test('can be pruned, which is an act itself', async () => {
    await porthole(['agents', 'add', 'ci'])
    const raw = audit()
    expect(raw.prepare('select count(*) from entries').pluck().get()).toBe(2)
    raw.close()

    const { err } = await porthole(['audit', 'prune', '--older-than', '1ms'])

    expect(err).toBe('porthole: removed 2 entries\n')
    expect(await rows()).toMatchObject([{ number: 3, action: 'audit prune' }])
    expect(await porthole(['audit', '--verify'])).toMatchObject({ exitCode: 0 })
  })
})

describe('an audit', () => {
  test('begins with the first agent or secret, not before, and not where it is off', async () => {
    await runSdk()
    await porthole(['agents', 'add', 'ci'], '', { PORTHOLE_AUDIT: 'off' })
    expect(readdirSync(home)).not.toContain('audit.db')
    expect(await porthole(['audit'])).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('there is no audit'),
    })

    await runSdk()
    expect(await rows()).toMatchObject([{ kind: 'decision', outcome: { status: 200 } }])
    expect(statSync(join(home, 'audit.db')).mode & 0o777).toBe(0o600)
  })

  test('of a standing proxy is followed while it runs', async () => {
    await using proxy = await startProxy(home, ['--audit=on'])
    const { port } = proxy.ready
    await using follower = startCli(['audit', '--follow', '--json'], { home })
    // Whatever it has printed by now, it follows from where it began.
    let told = ''
    await expect
      .poll(
        async () => {
          await exchangeRaw(port, 'CONNECT nowhere HTTP/1.1\r\nHost: nowhere\r\n\r\n', () => false)
          told = follower.text('out')
          return told
        },
        { timeout: 60_000, interval: 300 },
      )
      .toContain('bad-authority')

    const [line = ''] = told.split('\n')
    expect(auditRowSchema.parse(JSON.parse(line))).toMatchObject({
      kind: 'decision',
      decision: 'deny',
      status: 400,
    })
    follower.kill('SIGINT')
    expect(await follower.ended).toMatchObject({ exitCode: 0 })
  })

  test('that is demanded and cannot be written stops the start, or else is told', async () => {
    await writeFile(join(home, 'audit.db'), 'no database', { mode: 0o600 })

    expect(await runSdk(['--audit', 'require'])).toMatchObject({
      exitCode: 69,
      err: expect.stringContaining('the audit audit.db cannot be used'),
    })
    const result = await runSdk(['--audit', 'on'])
    expect(result).toMatchObject({ exitCode: 0 })
    expect(result.err).toContain('the audit cannot be written')
    expect(await porthole(['agents', 'add', 'ci'])).toMatchObject({ exitCode: 69, out: '' })
  })
})
