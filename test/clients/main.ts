/**
 * `npm run test:clients`: coding agents and runtimes as they are installed today, each asked one
 * question under the built `porthole run`, against a model on loopback. Each must print its answer,
 * be seen as a model call, and have no key: the upstream gets it, the program and every file do not.
 * Installs some gigabytes; says what it skipped and why. Exit code 1 if any failed.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { missingBuild } from '../bench/built.ts'
import { runCli } from '../support/cli.ts'
import { createUpstreamRoot } from '../support/upstream.ts'
import type { ModelOrigin } from './model-origin.ts'
import { startModelOrigin } from './model-origin.ts'
import type { ClientRow } from './programs.ts'
import { binaryOf, clientRows, fetchScript } from './programs.ts'

const hosts = ['api.anthropic.com', 'api.openai.com', 'generativelanguage.googleapis.com']
const sentence = 'The porthole is open.'
const question = 'Say one sentence.'
const installTimeoutMs = 10 * 60_000
const usage = 'npm run test:clients -- [NAME …] [--into FOLDER, kept for the next time]'

/** What one client is tried in. */
interface Ground {
  /** Clients are installed here. */
  readonly programs: string
  readonly origin: ModelOrigin
  readonly rootPath: string
  readonly keys: ReadonlyMap<string, string>
  readonly folder: string
}

type Outcome =
  | { readonly kind: 'passed'; readonly said: string }
  | { readonly kind: 'failed' | 'skipped'; readonly said: string }

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const at = args.indexOf('--into')
  const into = at === -1 ? undefined : args[at + 1]
  const names = at === -1 ? args : args.toSpliced(at, 2)
  const unknown = names.filter((name) => clientRows.every((row) => row.name !== name))
  const problem = unknown.length > 0 ? `there is no client ${unknown.join(', ')}` : missingBuild()
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n${usage}\n`)
    return 2
  }
  const folder = await mkdtemp(join(tmpdir(), 'porthole-clients-'))
  const root = createUpstreamRoot(...hosts)
  const origin = await startModelOrigin(root, sentence)
  const ground: Ground = {
    programs: into ?? join(folder, 'programs'),
    origin,
    rootPath: join(folder, 'root.pem'),
    keys: new Map(hosts.map((host) => [host, `key-CANARY-${crypto.randomUUID()}`])),
    folder,
  }
  const counts = { passed: 0, failed: 0, skipped: 0 }
  try {
    await writeFile(ground.rootPath, root.certificatePem)
    for (const row of clientRows.filter(({ name }) => names.length === 0 || names.includes(name))) {
      const { kind, said } = await tryClient(row, ground)
      counts[kind] += 1
      process.stdout.write(`${kind.padEnd(8)}${row.name}: ${said}\n`)
    }
  } finally {
    await origin.close()
    await rm(folder, { recursive: true, force: true })
  }
  process.stdout.write(
    `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
  )
  return counts.failed === 0 ? 0 : 1
}

async function tryClient(row: ClientRow, ground: Ground): Promise<Outcome> {
  const version = await install(row, ground.programs)
  if (version === undefined) {
    return { kind: 'skipped', said: `npm could not install ${row.package}` }
  }
  const place = join(ground.folder, row.name)
  const home = join(place, 'home')
  const work = join(place, 'work')
  await mkdir(work, { recursive: true })
  await mkdir(join(place, 'user'), { recursive: true })
  const script = join(work, 'ask.mjs')
  await writeFile(script, fetchScript(question))
  for (const [host, key] of ground.keys) {
    await runCli(['secrets', 'add', host, '--host', host], { home, stdin: key })
  }
  const before = ground.origin.requests.length
  const result = await runCli(
    [
      'run',
      '--upstream-ca',
      ground.rootPath,
      '--allow',
      row.host,
      ...hosts.flatMap((host) => ['--connect-to', `${host}:443=127.0.0.1:${ground.origin.port}`]),
      '--',
      binaryOf(row, ground.programs),
      ...row.args(question, script),
    ],
    { home, cwd: work, env: { ...row.env, HOME: join(place, 'user') } },
  )
  const received = ground.origin.requests.slice(before)
  const captures = await captured(home)
  const problems = [
    ...(result.exitCode === 0 ? [] : [`it ended with ${result.exitCode}: ${lastLine(result.err)}`]),
    ...(result.out.includes(sentence) ? [] : ['it did not print the answer']),
    ...problemsOfKey(row, ground, received),
    ...problemsOfCapture(captures, [...ground.keys.values()], result.out + result.err),
  ]
  if (problems.length > 0) return { kind: 'failed', said: `${version}: ${problems.join('; ')}` }
  const calls = captures.match(/"kind":"model-answered"/gu)?.length ?? 0
  const by = received.some(({ method }) => method === 'UPGRADE') ? 'a WebSocket' : 'HTTP'
  return { kind: 'passed', said: `${version}: ${calls} seen over ${by}, keys where they belong` }
}

/** Its version; undefined where npm has none for this machine, or cannot be reached. */
async function install(row: ClientRow, folder: string): Promise<string | undefined> {
  await mkdir(folder, { recursive: true })
  const { package: name } = row
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, name]
  try {
    // With the user's own settings: where packages come from is npm's business.
    await promisify(execFile)('npm', args, { cwd: folder, timeout: installTimeoutMs })
  } catch {
    return undefined
  }
  const manifest = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { readonly version: string }).version
}

function problemsOfKey(
  { host }: ClientRow,
  { keys }: Ground,
  received: ModelOrigin['requests'],
): string[] {
  const asked = received.filter((request) => request.host === host)
  const isGiven = asked.some((each) => JSON.stringify(each.headers).includes(keys.get(host) ?? ''))
  const isLost = received.some((each) =>
    [...keys].some(([name, key]) => name !== each.host && JSON.stringify(each).includes(key)),
  )
  return [
    ...(isGiven ? [] : [`${host} did not get its key`]),
    ...(isLost ? ['a key went to a host that it is not for'] : []),
  ]
}

function problemsOfCapture(captures: string, keys: readonly string[], output: string): string[] {
  const answered = captures.split('\n').filter((line) => line.includes('"kind":"model-answered"'))
  const isSeen = answered.some((line) => line.includes(sentence))
  const isLeaked = keys.some((key) => captures.includes(key) || output.includes(key))
  return [
    ...(isSeen ? [] : ['its call was not seen']),
    ...(isLeaked ? ['a key stands in the capture or in what was printed'] : []),
  ]
}

async function captured(home: string): Promise<string> {
  const folder = join(home, 'captures')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'))
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('')
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
