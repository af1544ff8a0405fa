/** The search for the secret of a run finds it wherever it was planted: else its silence says nothing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'

import { ControlServer } from '../../src/control/server.ts'
import { searchProcesses } from './canary-processes.ts'
import { createCanarySearch } from './canary-search.ts'
import { watchControlSockets } from './canary-viewer.ts'
import { canary, isAllowed, mintCanary } from './canary.ts'
import { projectFolder, runProgram, startProgram } from './cli.ts'
import { hasScript } from './terminal.ts'
import { hasTmux } from './tmux.ts'

/** Not that of the run: it is planted. */
const planted = mintCanary()
const search = createCanarySearch(planted)

function folderWith(name: string, bytes: Uint8Array | string): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-planted-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'below'))
  writeFileSync(join(folder, 'below', name), bytes)
  return folder
}

const line = (field: string, text: string): string =>
  `${JSON.stringify({ kind: 'response-body', [field]: text })}\n`

test.each<[string, string, Uint8Array | string, string]>([
  ['as it is', 'log.txt', `a ${planted} b`, 'raw'],
  ['in a database', 'index.db', databaseWith(planted), 'raw'],
  ['in lower case', 'index.db-wal', planted.toLowerCase(), 'lower'],
  ['in hexadecimal digits', 'a', Buffer.from(planted).toString('hex'), 'hex'],
  ['in base64', 'a', Buffer.from(`Basic ${planted}`).toString('base64'), 'base64'],
  ['in the base64 of longer text', 'a', Buffer.from(`us:${planted}`).toString('base64'), 'base64'],
  ['in a compressed capture', 'traffic.1.jsonl.gz', gzipSync(line('text', planted)), 'raw'],
  [
    'in a compressed body',
    'traffic.jsonl',
    line('base64', brotliCompressSync(`{"key":"${planted}"}`).toString('base64')),
    'raw',
  ],
])('the secret is found %s', (_how, name, bytes, form) => {
  const folder = folderWith(name, bytes)

  const found = search.inFolder(folder, isAllowed)

  expect(found.map((finding) => finding.form)).toContain(form)
  expect(new Set(found.map(({ place }) => place))).toEqual(new Set([join(folder, 'below', name)]))
  expect(search.inFolder(folder, () => true)).toEqual([])
  expect(createCanarySearch(canary).inFolder(folder, isAllowed)).toEqual([])
})

function databaseWith(text: string): Buffer {
  const database = new Database(':memory:')
  database.exec('create virtual table texts using fts5 (text)')
  database.prepare('insert into texts values (?)').run(`some words and ${text}`)
  const bytes = database.serialize()
  database.close()
  return bytes
}

test.runIf(process.platform === 'linux')(
  'the secret is found in the environment and the arguments of processes',
  async () => {
    const wait = 'console.log("up"); process.stdin.resume()'
    const command = [process.execPath, '-e', wait, 'an-argument-of-its-own']
    const env = { KEPT: planted }
    await using program = startProgram(command, { env, keepsStdin: true })
    await program.waitForText('out', 'up')
    const places = (secret: string, mayKnow: boolean): string[] =>
      searchProcesses(program.pid, mayKnow, createCanarySearch(secret)).map(({ place }) => place)

    expect(places(planted, false)).toEqual([`/proc/${program.pid}/environ`])
    expect(places(planted, true)).toEqual([])
    expect(new Set(places('an-argument-of-its-own', true))).toEqual(
      new Set([`/proc/${program.pid}/cmdline`]),
    )
  },
)

test('the secret is found in what a viewer is sent, also across its pieces', async () => {
  const folder = folderWith('none', '')
  const home = { url: '', startedAt: 0, version: '0.0.0' }
  const info = { ...home, command: `run ${'x'.repeat(64 * 1024)}${planted}` }
  const control = await ControlServer.start({ directory: join(folder, 'run'), pid: 1, info })
  const places = new Set<string>()

  watchControlSockets(folder, (all) => all.forEach(({ place }) => places.add(place)), search)

  await expect.poll(() => [...places], { timeout: 15_000 }).toEqual(['control socket'])
  await control.close()
})

test('a run that leaks its secret fails, and says where', async () => {
  const config = join(projectFolder, 'test', 'fixtures', 'canary', 'vitest.config.ts')
  const vitest = join(projectFolder, 'node_modules', 'vitest', 'vitest.mjs')

  const { exitCode, out, err } = await runProgram([
    process.execPath,
    vitest,
    'run',
    '--config',
    config,
    '--root',
    projectFolder,
  ])

  expect(out).toContain(`${3 + Number(hasScript) + Number(hasTmux)} passed`)
  expect(exitCode).toBe(1)
  const told = out + err
  expect(told).toContain('the secret of this run was found')
  expect(told).toContain('leaked.txt')
  expect(told).toContain('"place":"stdout"')
  expect(told).not.toContain('allowed.txt')
  expect(told.includes('"place":"terminal"')).toBe(hasScript)
  expect(told.includes('"place":"screen"')).toBe(hasTmux)
  expect(told).toContain('"place":"audit"')
})
