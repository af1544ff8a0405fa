/**
 * What SQLite throws, as errors that a user can act upon: a full disk, a file system that cannot be
 * written to, and another process that writes are no damage, and nobody is to restore or move away
 * a database for them.
 */
import { statfsSync } from 'node:fs'
import { basename, dirname } from 'node:path'

import Sqlite from 'better-sqlite3'

import { AppError, describeError } from '../base/errors.ts'
import type { ErrorCode } from '../base/errors.ts'

/** Of a disk with less, no log of a database can grow. In bytes. */
const leastRoom = 128 * 1024

/**
 * `unusable` is the kind's own code, for what is none of these; it takes `path` and `problem`. What
 * is no error of SQLite is given back as it is.
 */
export function readableStorageError(unusable: ErrorCode, path: string, error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error
  const { code } = error
  if (code.startsWith('SQLITE_BUSY')) {
    return new AppError('ERR_STORAGE_BUSY', { path: basename(path) }, error)
  }
  const isDenied = /^SQLITE_(?:IOERR|READONLY|CANTOPEN|PERM)/u.test(code)
  if (code === 'SQLITE_FULL' || (isDenied && !hasRoom(path))) {
    return new AppError('ERR_STORAGE_FULL', { path }, error)
  }
  if (isDenied) {
    const problem = `${describeError(error)} (${code})`
    return new AppError('ERR_HOME_UNWRITABLE', { path, problem }, error)
  }
  const details = { path: basename(path), problem: describeError(error) }
  return new AppError(unusable, details, error)
}

function hasRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize >= leastRoom
  } catch {
    return true
  }
}
