/**
 * Where the control socket stands: beside its descriptor, or, where that path is too long for the
 * system (`sun_path`, 104 to 108 bytes; unix(7)), in a private folder under the temporary one. Both
 * folders belong to this user alone, or they are refused. Windows has named pipes instead.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { platform, tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'

import { errorCodeOf } from '../base/errors.ts'
import { makeFolders } from '../config/folders.ts'

/** macOS has 104 bytes with the closing NUL, Linux 108. */
const maxSocketPathBytes = 100

/** Creates `path` as a folder of this user's alone; rejects if it is another's. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await makeFolders(path).catch((error: unknown) => {
    if (errorCodeOf(error) !== 'EEXIST') throw error
  })
  const stat = await lstat(path)
  if (!stat.isDirectory()) throw new Error(`${path} is not a folder`)
  if (platform() === 'win32') return
  if (stat.uid !== userInfo().uid) throw new Error(`${path} belongs to another user`)
  if ((stat.mode & 0o777) !== 0o700) await chmod(path, 0o700)
}

/** A path for a socket called `name`, in a folder that exists and is private. */
export async function placeSocket(
  directory: string,
  name: string,
  temporaryDirectory: string = tmpdir(),
): Promise<string> {
  if (platform() === 'win32') {
    return String.raw`\\.\pipe\porthole-${name}-${randomBytes(8).toString('hex')}`
  }
  const path = join(resolve(directory), `${name}.sock`)
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return path
  const hash = createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 16)
  const refuge = join(temporaryDirectory, `porthole-${userInfo().uid}-${hash}`)
  const short = join(refuge, `${name}.sock`)
  if (Buffer.byteLength(short) > maxSocketPathBytes) throw new Error(`${short} is too long`)
  await makeRefuge(refuge)
  return short
}

/**
 * Anyone may create names in the temporary folder: what stands there already is used only if it is
 * ours and closed to others; it is not repaired, for someone may hold it open.
 */
async function makeRefuge(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error
  }
  const stat = await lstat(path)
  if (!stat.isDirectory()) throw new Error(`${path} is not a folder`)
  if (stat.uid !== userInfo().uid) throw new Error(`${path} belongs to another user`)
  if ((stat.mode & 0o077) !== 0) throw new Error(`${path} is open to others`)
}
