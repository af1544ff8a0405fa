/**
 * The client programs of the end-to-end tests, each run three times against one upstream: directly,
 * intercepted, and through a blind tunnel. What the client saw and what the upstream received come
 * back in a form in which the three can be compared.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { HeaderPairs } from '../../src/messages/schema.ts'
import type { CliResult } from './cli.ts'
import { projectFolder, runCli, runProgram } from './cli.ts'
import type { RecordedHosts } from './recorded-hosts.ts'
import { endToEnd } from './recorded-hosts.ts'
import type { ReceivedRequest } from './recorded-provider.ts'

/** What a client saw of one answer; hop-by-hop fields are left out. */
export interface SeenAnswer {
  readonly name: string
  /** As text: curl's has every status line, interim ones too. */
  readonly status: string
  readonly headers: HeaderPairs
  readonly body: BodyDigest
}

interface ClientView {
  readonly answers: readonly SeenAnswer[]
  /** What an SDK made of the answers. */
  readonly results?: unknown
  /** Common names of the issuers of the certificates that it was shown. */
  readonly issuers: readonly string[]
  /** HTTPS_PROXY as the client found it. */
  readonly proxyUrl: string
}

/** Bodies are compared whole, yet shown short where they differ. */
export interface BodyDigest {
  readonly bytes: number
  readonly sha256: string
}

export interface ReceivedView {
  readonly method: string
  readonly url: string
  readonly headers: HeaderPairs
  readonly body: BodyDigest
}

export interface ClientProgram {
  readonly name: string
  /** Why it cannot run here. */
  readonly missing: string | undefined
  command(out: string): readonly string[]
  read(out: string): Promise<ClientView>
}

export const modes = ['direct', 'intercepted', 'tunnelled'] as const
export type Mode = (typeof modes)[number]

export interface ModeRun extends ClientView {
  readonly result: CliResult
  readonly received: readonly ReceivedView[]
  /** Of the capture; empty for the direct run. */
  readonly capture: string
}

interface RunPlace {
  /** For the outputs of this run alone. */
  readonly folder: string
  readonly upstream: RecordedHosts
  readonly hosts: readonly string[]
  /** PEM of the upstream's root. */
  readonly rootPath: string
  /** Stands for every secret: keys, a key in a query. */
  readonly canary: string
}

/** Runs the client once, in a way; throws with its stderr where it failed. */
export async function runClient(
  client: ClientProgram,
  mode: Mode,
  place: RunPlace,
): Promise<ModeRun> {
  const { folder, upstream, hosts, rootPath, canary } = place
  await mkdir(folder, { recursive: true })
  const port = upstream.httpsPort
  const out = join(folder, 'seen')
  const before = upstream.requests.length
  const trust = Object.fromEntries(trustVariables.map((name) => [name, rootPath]))
  const command = client.command(out)
  const capture = join(folder, 'traffic.jsonl')
  await writeFile(join(folder, 'upload.bin'), uploadBytes)
  await writeFile(
    join(folder, 'curlrc'),
    mode === 'direct'
      ? hosts.map((host) => `connect-to = "${host}:443:127.0.0.1:${port}"\n`).join('')
      : '',
  )
  const result = await (mode === 'direct'
    ? runProgram(command, {
        env: { ...trust, CANARY: canary, DIRECT_PORT: String(port) },
        cwd: folder,
      })
    : runCli(
        [
          'run',
          '--json',
          `--capture=${capture}`,
          ...hosts.flatMap((host) => ['--connect-to', `${host}:443=127.0.0.1:${port}`]),
          ...(mode === 'intercepted'
            ? ['--allow', hosts.join(), '--upstream-ca', rootPath]
            : ['--allow', 'nothing.example']),
          '--',
          ...command,
        ],
        { env: { ...(mode === 'tunnelled' ? trust : {}), CANARY: canary }, cwd: folder },
      ))
  if (result.exitCode !== 0) throw new Error(`${client.name}, ${mode}: ${result.err}`)
  return {
    ...(await client.read(out)),
    result,
    received: upstream.requests.slice(before).map(viewOf),
    capture: mode === 'direct' ? '' : await readFile(capture, 'utf8'),
  }
}

/** What a user with a private root would have set: one variable for each client. */
const trustVariables = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
]

const fixtures = join(projectFolder, 'test', 'fixtures', 'e2e')

/** 5 MB in which no part is like another. */
export const uploadBytes = noise(5_000_000)

/** The same bytes in every run, and none that compress. */
export function noise(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
    createHash('sha256').update(String(index)).digest(),
  )
  return Buffer.concat(blocks).subarray(0, length)
}

export function clientPrograms(): ClientProgram[] {
  const python = pythonPath()
  return [
    {
      name: 'the official SDKs for Node',
      missing: undefined,
      command: (out) => [
        process.execPath,
        `--import=${join(fixtures, 'observe.mjs')}`,
        join(fixtures, 'sdk-calls.mjs'),
        out,
      ],
      read: readJsonView,
    },
    {
      name: 'curl',
      missing: succeeds('curl', '--suppress-connect-headers', '--json', '{}', '--version')
        ? undefined
        : 'there is no curl of 7.82 or later',
      // The script looks for what it needs in its folder, and leaves its results there.
      command: () => ['sh', join(fixtures, 'curl-calls.sh'), '.'],
      read: readCurlView,
    },
    ...(['urllib', 'requests'] as const).map((client) => ({
      name: `Python ${client}`,
      missing:
        python === undefined
          ? 'python3 is not installed'
          : succeeds(python, '-c', `import ${client}`)
            ? undefined
            : `Python has no ${client}`,
      command: (out: string) => [python ?? '', join(fixtures, 'python-calls.py'), client, out],
      read: readJsonView,
    })),
  ]
}

/** The interpreter itself: a version manager's shim costs a shell, and needs its own environment. */
function pythonPath(): string | undefined {
  const found = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'])
  return found.status === 0 ? found.stdout.toString().trim() : undefined
}

function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

interface JsonView {
  readonly answers: ReadonlyArray<{
    readonly name: string
    readonly status: number
    readonly headers: HeaderPairs
    readonly body: string
  }>
  readonly results?: unknown
  readonly issuers: readonly string[]
  readonly proxyUrl: string | null
}

async function readJsonView(out: string): Promise<ClientView> {
  const { answers, results, issuers, proxyUrl } = JSON.parse(
    await readFile(out, 'utf8'),
  ) as JsonView
  return {
    answers: answers.map(({ name, status, headers, body }) => ({
      name,
      status: String(status),
      headers: endToEnd(headers),
      body: digest(Buffer.from(body, 'base64')),
    })),
    results,
    issuers,
    proxyUrl: proxyUrl ?? '',
  }
}

/** In the order of the script. */
export const curlCalls = [
  'get',
  'get-http1',
  'head',
  'openai-chat',
  'openai-chat-stream',
  'download',
  'upload',
  'upload-continue',
  'upload-chunked',
  'empty',
] as const

async function readCurlView(out: string): Promise<ClientView> {
  const folder = join(out, '..')
  const answers: SeenAnswer[] = []
  const issuers = new Set<string>()
  for (const name of curlCalls) {
    const log = await readFile(join(folder, `${name}.log`), 'utf8')
    const exit = await readFile(join(folder, `${name}.exit`), 'utf8')
    if (exit.trim() !== '0') throw new Error(`curl failed for ${name}:\n${log}`)
    for (const [, issuer = ''] of log.matchAll(/^\*\s+issuer: .*CN=(.*)$/gmu)) issuers.add(issuer)
    const head = (await readFile(join(folder, `${name}.head`), 'latin1')).split('\r\n')
    const isStatus = (line: string): boolean => line.startsWith('HTTP/')
    // Without a body curl makes no file; for HEAD it writes the head there, hop-by-hop fields and all.
    const body =
      name === 'head'
        ? Buffer.alloc(0)
        : await readFile(join(folder, `${name}.body`)).catch(() => Buffer.alloc(0))
    answers.push({
      name,
      status: head.filter(isStatus).join('\n'),
      headers: endToEnd(
        head
          .filter((line) => line !== '' && !isStatus(line))
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
      ),
      body: digest(body),
    })
  }
  const proxyUrl = await readFile(join(folder, 'proxy-url'), 'utf8')
  return { answers, issuers: [...issuers], proxyUrl }
}

function viewOf({ method, url, rawHeaders, body }: ReceivedRequest): ReceivedView {
  // A multipart boundary is drawn anew for every request.
  const type = rawHeaders.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? ''
  const boundary = /^multipart\/form-data; boundary=(?<boundary>\S+)$/u.exec(type)?.groups?.[
    'boundary'
  ]
  const fixed = (text: string): string =>
    boundary === undefined ? text : text.replaceAll(boundary, '-'.repeat(boundary.length))
  return {
    method,
    url,
    headers: endToEnd(rawHeaders).map(([name, value]) => [name, fixed(value)]),
    body: digest(Buffer.from(fixed(body.toString('latin1')), 'latin1')),
  }
}

function digest(bytes: Buffer): BodyDigest {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
