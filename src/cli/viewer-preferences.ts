/**
 * What the viewer keeps between runs: `<home>/viewer.json`, mode 0600. Nothing depends on it: a file
 * that is damaged, foreign or unreadable counts as none, and one that cannot be written is let go.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { writePrivateFile } from '../../ca/private-files.ts'
import type { Preferences } from '../tui/preferences.ts'
import { formatPreferences, parsePreferences } from '../tui/preferences.ts'

/** More than this was not written here. */
const maxBytes = 128 * 1024

export function preferencesPath(home: string): string {
  return join(home, 'viewer.json')
}

/** Never rejects. */
export async function loadPreferences(home: string): Promise<Preferences | undefined> {
  try {
    const file = await open(preferencesPath(home), 'r')
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0)
      return parsePreferences(buffer.toString('utf8', 0, bytesRead))
    } finally {
      await file.close()
    }
  } catch {
    return undefined
  }
}

/** Writes the newest preferences, one file at a time; `settled` waits for what is being written. */
export function createPreferencesSaver(home: string): {
  save(preferences: Preferences): void
  settled(): Promise<void>
} {
  let next: Preferences | undefined
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    while (next !== undefined) {
      const text = formatPreferences(next)
      next = undefined
      try {
        await writePrivateFile(preferencesPath(home), text, 'replace')
      } catch {
        // No home, no room, no right to write: the viewer works without.
        return
      }
    }
  }

  return {
    save(preferences) {
      next = preferences
      writing ??= write().finally(() => {
        writing = undefined
      })
    },
    async settled() {
      await writing
    },
  }
}
