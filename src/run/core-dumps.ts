/**
 * What the kernel writes to disk of this process, should it crash: nothing of its memory, where
 * that can be said (Linux: core(5), `/proc/PID/coredump_filter`). Node has no `setrlimit`, and a
 * limit would not hold for dumps that are piped to a collector. Programs inherit the filter, so
 * the user's own are started under the one that they would have had without us.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const filterPath = '/proc/self/coredump_filter'

/** As it was before, as the kernel reads numbers; undefined while nothing was changed. */
let inherited: string | undefined

/** Silent where the system knows no such thing, or does not let us. */
export function keepMemoryOutOfCoreDumps(): void {
  try {
    const before = `0x${readFileSync(filterPath, 'latin1').trim()}`
    writeFileSync(filterPath, '0')
    inherited ??= before
  } catch {
    // Not on Linux, or a container that shows it read-only.
  }
}

/**
 * Runs `start`, which spawns a program of the user's. The program has the filter from its first
 * instruction on, also where it becomes another user's and could not be changed any more: spawning
 * is synchronous up to the program's `exec`.
 */
export function withInheritedCoreDumps<T>(start: () => T): T {
  if (inherited === undefined) return start()
  setFilter(inherited)
  try {
    return start()
  } finally {
    setFilter('0')
  }
}

function setFilter(value: string): void {
  try {
    writeFileSync(filterPath, value)
  } catch {
    // Out of file descriptors, say: the program dumps less than it might have, or we more.
  }
}
