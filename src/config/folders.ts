/**
 * Makes a folder and its missing parents. `mkdir` with `recursive` never returns below a file
 * system that answers ENOENT to creation (procfs): the call is retried for ever.
 */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

import { errorCodeOf } from '../base/errors.ts'

/** The topmost folder that was made, or undefined if all were there. Throws Node's own error. */
export async function makeFolders(path: string, mode = 0o700): Promise<string | undefined> {
  const missing: string[] = []
  for (let at = path; !(await isThere(at)); at = dirname(at)) {
    missing.push(at)
    if (dirname(at) === at) break
  }
  for (const folder of missing.toReversed()) {
    await mkdir(folder, { mode }).catch((error: unknown) => {
      // Another process may have been first.
      if (errorCodeOf(error) !== 'EEXIST') throw error
    })
  }
  return missing.at(-1)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return false
    throw error
  }
}
