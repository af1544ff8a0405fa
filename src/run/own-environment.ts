/**
 * The environment that this process was started with, which any process of the same user can read
 * in `/proc/PID/environ`: the very program that is not to have a key could look there for it.
 * `unsetenv` does not change it. It is memory of ours, though (proc(5): `env_start`, `env_end`),
 * and can be overwritten there by the way that debuggers take, on ourselves alone.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

/**
 * The environment to work with: on Linux a copy, which stays when variables are hidden. Elsewhere
 * it is the process's own, whose names Windows reads in any case.
 */
export function readOwnEnvironment(): NodeJS.ProcessEnv {
  return process.platform === 'linux' ? { ...process.env } : process.env
}

/**
 * Takes variables out of what others can read of this process, and of what it hands down. Silent
 * where that cannot be done: it is a precaution, and what holds without it is documented.
 */
export function hideVariables(names: readonly string[]): void {
  if (process.platform !== 'linux') return
  for (const name of names) Reflect.deleteProperty(process.env, name)
  try {
    overwriteValues(new Set(names))
  } catch {
    // No /proc, or none that may be written to.
  }
}

function overwriteValues(names: ReadonlySet<string>): void {
  // proc_pid_stat(5): fields 50 and 51; the second field, a name in parentheses, may hold anything.
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [start, end] = [Number(fields[47]), Number(fields[48])]
  const shown = readFileSync('/proc/self/environ')
  if (!Number.isSafeInteger(start) || end - start !== shown.byteLength) return
  const memory = openSync('/proc/self/mem', 'r+')
  try {
    const block = Buffer.alloc(shown.byteLength)
    readSync(memory, block, 0, block.byteLength, start)
    // Nothing is written to where anything else is than what the kernel shows as the environment.
    if (!block.equals(shown)) return
    for (const { at, length } of valuesOf(block, names)) {
      writeSync(memory, Buffer.alloc(length), 0, length, start + at)
    }
  } finally {
    closeSync(memory)
  }
}

interface ValueRange {
  readonly at: number
  readonly length: number
}

/** Where the values of variables are in a block of `NAME=value`, each ended by a zero byte. */
export function valuesOf(block: Buffer, names: ReadonlySet<string>): ValueRange[] {
  const found: ValueRange[] = []
  for (let at = 0; at < block.byteLength;) {
    const zero = block.indexOf(0, at)
    const end = zero === -1 ? block.byteLength : zero
    const equals = block.indexOf('=', at)
    const hasName = equals !== -1 && equals < end
    if (hasName && names.has(block.toString('utf8', at, equals)) && end > equals + 1) {
      found.push({ at: equals + 1, length: end - equals - 1 })
    }
    at = end + 1
  }
  return found
}
