/** Search and the keeping of captures, as users run them: on what real runs have recorded. */
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { claudeCodeDay } from '../support/agent-transcripts.ts'
import { runCli, startCli, waitForReady } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { chatSteps, recordSteps } from '../support/recorded-captures.ts'

let home = ''
let captures = ''

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-search-e2e-'))
  captures = join(home, 'captures')
  mkdirSync(captures, { mode: 0o700 })
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

const porthole = async (...args: string[]): Promise<CliResult> => await runCli(args, { home })
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const jsonOf = (text: string): Array<Record<string, unknown>> =>
  linesOf(text).map((line) => JSON.parse(line) as Record<string, unknown>)

async function talk(name: string, asked: string, answered: string): Promise<string> {
  const path = join(captures, `${name}.jsonl`)
  await recordSteps(path, chatSteps([{ asked, answered }]))
  return path
}

/** As if it had been written to that long ago. */
function age(path: string, days: number): void {
  const at = Date.now() / 1000 - days * 86_400
  utimesSync(path, at, at)
}

describe('porthole search', () => {
  test('finds what was said, one line a hit, with the capture that view opens', async () => {
    const path = await talk('a', 'What is the capital of France?', 'Paris, of course')
    await talk('b', 'Something else', 'Nothing')

    const { out, exitCode } = await porthole('search', 'capital', 'paris')

    expect(exitCode).toBe(0)
    expect(linesOf(out)).toHaveLength(1)
    expect(out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}gpt-4o-2024-08-06 {2}\w+/u)
    expect(out.trimEnd().endsWith(`${path}  x1`)).toBe(true)
  })

  test('prints hits as JSON, with tokens and cost', async () => {
    const path = await talk('a', 'hello', 'world')
    const [hit, ...others] = jsonOf((await porthole('search', 'world', '--json')).out)

    expect(others).toEqual([])
    expect(hit).toMatchObject({
      capture: path,
      exchangeId: 'x1',
      model: 'gpt-4o-2024-08-06',
      tokens: 1100,
      costConfidence: 'exact',
      snippet: 'world',
    })
  })

  test('filters, limits, and looks back as far as it is told to', async () => {
    await recordSteps(join(captures, 'day.jsonl'), claudeCodeDay())
    const ids = async (...args: string[]): Promise<unknown[]> =>
      jsonOf((await porthole('search', '--json', ...args)).out).map((hit) => hit['exchangeId'])

    expect(await ids('--filter', '~tool Bash')).toEqual(['main1'])
    expect(await ids('--filter', '~hq claude-cli & ~model haiku')).toEqual(['title'])
    expect(await ids('--limit', '2')).toHaveLength(2)
    expect(await ids('--since', '1d')).toEqual([])
  })

  test.each([
    [['search', '***'], 'no word'],
    [['search', 'x', '--since', 'yesterday'], '--since'],
    [['search', 'x', '--limit', '0'], '--limit'],
    [['search', '--filter', '~nonsense x'], 'nonsense'],
    [['captures', 'prune'], 'nothing says'],
    [['captures', 'prune', '--max-size', 'small'], '--max-size'],
  ])('%j is refused with the reason', async (args, reason) => {
    const { err, exitCode } = await porthole(...args)

    expect(exitCode).toBe(2)
    expect(err).toContain(reason)
  })

  test('takes any text for text, and finds nothing in nothing', async () => {
    for (const text of ['"', 'a" OR prompt:b', 'NEAR(x', "'; drop table calls; --", 'a\\', '-x']) {
      const { exitCode, err } = await porthole('search', '--', `${text} zebra`)
      expect({ text, exitCode, err }).toEqual({
        text,
        exitCode: 0,
        err: 'porthole: nothing found in 0 captures\n',
      })
    }
  })

  test('shows no control characters of what was said', async () => {
    await talk('a', 'needle \u001b]0;owned\u0007 \u202e after', 'ok')

    const { out } = await porthole('search', 'needle')

    expect(out).toContain(String.raw`\x1b]0;owned\x07 \u202e after`)
    expect(/[\u0000-\u0009\u000b-\u001f\u202e]/u.test(out)).toBe(false)
  })

  test('makes a damaged index anew, refuses one of a later version, and rebuilds on demand', async () => {
    await talk('a', 'hello', 'world')
    const index = join(captures, 'index.db')
    await porthole('search', 'world')
    writeFileSync(index, 'not a database, and rather long for a header of one'.repeat(100))
    await rm(`${index}-wal`, { force: true })

    const damaged = await porthole('search', 'world', '--json')
    expect(jsonOf(damaged.out)).toHaveLength(1)
    expect(linesOf(damaged.err)).toEqual([expect.stringContaining('is damaged: moved to')])

    const rebuilt = await porthole('search', 'world', '--rebuild', '--json')
    expect(jsonOf(rebuilt.out)).toHaveLength(1)
    expect(readdirSync(captures).filter((name) => name.startsWith('index'))).toEqual(['index.db'])
    if (process.platform !== 'win32') expect(statSync(index).mode & 0o777).toBe(0o600)
  })
})

describe('porthole captures', () => {
  test('lists them with what is in them', async () => {
    const path = await talk('a', 'hello', 'world')
    await porthole('captures', 'pin', 'a')

    const { out, err, exitCode } = await porthole('captures', 'list')
    const [capture] = jsonOf((await porthole('captures', 'list', '--json')).out)

    expect(exitCode).toBe(0)
    expect(out).toMatch(
      /^a .* 1 call {2}1,100 tokens {2}\$0\.00\d+ {2}gpt-4o-2024-08-06 {2}\[pinned\]\n$/u,
    )
    expect(err).toContain('1 capture,')
    expect(capture).toMatchObject({
      name: 'a',
      path,
      files: 1,
      bytes: statSync(path).size,
      pinned: true,
      running: false,
      calls: 1,
      tokens: 1100,
      models: ['gpt-4o-2024-08-06'],
    })
  })

  test('prunes old ones, never a pinned one; what was said in them is not found any more', async () => {
    const [old, pinned] = [await talk('old', 'apple', 'x'), await talk('pinned', 'banana', 'x')]
    await talk('new', 'cherry', 'x')
    age(old, 40)
    age(pinned, 40)
    await porthole('search', 'apple')
    await porthole('captures', 'pin', 'pinned.jsonl')

    const dry = await porthole('captures', 'prune', '--older-than', '30d', '--dry-run')
    expect(dry.out).toMatch(/^old {2}/u)
    expect(existsSync(old)).toBe(true)

    const { out, err } = await porthole('captures', 'prune', '--older-than', '30d')
    expect(out).toMatch(/^old {2}[\d.]+ k?B\n$/u)
    expect(err).toContain('removed 1 capture')
    expect([existsSync(old), existsSync(pinned)]).toEqual([false, true])
    expect(jsonOf((await porthole('search', 'apple', '--json')).out)).toEqual([])
    expect(jsonOf((await porthole('search', 'x', '--json')).out)).toHaveLength(2)

    await porthole('captures', 'unpin', 'pinned')
    await porthole('captures', 'prune', '--older-than', '30d')
    expect(existsSync(pinned)).toBe(false)
  })

  test('names nothing outside of the folder', async () => {
    writeFileSync(join(home, 'outside.jsonl'), '')
    for (const name of [
      '../outside',
      '../outside.jsonl',
      join(home, 'outside.jsonl'),
      '/etc/passwd',
    ]) {
      const { err, exitCode } = await porthole('captures', 'pin', name)
      expect(exitCode).toBe(1)
      expect(err).toContain('there is no capture')
    }
    expect(readdirSync(home)).toEqual(['captures', 'outside.jsonl'])
  })
})

describe('a proxy', () => {
  test('indexes its capture when it ends, which never changes its exit code', async () => {
    const { exitCode } = await porthole('run', '--', process.execPath, '-e', 'process.exit(7)')

    expect(exitCode).toBe(7)
    expect(existsSync(join(captures, 'index.db'))).toBe(true)
  })

  test('with an index that cannot be used says so once and goes on', async () => {
    mkdirSync(join(captures, 'index.db'))
    const { exitCode, err, out } = await porthole(
      'run',
      '--',
      process.execPath,
      '-e',
      'console.log(1)',
    )

    expect([exitCode, out]).toEqual([0, '1\n'])
    expect(err.split('index.db').length).toBe(2)
  })

  test('that runs keeps its capture, whatever is pruned', async () => {
    const ready = join(home, 'ready.json')
    await using cli = startCli(['start', '--listen', '127.0.0.1:0', '--ready-file', ready], {
      home,
    })
    await waitForReady(cli, ready)
    const [name = ''] = readdirSync(captures)
    age(join(captures, name), 100)

    const [listed] = jsonOf((await porthole('captures', 'list', '--json')).out)
    await porthole('captures', 'prune', '--older-than', '1d')

    expect(listed).toMatchObject({ running: true })
    expect(existsSync(join(captures, name))).toBe(true)
    cli.kill('SIGTERM')
    expect((await cli.ended).exitCode).toBe(0)
  })

  test('removes at its start what --keep-captures and --keep-size do not keep', async () => {
    const old = await talk('old', 'apple', 'x')
    const young = await talk('young', 'banana', 'x')
    age(old, 40)
    age(young, 2)
    const command = [process.execPath, '-e', '']

    const { err } = await porthole('run', '--keep-captures', '30d', '--', ...command)
    expect(err).toContain('removed 1 old capture')
    expect([existsSync(old), existsSync(young)]).toEqual([false, true])

    await porthole('run', '--keep-size', '1', '--', ...command)
    expect(existsSync(young)).toBe(false)
  })
})
