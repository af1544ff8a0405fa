/**
 * The files of a rotated capture: `traffic.jsonl` is the one being written, `traffic.1.jsonl.gz`
 * the oldest. This file knows their names and compresses the finished ones (RFC 1952), so that at
 * every instant either the plain file or the whole compressed one is there.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'

const suffix = '.jsonl'

/** The name, without `.gz`, of the file that rotation number `n` (from 1) made of `path`. */
export function rotatedPath(path: string, n: number): string {
  return `${stemOf(path)}.${n}${suffix}`
}

/** The inverse: which rotation the name says that this file is, or undefined. */
export function rotationNumber(path: string): number | undefined {
  const digits = /\.([1-9]\d{0,8})\.jsonl(?:\.gz)?$/u.exec(path)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The numbers of the rotated files beside `path`, rising; none where the folder is not readable. */
export async function listRotations(path: string): Promise<number[]> {
  const prefix = `${basename(stemOf(path))}.`
  const numbers = new Set<number>()
  const names = await readdir(dirname(path)).catch(() => [])
  for (const name of names) {
    const plain = name.endsWith('.gz') ? name.slice(0, -'.gz'.length) : name
    if (!plain.startsWith(prefix) || !plain.endsWith(suffix)) continue
    const digits = plain.slice(prefix.length, -suffix.length)
    if (/^[1-9]\d{0,8}$/u.test(digits)) numbers.add(Number(digits))
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Replaces `path` by `path.gz`. On failure or abort the plain file stays and no part is left. */
export async function compressFile(path: string, signal: AbortSignal): Promise<void> {
  const temporary = `${path}.gz.part`
  try {
    await rm(temporary, { force: true })
    await pipeline(
      createReadStream(path),
      // What repeats is stored once already: more effort saves little and takes the cores for long.
      createGzip({ level: constants.Z_BEST_SPEED }),
      createWriteStream(temporary, { flags: 'wx', mode: 0o600 }),
      { signal },
    )
    await syncFile(temporary)
    await rename(temporary, `${path}.gz`)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await rm(path)
}

/** Rotated files whose compression a crash cut short: they have a part beside them. */
export async function listInterrupted(path: string): Promise<string[]> {
  const numbers = await listRotations(path)
  const names = new Set(await readdir(dirname(path)).catch(() => []))
  return numbers
    .map((n) => basename(rotatedPath(path, n)))
    .filter((name) => names.has(name) && names.has(`${name}.gz.part`))
    .map((name) => join(dirname(path), name))
}

function stemOf(path: string): string {
  return path.endsWith(suffix) ? path.slice(0, -suffix.length) : path
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
