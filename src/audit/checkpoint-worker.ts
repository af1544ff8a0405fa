/** The thread of `checkpointer.ts`: an entry of its own, with a connection of its own. */
import { parentPort, workerData } from 'node:worker_threads'

import Sqlite from 'better-sqlite3'

const path: unknown = workerData
if (typeof path !== 'string') throw new TypeError('the path of a database is wanted')
const sqlite = new Sqlite(path, { fileMustExist: true, timeout: 0 })
sqlite.pragma('synchronous = normal')

parentPort?.on('message', () => {
  try {
    // Passive: it waits for nobody, and nobody for it.
    sqlite.pragma('wal_checkpoint(passive)')
  } catch {
    // Another process is at it.
  }
})
