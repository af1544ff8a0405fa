/**
 * Files that only their owner may read: made with their final mode in an exclusively created
 * temporary file, synced, then put in place in one step; read only when nobody else could have
 * read or replaced them. On Windows modes and owners are not checked: the profile's ACL protects it.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { chmod, copyFile, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { platform, userInfo } from 'node:os'
import { dirname } from 'node:path'

import { AppError, describeError, errorCodeOf } from '../src/base/errors.ts'
import { makeFolders } from '../src/config/folders.ts'

const isWindows = platform() === 'win32'
/** Windows has no O_NOFOLLOW. */
const noFollow = isWindows ? 0 : constants.O_NOFOLLOW
/** Far beyond any CA file; a larger one is not read. */
const maxFileBytes = 1024 * 1024

/** How a new file takes its place: `exclusive` loses to an existing one, `replace` replaces it. */
export type Placement = 'exclusive' | 'replace'

/** Creates `dir` with mode 0700, with missing parents. Throws `ERR_HOME_UNWRITABLE`. */
export async function createPrivateDirectory(dir: string): Promise<void> {
  try {
    const first = await makeFolders(dir)
    // A umask can only have taken bits away; without the owner's own bits nothing could be stored.
    if (first !== undefined && !isWindows) await chmod(dir, 0o700)
  } catch (error) {
    throw unwritable(dir, error)
  }
}

/**
 * Throws `ERR_CA_MODE` if others may enter `dir`, `ERR_CA_UNUSABLE` if it is a symbolic link, no
 * directory, or another user's. False if there is no such directory.
 */
export async function checkPrivateDirectory(dir: string): Promise<boolean> {
  const stats = await lstat(dir).catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw unusable(dir, describeError(error), error)
  })
  if (stats === undefined) return false
  if (stats.isSymbolicLink()) throw unusable(dir, 'the folder is a symbolic link')
  if (!stats.isDirectory()) throw unusable(dir, 'it is not a folder')
  checkOwnership(dir, stats, '700')
  return true
}

/** Takes others' access to `dir` away, if they have any. Throws like `checkPrivateDirectory`. */
export async function closeDirectory(dir: string): Promise<void> {
  try {
    await checkPrivateDirectory(dir)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'ERR_CA_MODE') throw error
    await chmod(dir, 0o700)
    await checkPrivateDirectory(dir)
  }
}

/** The text of a private file; undefined if there is none. Throws like `checkPrivateDirectory`. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  return readWhole(path, (stats) => checkOwnership(path, stats, '600'))
}

/** The text of a file that holds nothing secret; undefined if there is none. */
export async function readPublicFile(path: string): Promise<string | undefined> {
  return readWhole(path, () => undefined)
}

/**
 * Writes a file of mode 0600 in one step. False, and nothing is changed, if the placement is
 * `exclusive` and the file exists already. Throws `ERR_HOME_UNWRITABLE`.
 */
export async function writePrivateFile(
  path: string,
  text: string,
  placement: Placement,
): Promise<boolean> {
  return writeInOneStep(path, text, 0o600, placement)
}

/** As `writePrivateFile`, with any mode. */
export async function writeInOneStep(
  path: string,
  text: string,
  mode: number,
  placement: Placement,
): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeNewFile(temporary, text, mode)
    try {
      if (placement === 'replace') await rename(temporary, path)
      else if (!(await placeExclusively(temporary, path))) return false
      await syncDirectory(dirname(path))
      return true
    } finally {
      // Gone already after a rename.
      await unlink(temporary).catch(() => undefined)
    }
  } catch (error) {
    throw unwritable(path, error)
  }
}

async function writeNewFile(path: string, text: string, mode: number): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow
  const handle = await open(path, flags, mode)
  try {
    // The umask may have taken bits away that are wanted; it cannot have added any.
    if (!isWindows) await handle.chmod(mode)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A hard link either is the first under its name or fails: two processes cannot both win. */
async function placeExclusively(temporary: string, path: string): Promise<boolean> {
  const lost = (error: unknown): boolean => errorCodeOf(error) === 'EEXIST'
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if (lost(error)) return false
  }
  try {
    // File systems without hard links: still exclusive, with the mode of the temporary file.
    await copyFile(temporary, path, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (lost(error)) return false
    throw error
  }
}

/** Makes a rename outlive a power cut. Windows cannot open directories. */
async function syncDirectory(dir: string): Promise<void> {
  if (isWindows) return
  const handle = await open(dir, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

interface FileStats {
  readonly mode: number
  readonly uid: number
  readonly size: number
  isFile(): boolean
}

async function readWhole(
  path: string,
  check: (stats: FileStats) => void,
): Promise<string | undefined> {
  let handle: FileHandle
  try {
    // O_NONBLOCK: a FIFO in the file's place must not hang the start.
    handle = await open(path, constants.O_RDONLY | noFollow | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = errorCodeOf(error)
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw unusable(path, 'the file is a symbolic link', error)
    throw unusable(path, describeError(error), error)
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw unusable(path, 'it is not a regular file')
    check(stats)
    if (stats.size > maxFileBytes) throw unusable(path, 'the file is too large')
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** On the open file's or the link's own stats, so that nothing can be swapped in between. */
function checkOwnership(
  path: string,
  stats: { readonly mode: number; readonly uid: number },
  wanted: string,
): void {
  if (isWindows) return
  const own = ownUserId()
  if (own !== undefined && stats.uid !== own) {
    throw unusable(path, `it belongs to another user (id ${stats.uid})`)
  }
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
    throw new AppError('ERR_CA_MODE', { path, mode, wanted })
  }
}

/**
 * Undefined for a user id without an account, as in some containers: such a user is not root, and
 * cannot read a file that is private to another one anyway.
 */
function ownUserId(): number | undefined {
  try {
    return userInfo().uid
  } catch {
    return undefined
  }
}

function unusable(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('ERR_CA_UNUSABLE', { path, problem }, cause)
}

function unwritable(path: string, error: unknown): AppError {
  const details = { path, problem: errorCodeOf(error) ?? describeError(error) }
  return error instanceof AppError ? error : new AppError('ERR_HOME_UNWRITABLE', details, error)
}
