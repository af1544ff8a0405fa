/**
 * Attaches to the proxies of a data folder as a viewer does, and looks for the secret of the run in
 * every byte that comes through the control socket, the recent messages first of all.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

import type { CanarySearch, Finding } from './canary-search.ts'
import { createCanarySearch } from './canary-search.ts'
import { canary } from './canary.ts'

const searchForCanary = createCanarySearch(canary)
/** Longer than any form of the secret: what one chunk ends with, the next goes on with. */
const overlap = 512

/** Never holds a process up; `found` is told until the proxies end. */
export function watchControlSockets(
  home: string,
  found: (findings: readonly Finding[]) => void,
  search: CanarySearch = searchForCanary,
): void {
  for (const path of socketsIn(join(home, 'run'))) {
    const socket = connect(path)
    let tail = Buffer.alloc(0)
    socket.on('error', () => {
      // It has ended.
    })
    socket.on('data', (chunk: Buffer) => {
      const bytes = Buffer.concat([tail, chunk])
      found(search.formsIn(bytes).map((form) => ({ place: 'control socket', form })))
      tail = Buffer.from(bytes.subarray(-overlap))
    })
    socket.unref()
  }
}

function socketsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { socket: string })
      .map(({ socket }) => socket)
  } catch {
    // There is none, or it is gone already.
    return []
  }
}
