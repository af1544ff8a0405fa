/** Where a capture goes: `--capture FILE|DIR|none`, else a file of its own under the home folder. */
import { statSync } from 'node:fs'
import { join } from 'node:path'

/** Where captures lie, in Porthole's data folder. */
export function capturesFolder(home: string): string {
  return join(home, 'captures')
}

interface CapturePlace {
  /** Porthole's data folder. */
  readonly home: string
  /** Epoch milliseconds; becomes the file's name, in UTC. */
  readonly now: number
  readonly pid: number
}

/** The file to write, or undefined for `none`. A folder (existing, or ending in `/`) gets a file. */
export function resolveCapturePath(
  flag: string | undefined,
  place: CapturePlace,
): string | undefined {
  if (flag === 'none') return undefined
  const stamp = new Date(place.now).toISOString().slice(0, 19).replaceAll(/[-:]/gu, '')
  const name = `${stamp}Z-${place.pid}.jsonl`
  if (flag === undefined || flag === '') return join(capturesFolder(place.home), name)
  return namesFolder(flag) ? join(flag, name) : flag
}

function namesFolder(path: string): boolean {
  if (/[/\\]$/u.test(path)) return true
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
