/**
 * Which captures go: those that are too old, then the oldest until the rest is small enough. A
 * pinned one and one that is being written stay, whatever their age and size.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { CaptureSet } from './capture-sets.ts'

export interface PruneRules {
  /** Milliseconds since anything was written to it. */
  readonly olderThanMs?: number | undefined
  /** Bytes that may stay, of all captures together. */
  readonly maxBytes?: number | undefined
  /** Epoch milliseconds. */
  readonly now: number
  /** A proxy that runs is writing to it. */
  readonly isRunning: (set: CaptureSet) => boolean
}

/** One may have been begun by a proxy that cannot be asked yet. */
const restMs = 60_000

/** The captures to remove, the oldest first. */
export function choosePrunable(sets: readonly CaptureSet[], rules: PruneRules): CaptureSet[] {
  const { olderThanMs = Infinity, maxBytes = Infinity, now } = rules
  const prunable = sets
    .filter((set) => !set.isPinned && now - set.modifiedAt > restMs && !rules.isRunning(set))
    .sort((a, b) => a.modifiedAt - b.modifiedAt)
  let bytes = sets.reduce((sum, set) => sum + set.bytes, 0)
  const chosen: CaptureSet[] = []
  for (const set of prunable) {
    if (now - set.modifiedAt <= olderThanMs && bytes <= maxBytes) continue
    chosen.push(set)
    bytes -= set.bytes
  }
  return chosen
}

/** All files of the capture, also what a cut-off compression left of one. */
export async function removeCaptureFiles(folder: string, set: CaptureSet): Promise<void> {
  const names = new Set(set.files.flatMap(({ name }) => variantsOf(name)))
  for (const name of await readdir(folder)) {
    if (names.has(name)) await rm(join(folder, name), { force: true })
  }
}

function variantsOf(name: string): string[] {
  const plain = name.replace(/\.gz$/u, '')
  return [plain, `${plain}.gz`, `${plain}.gz.part`]
}
