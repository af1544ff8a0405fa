/**
 * What is published, as a stranger meets it: packed, installed into an empty folder, and used there
 * without anything of this checkout.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { cleanEnvironment, projectFolder } from '../support/cli.ts'

const execute = promisify(execFile)

interface PackedFile {
  readonly path: string
  readonly mode: number
}

interface Packed {
  readonly filename: string
  /** Of the tarball, in bytes. */
  readonly size: number
  readonly files: readonly PackedFile[]
}

/** What is there to be read, by people and on the page of the package. */
const documents = [
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'README.md',
  'SECURITY.md',
  'analyzers/README.md',
  'docs/list.svg',
  'src/query/README.md',
]

let folder = ''
let packed: Packed = { filename: '', size: 0, files: [] }
/** Why it could not be installed: the network's fault, not ours. */
let offline: string | undefined

const maxBuffer = 64 * 1024 * 1024
/** How long npm may take to install, in milliseconds: all that it waits for is its registry. */
const installMs = 150_000

/** The user's own npm settings hold, but `node` is the one that runs the tests. */
async function npm(args: readonly string[], cwd: string, timeout = 0): Promise<string> {
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  const env = { ...process.env, PATH: path }
  return (await execute('npm', args, { cwd, env, maxBuffer, timeout })).stdout
}

/** Nothing of the shell that the tests were started from. */
async function run(
  command: string,
  args: readonly string[],
): Promise<{ stdout: string; stderr: string }> {
  const env = cleanEnvironment(join(folder, 'home'), { npm_config_update_notifier: 'false' })
  return await execute(command, args, { cwd: folder, env, maxBuffer })
}

/** Why npm could not have what it asked the network for; undefined where that was not it. */
function networkProblem(error: unknown): string | undefined {
  if ((error as { killed?: boolean }).killed === true) return 'no answer in time'
  const codes =
    /\b(?:ENOTFOUND|EAI_AGAIN|ECONN\w+|E\w*TIMEDOUT|E\w*TIMEOUT|E(?:NET|HOST)UNREACH|E403|E429|E50\d)\b/u
  return codes.exec(String(error))?.[0]
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-package-'))
  // Packing runs no build: the one under test lies there already.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [first] = JSON.parse(await npm(pack, projectFolder)) as Packed[]
  if (first === undefined) throw new Error('npm packed nothing')
  packed = first
  await writeFile(join(folder, 'package.json'), '{"name":"stranger","type":"module"}')
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']
  try {
    await npm(['install', ...quiet, join(folder, packed.filename)], folder, installMs)
  } catch (error) {
    const reason = networkProblem(error)
    if (reason === undefined) throw error
    offline = `npm cannot reach its registry (${reason})`
  }
  // Node's types are all that is there beside the package: its declarations ask for no others.
  const types = join('node_modules', '@types')
  await mkdir(join(folder, types), { recursive: true })
  await symlink(join(projectFolder, types, 'node'), join(folder, types, 'node'), 'junction')
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the tarball', () => {
  test('holds the build and the documents, and nothing from development', () => {
    const paths = packed.files.map(({ path }) => path)

    expect(paths.filter((path) => !path.startsWith('dist/')).toSorted()).toEqual(
      [...documents, 'LICENSE', 'package.json'].toSorted(),
    )
    expect(
      paths.filter((path) => /(?:^|\/)test\/|\.test\./iu.test(path) && !isRecording(path)),
    ).toEqual([])
    expect(paths.filter((path) => /\.(?:map|tsx|pem|key|p12|env|npmrc)$/u.test(path))).toEqual([])
    expect(paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))).toEqual([])
    expect(paths.filter(isRecording).length).toBeGreaterThan(5)
    expect(packed.size).toBeLessThan(2_000_000)
  })

  test('holds what its documents link to', async () => {
    const paths = new Set(packed.files.map(({ path }) => path))
    for (const document of documents) {
      const text = await readFile(join(projectFolder, document), 'utf8')
      const links = Array.from(text.matchAll(/\]\((?<to>[^)#:\s]+)(?:#[^)]*)?\)/gu), ({ groups }) =>
        join(dirname(document), groups?.['to'] ?? ''),
      )

      expect(links.filter((path) => !paths.has(path))).toEqual([])
    }
  })

  test('holds no key, and names no place of its making', async () => {
    for (const { path } of packed.files) {
      const text = await readFile(join(projectFolder, path), 'latin1')

      expect(text, path).not.toMatch(/-----BEGIN (?:\w+ )*PRIVATE KEY-----\s/u)
      expect(text.includes(projectFolder), path).toBe(false)
    }
  })

  test('can be started: its entry is executable', () => {
    const main = packed.files.find(({ path }) => path === 'dist/src/main.js')

    expect((main?.mode ?? 0) & 0o111).toBe(0o111)
  })

  test('has a package.json that publint finds nothing wrong with', async () => {
    const bytes = await readFile(join(folder, packed.filename))
    const tarball = new Uint8Array(bytes).buffer

    const { messages } = await publint({ pack: { tarball }, strict: true })

    expect(messages).toEqual([])
  })
})

function isRecording(path: string): boolean {
  return /^dist\/test\/fixtures\/provider\/[\w-]+\.(?:json|md)$/iu.test(path)
}

describe('installed in an empty folder', () => {
  test('npx porthole --version says the version', async ({ skip }) => {
    skip(offline !== undefined, offline)
    const { version } = JSON.parse(
      await readFile(join(projectFolder, 'package.json'), 'utf8'),
    ) as Readonly<Record<string, string>>

    const { stdout } = await run('npx', ['--no-install', 'porthole', '--version'])

    expect(stdout).toBe(`${version}\n`)
  })

  test('npx porthole demo works, with fetch in place of the SDKs', async ({ skip }) => {
    skip(offline !== undefined, offline)

    const { stdout, stderr } = await run('npx', ['--no-install', 'porthole', 'demo'])

    expect(stdout).toContain('Asking two providers, with fetch.')
    expect(stdout.match(/^\d\d:\d\d:\d\d (?:openai|anthropic) /gmu)).toHaveLength(5)
    expect(stderr).toContain('porthole: 5 model calls, 1 failed')
  })

  test('a program can import the builder, the analyzers, the conformance and the schema', async ({
    skip,
  }) => {
    skip(offline !== undefined, offline)
    const program = `
      import { PortholeBuilder, analysisMsgSchema } from 'porthole'
      import { defaultAnalyzers } from 'porthole/analyzers'
      import { checkAnalyzer } from 'porthole/conformance'
      import schema from 'porthole/message.schema.json' with { type: 'json' }
      const builder = new PortholeBuilder().listen('127.0.0.1:0')
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      const running = await builder.build().start()
      await running.close()
      const broken = checkAnalyzer(() => ({ name: 'deaf', onMessage() {} }), { rounds: 2 })
      const kinds = analysisMsgSchema.options.length
      console.log(JSON.stringify({ url: running.url, schema, kinds, broken }))
    `
    await writeFile(join(folder, 'program.mjs'), program)

    const { stdout } = await run(process.execPath, ['program.mjs'])

    const told = JSON.parse(stdout) as { url: string; schema: object; kinds: number; broken: [] }
    expect(told.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u)
    expect(JSON.stringify(told.schema)).toContain('"model-answered"')
    expect(told.kinds).toBeGreaterThan(20)
    expect(told.broken).toEqual([])
  })

  // Types of all libraries are checked too, which takes seconds on an idle machine.
  test.for([
    ['nodenext', 'nodenext'],
    ['preserve', 'bundler'],
  ] as const)(
    'its types hold for a strict program, %s modules',
    { timeout: 180_000 },
    async (kind, { skip }) => {
      skip(offline !== undefined, offline)
      const [module, resolution] = kind
      const program = `
      import type { AnalysisMsg, Analyzer } from 'porthole'
      import { PortholeBuilder } from 'porthole'
      import { HttpParser } from 'porthole/analyzers'
      import { checkAnalyzer } from 'porthole/conformance'
      const answers: Array<number | undefined> = []
      const counter: Analyzer = {
        name: 'counter',
        onMessage(msg: AnalysisMsg) {
          if (msg.kind === 'model-answered') answers.push(msg.usage?.totalTokens)
        },
      }
      const builder = new PortholeBuilder().addAnalyzer(new HttpParser()).addAnalyzer(counter)
      export const port: Promise<number> = builder.build().start().then((running) => running.port)
      export const broken: readonly string[] = checkAnalyzer(() => counter).map(({ rule }) => rule)
      // @ts-expect-error a host is text
      builder.allowHosts(7)
    `
      await writeFile(join(folder, 'program.ts'), program)
      const tsc = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc')
      const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--types', 'node']
      const modern = ['--module', module, '--moduleResolution', resolution, '--target', 'es2024']

      const checked = run(process.execPath, [tsc, ...strict, ...modern, 'program.ts'])

      await expect(checked).resolves.toMatchObject({ stdout: '' })
    },
  )
})
