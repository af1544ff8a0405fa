/**
 * The built command line as a user starts it: a process of its own with a fresh home and a clean
 * environment. Whatever a test does, everything that was started is stopped again, by its own
 * process group. `PORTHOLE_TEST_DIST` names another build than `dist`.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, watch } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'

import { searchProcesses } from './canary-processes.ts'
import { createCanarySearch } from './canary-search.ts'
import type { Finding } from './canary-search.ts'
import { watchControlSockets } from './canary-viewer.ts'
import { canary, reportFindings } from './canary.ts'

export const projectFolder = resolve(import.meta.dirname, '..', '..')
const distFolder = resolve(process.env['PORTHOLE_TEST_DIST'] ?? join(projectFolder, 'dist'))
/** The entry of the build under test. */
export const mainPath = join(distFolder, 'src', 'main.js')

export interface CliOptions {
  /** PORTHOLE_HOME; a temporary folder, removed at the end, unless given. */
  readonly home?: string
  /** Set over the clean environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Written to its standard input, which is then closed. */
  readonly stdin?: string | Uint8Array
  /** Leaves its standard input open, for the test to write to. */
  readonly keepsStdin?: boolean
  readonly cwd?: string
}

export interface CliResult {
  /** Null where a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  /** `stdout` as text. */
  readonly out: string
  readonly err: string
}

export interface Cli extends AsyncDisposable {
  readonly pid: number
  readonly home: string
  readonly stdin: Writable
  /** To be destroyed by a test that stops reading. */
  readonly stdout: Readable
  /** Resolves when it has ended and all it wrote was read. */
  readonly ended: Promise<CliResult>
  /** What it wrote so far. */
  text(stream: 'out' | 'err'): string
  /** Resolves once `pattern` stands in what it wrote; rejects when it ends without. */
  waitForText(stream: 'out' | 'err', pattern: string | RegExp): Promise<string>
  kill(signal: NodeJS.Signals): void
}

/** What `--ready-file` holds. */
export interface ReadyFile {
  readonly url: string
  readonly port: number
  readonly caCert: string
  readonly bundle: string
  readonly pid: number
}

const temporary = join(tmpdir(), 'porthole-e2e-')

/** `porthole ARGS…`, from the build under test. */
export function startCli(args: readonly string[], options: CliOptions = {}): Cli {
  if (!existsSync(mainPath)) throw new Error(`${mainPath} is not there: run npm run build first`)
  return startProgram([process.execPath, mainPath, ...args], options)
}

/** Starts any program in a process group of its own: no terminal and no leftover child interferes. */
export function startProgram(command: readonly string[], options: CliOptions = {}): Cli {
  const [file = '', ...args] = command
  const ownHome = options.home === undefined ? mkdtempSync(temporary) : undefined
  const home = options.home ?? ownHome ?? ''
  const child = spawn(file, args, {
    env: cleanEnvironment(home, options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  child.stdin.on('error', () => {
    // It ended without reading everything: its exit code is what the test looks at.
  })
  if (options.keepsStdin !== true) child.stdin.end(options.stdin ?? '')
  const out = collect(child, 'stdout')
  const err = collect(child, 'stderr')
  const examine = (): void => {
    const mayKnow = Object.values(options.env ?? {}).some((value) => value?.includes(canary))
    report(command, searchProcesses(child.pid ?? 0, mayKnow))
  }
  child.stdout.once('data', examine)
  const stopAtExit = (): void => killGroup(child, 'SIGKILL')
  process.once('exit', stopAtExit)
  const closed = Promise.withResolvers<CliResult>()
  child.once('error', closed.reject)
  child.once('close', (exitCode, signal) => {
    process.off('exit', stopAtExit)
    const stdout = out.bytes()
    report(command, [...inOutput('stdout', stdout), ...inOutput('stderr', err.bytes())])
    closed.resolve({ exitCode, signal, stdout, out: stdout.toString(), err: String(err.bytes()) })
  })
  const streams = { out, err }
  return {
    pid: child.pid ?? 0,
    home,
    stdin: child.stdin,
    stdout: child.stdout,
    ended: closed.promise,
    text: (stream) => String(streams[stream].bytes()),
    waitForText: async (stream, pattern) => {
      const ended = closed.promise.then(() => 'ended' as const)
      for (;;) {
        const text = String(streams[stream].bytes())
        if (typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text)) return text
        if ((await Promise.race([streams[stream].more(), ended])) !== 'ended') continue
        const last = String(streams[stream].bytes())
        if (last !== text) continue
        const both = Buffer.concat([out.bytes(), err.bytes()]).toString()
        throw new Error(`it ended without ${String(pattern)}:\n${both}`)
      }
    },
    kill: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) examine()
      // The group may outlive the process: a child of `run` that it could no longer stop.
      killGroup(child, 'SIGKILL')
      await closed.promise.catch(() => undefined)
      if (ownHome !== undefined) await rm(ownHome, { recursive: true, force: true })
    },
  }
}

/** A standing proxy that listens. */
export interface StartedProxy extends Cli {
  readonly ready: ReadyFile
}

/** `porthole start ARGS…` with its data in `home`, on a free port, once it listens. */
export async function startProxy(home: string, args: readonly string[]): Promise<StartedProxy> {
  const path = join(home, 'ready.json')
  const standing = ['start', '--listen=127.0.0.1:0', `--ready-file=${path}`]
  const cli = startCli([...standing, ...args], { home })
  try {
    return { ...cli, ready: await waitForReady(cli, path) }
  } catch (error) {
    await cli[Symbol.asyncDispose]()
    throw error
  }
}

/** Runs `porthole ARGS…` to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  await using cli = startCli(args, options)
  return await cli.ended
}

/** Runs any program to its end. */
export async function runProgram(
  command: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  await using program = startProgram(command, options)
  return await program.ended
}

/** Waits for a file that appears whole (`--ready-file`), and reads it as JSON. */
export async function waitForReady(
  cli: Cli,
  path: string,
  /** Without a viewer that looks for the secret of the run in what it is told. */
  options: { readonly hasViewer?: boolean } = {},
): Promise<ReadyFile> {
  const { promise, resolve: appeared } = Promise.withResolvers<void>()
  const watcher = watch(dirname(path), (_event, name) => {
    if (name === null || name === basename(path)) look()
  })
  const look = (): void => {
    if (existsSync(path)) appeared()
  }
  look()
  try {
    const ended = cli.ended.then(({ err }) => {
      throw new Error(`it ended before it was ready:\n${err}`)
    })
    await Promise.race([promise, ended])
  } finally {
    watcher.close()
  }
  if (options.hasViewer !== false) {
    watchControlSockets(cli.home, (findings) => report([`viewer of ${cli.home}`], findings))
  }
  return JSON.parse(await readFile(path, 'utf8')) as ReadyFile
}

/**
 * Only what any program needs: no proxy, trust or Porthole variables of the developer's shell reach
 * the tests. `node` is the one that runs the tests.
 */
export function cleanEnvironment(
  home: string,
  more: Readonly<Record<string, string | undefined>> = {},
): NodeJS.ProcessEnv {
  const kept = ['TMPDIR', 'TEMP', 'TMP', 'LANG', 'SystemRoot', 'COMSPEC', 'PATHEXT']
  const inherited = kept.map((name) => [name, process.env[name]] as const)
  const own = {
    PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    HOME: home,
    PORTHOLE_HOME: home,
    ...more,
  }
  const entries = [...inherited, ...Object.entries(own)].filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries)
}

const search = createCanarySearch(canary)

function inOutput(place: string, bytes: Buffer): Finding[] {
  return search.formsIn(bytes).map((form) => ({ place, form }))
}

function report(command: readonly string[], findings: readonly Finding[]): void {
  reportFindings(findings, command.slice(0, 4).join(' '))
}

function collect(
  child: ChildProcess,
  name: 'stdout' | 'stderr',
): { bytes(): Buffer; more(): Promise<void> } {
  const chunks: Buffer[] = []
  let waiting = Promise.withResolvers<void>()
  child[name]?.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    waiting.resolve()
    waiting = Promise.withResolvers<void>()
  })
  return { bytes: () => Buffer.concat(chunks), more: () => waiting.promise }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}
