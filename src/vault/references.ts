/**
 * Secrets that lie elsewhere, found at the time of use: `env://NAME`, `file:///abs/path`,
 * `cmd://COMMAND` (run by the shell), `op://VAULT/ITEM/FIELD` (1Password's `op read`). What was
 * found is kept for half a minute; requests that come while it is looked for wait for the same
 * answer. Failures are not kept, and name neither value nor output.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { platform } from 'node:os'

import { describeError, errorCodeOf } from '../base/errors.ts'
import { keyVariables } from './key-sources.ts'

/** In ms. Just under the deadline of inline work, so that the client hears what was the matter. */
const commandTimeoutMs = 9500
const mostBytes = 64 * 1024
const keptMs = 30_000

export interface ReferenceOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Monotonic, in ms. */
  readonly monotonicMs: () => number
  readonly timeoutMs?: number
}

/** The variable of an `env://` reference; undefined for any other. */
export function variableOf(reference: string): string | undefined {
  return /^env:\/\/(?<name>[A-Za-z_]\w*)$/u.exec(reference)?.groups?.['name']
}

export function looksLikeReference(text: string): boolean {
  return /^(?:env|file|cmd|op):\/\//u.test(text)
}

/** Why a reference cannot be used, in one line; undefined where it can be tried. */
export function problemOfReference(text: string): string | undefined {
  if (/[\r\n\0]/u.test(text) || text.length > 4096) return 'the reference is no single short line'
  if (text.startsWith('env://')) {
    return variableOf(text) === undefined ? 'write env://NAME, with a variable’s name' : undefined
  }
  if (text.startsWith('file://')) {
    return /^file:\/\/(?:\/|[A-Za-z]:[\\/])./u.test(text)
      ? undefined
      : 'write file:///path, from the root'
  }
  if (text.startsWith('cmd://')) return text.trim() === 'cmd://' ? 'write cmd://COMMAND' : undefined
  if (text.startsWith('op://')) {
    return /^op:\/\/[^/]+\/[^/]+\/.+$/u.test(text) ? undefined : 'write op://VAULT/ITEM/FIELD'
  }
  return 'a reference begins with env://, file://, cmd:// or op://'
}

export class References {
  readonly #options: ReferenceOptions
  readonly #found = new Map<string, { readonly value: string; readonly untilMs: number }>()
  readonly #pending = new Map<string, Promise<string>>()

  constructor(options: ReferenceOptions) {
    this.#options = options
  }

  /** Rejects with an `Error` whose message may be shown. */
  resolve(reference: string): string | Promise<string> {
    const known = this.#found.get(reference)
    if (known !== undefined && known.untilMs > this.#options.monotonicMs()) return known.value
    const pending = this.#pending.get(reference)
    if (pending !== undefined) return pending
    const finding = this.#find(reference).finally(() => this.#pending.delete(reference))
    this.#pending.set(reference, finding)
    return finding
  }

  async #find(reference: string): Promise<string> {
    const value = (await this.#read(reference)).replace(/\r?\n$/u, '')
    this.#found.set(reference, { value, untilMs: this.#options.monotonicMs() + keptMs })
    return value
  }

  async #read(reference: string): Promise<string> {
    const rest = reference.slice(reference.indexOf('://') + 3)
    const variable = variableOf(reference)
    if (variable !== undefined) {
      const value = this.#options.env[variable]
      if (value === undefined || value === '') throw new Error(`${variable} is not set`)
      return value
    }
    if (reference.startsWith('file://')) return readBounded(rest)
    const timeoutMs = this.#options.timeoutMs ?? commandTimeoutMs
    const env = commandEnvironment(this.#options.env)
    if (reference.startsWith('op://')) {
      return runBounded('op', ['read', '--no-newline', reference], { env, timeoutMs })
    }
    return platform() === 'win32'
      ? runBounded('cmd.exe', ['/d', '/s', '/c', rest], { env, timeoutMs })
      : runBounded('/bin/sh', ['-c', rest], { env, timeoutMs })
  }
}

async function readBounded(path: string): Promise<string> {
  // A FIFO in the file's place must not hold a request up for ever.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
  const handle = await open(path, flags).catch((error: unknown) => {
    throw new Error(`its file cannot be read: ${errorCodeOf(error) ?? describeError(error)}`)
  })
  try {
    if (!(await handle.stat()).isFile()) throw new Error('its file is no regular file')
    const { bytesRead, buffer } = await handle.read(
      Buffer.alloc(mostBytes + 1),
      0,
      mostBytes + 1,
      0,
    )
    if (bytesRead > mostBytes) throw new Error('its file is longer than 64 KiB')
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** A command has no business with the keys of the vault. */
function commandEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !keyVariables.includes(name)))
}

/** Its standard output. Its errors are not kept: they may hold what it was asked for. */
function runBounded(
  command: string,
  args: readonly string[],
  { env, timeoutMs }: { env: Record<string, string | undefined>; timeoutMs: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
    const chunks: Buffer[] = []
    let bytes = 0
    const end = (problem: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // What it has started may hold on to the pipe.
      child.stdout.destroy()
      reject(new Error(problem))
    }
    const timer = setTimeout(() => end(`its command took longer than ${timeoutMs} ms`), timeoutMs)
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.byteLength
      if (bytes > mostBytes) end('its command wrote more than 64 KiB')
    })
    child.once('error', (error) => end(`its command cannot be run: ${describeError(error)}`))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'))
      else reject(new Error(`its command ended with ${signal ?? `exit code ${code}`}`))
    })
  })
}
