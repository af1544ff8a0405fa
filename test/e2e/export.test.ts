/** `export` and `replay --filter` of the built command line, over a capture of recorded exchanges. */
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { har } from 'har-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { encodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { runCli, runProgram } from '../support/cli.ts'
import { messagesOf } from '../support/live-lines.ts'
import { specOf } from '../support/recorded-exchanges.ts'
import { analyzedMessages, recordedFixtures } from '../support/records.ts'

const fixtures = recordedFixtures()
const rebuilt = new Set(['http-parsed', 'sse-event'])
const messages = analyzedMessages(
  fixtures.map((fixture) => {
    const spec = specOf(fixture)
    const headers = [
      ...(spec.request.headers ?? []),
      ['Authorization', 'Bearer [REDACTED]'] as const,
    ]
    return { ...spec, request: { ...spec.request, headers } }
  }),
).filter(({ kind }) => !rebuilt.has(kind))

let folder = ''
let capture = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-export-'))
  capture = join(folder, 'traffic.jsonl')
  const header = encodeLine({ kind: 'capture-opened', v: 1, porthole: '0', startedAt: 5 })
  await writeFile(capture, header + messages.map(encodeLine).join(''))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('export', () => {
  test('writes a valid archive to a file of its user alone', async () => {
    const out = join(folder, 'traffic.har')
    const { exitCode, err, stdout } = await runCli([
      'export',
      capture,
      '--format',
      'har',
      '--out',
      out,
    ])
    const archive = JSON.parse(await readFile(out, 'utf8')) as { log: { entries: unknown[] } }

    expect([exitCode, err, stdout.length]).toEqual([0, '', 0])
    await expect(har(archive)).resolves.toBeTruthy()
    expect(archive.log.entries).toHaveLength(fixtures.length)
    expect((await stat(out)).mode & 0o777).toBe(0o600)
  })

  test('writes what a filter chooses, as a capture that is replayed', async () => {
    const out = join(folder, 'chosen.jsonl')
    const args = ['--format', 'jsonl', '--filter', '~provider anthropic & !~e', '--out', out]
    const exported = await runCli(['export', capture, ...args])
    const replayed = await runCli(['replay', out, '--json'])
    const filtered = await runCli(['replay', capture, '--json', '--filter', args[3] ?? ''])

    expect([exported.exitCode, exported.err]).toEqual([0, ''])
    expect(replayed.exitCode).toBe(0)
    expect(replayed.out).toBe(filtered.out)
    const answers = messagesOf(replayed.out.trimEnd().split('\n')).filter(
      (msg): msg is AnalysisMsg & { kind: 'model-answered' } => msg.kind === 'model-answered',
    )
    expect(answers.length).toBeGreaterThan(1)
    expect(new Set(answers.map(({ provider }) => provider))).toEqual(new Set(['anthropic']))
  })

  test('writes commands that a shell reads, and conversations', async () => {
    const commands = await runCli(['export', capture, '--format', 'curl', '--filter', '~d openai'])
    const checked = await runProgram(['sh', '-n'], { stdin: commands.out })
    const calls = await runCli(['export', capture, '--format', 'markdown', '--filter', '~tool .'])

    expect([checked.exitCode, checked.err]).toEqual([0, ''])
    expect(commands.out).toContain('"$OPENAI_API_KEY"')
    expect(calls.out).toMatch(/^## 1 · [\s\S]*^\*\*calls\*\* `/mu)
  })

  test('puts in the secrets that are configured now, and only those', async () => {
    const home = join(folder, 'home')
    await mkdir(home)
    const credentials = [
      { host: 'api.openai.com', header: 'Authorization', env: 'MY_KEY', format: 'Bearer {}' },
    ]
    await writeFile(join(home, 'porthole.json'), JSON.stringify({ credentials }))
    const args = ['export', capture, '--format', 'curl', '--with-secrets', '--home', home]
    const env = { MY_KEY: 'sk-mine', ANTHROPIC_AUTH_TOKEN: 'sk-other' }
    const { exitCode, out } = await runCli(args, { env })
    const without = await runCli(['export', capture, '--format', 'curl', '--home', home], { env })

    expect(exitCode).toBe(0)
    expect(out).toContain("'Authorization: Bearer sk-mine'")
    expect(out).toMatch(/'Authorization: Bearer '(?:sk-other|'sk-other')/u)
    expect(out).not.toContain('"$OPENAI_API_KEY"')
    expect(without.out).not.toMatch(/sk-mine|sk-other/u)
  })

  test('shows a mistake in a filter in its place', async () => {
    for (const command of [
      ['export', capture, '--format', 'har'],
      ['replay', capture],
    ]) {
      const { exitCode, err, out } = await runCli([...command, '--filter', '~s & ~cots > 1'])

      expect(exitCode).toBe(2)
      expect(out).toBe('')
      expect(err.split('\n')).toEqual([
        '~s & ~cots > 1',
        '     ^ no ~cots; did you mean ~cost?',
        expect.stringMatching(/^porthole: the filter cannot be read: no ~cots; did you mean/u),
        '',
      ])
    }
  })

  test.each([
    [['export', 'none.jsonl'], 2, /--format/u],
    [['export', 'none.jsonl', '--format', 'xml'], 2, /har, jsonl, curl, markdown/u],
    [['export', 'none.jsonl', '--format', 'har'], 1, /cannot read the capture .*no such file/u],
    [['export', 'none.jsonl', '--format', 'jsonl', '--filter', '~q'], 1, /no such file/u],
    [['export', 'none.jsonl', '--format', 'har', '--with-secrets'], 2, /is for --format curl/u],
  ])('of %j is refused', async (args, code, message) => {
    const { exitCode, err } = await runCli(args, { cwd: folder })

    expect(exitCode).toBe(code)
    expect(err).toMatch(message)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
  })

  test('never writes over the capture that it reads, nor leaves half a file', async () => {
    const before = await readFile(capture)
    const link = join(folder, 'link.jsonl')
    await symlink(capture, link)
    const same = await runCli(['export', capture, '--format', 'jsonl', '--out', link])
    const nowhere = join(folder, 'none', 'a.har')
    const lost = await runCli(['export', capture, '--format', 'har', '--out', nowhere])
    const unread = await runCli(['export', folder, '--format', 'har', '--out', `${folder}/b.har`])

    expect([same.exitCode, lost.exitCode, unread.exitCode]).toEqual([2, 1, 1])
    expect(lost.err).toMatch(/^porthole: cannot write .*a\.har/u)
    expect((await readFile(capture)).equals(before)).toBe(true)
    await expect(stat(join(folder, 'b.har.partial'))).rejects.toThrow('ENOENT')
    await expect(stat(join(folder, 'b.har'))).rejects.toThrow('ENOENT')
  })

  test('says when nothing matches, and tells damaged lines', async () => {
    const damaged = join(folder, 'damaged.jsonl')
    await writeFile(damaged, `{"broken\n${messages.map(encodeLine).join('')}`)
    const none = await runCli(['export', capture, '--format', 'curl', '--filter', '~d nowhere'])
    const some = await runCli(['export', damaged, '--format', 'curl'])

    expect([none.exitCode, none.out, none.err]).toEqual([
      0,
      '',
      'porthole: nothing matches: the export is empty\n',
    ])
    expect(some.exitCode).toBe(1)
    expect(some.err).toMatch(/^porthole: line 1: not JSON\nporthole: damaged lines/u)
    expect(some.out).toContain('curl ')
  })

  test('explains itself, the language of filters too', async () => {
    const { exitCode, out } = await runCli(['export', '--help'])

    expect(exitCode).toBe(0)
    expect(out).toMatch(/~cost > NUMBER +the cost in dollars/u)
    expect(out).toMatch(/har +HTTP Archive 1\.2/u)
  })
})

describe('replay --filter', () => {
  test('plays the lines of what matches', async () => {
    const all = await runCli(['replay', capture])
    const some = await runCli(['replay', capture, '--filter', '~provider anthropic'])
    const anew = await runCli(['replay', capture, '--filter', '~provider anthropic', '--analyze'])

    expect(some.exitCode).toBe(0)
    expect(some.out).toBe(
      all.out
        .split('\n')
        .filter((line) => line === '' || / anthropic /u.test(line))
        .join('\n'),
    )
    expect(some.out.length).toBeGreaterThan(0)
    expect(anew.out).toBe(some.out)
  })

  test.skipIf(process.platform === 'win32')('refuses what can be read only once', async () => {
    const { exitCode, err } = await runCli(['replay', '/dev/stdin', '--filter', '~q'], {
      stdin: 'x',
    })

    expect(exitCode).toBe(2)
    expect(err).toContain('--filter reads the capture twice')
  })
})
