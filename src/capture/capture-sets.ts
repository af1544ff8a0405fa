/**
 * The captures of a folder, each with the files that rotation made of it, and their pins. A pin is
 * a file beside the capture, `NAME.pinned`: it must outlive the index, which is made anew at times.
 */
import { lstat, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'

export interface CaptureSetFile {
  /** Its name in the folder. */
  readonly name: string
  readonly bytes: number
  readonly modifiedAt: number
}

export interface CaptureSet {
  /** Without `.jsonl`: what the commands name it by. */
  readonly name: string
  /** The one to open: it leads to the others. */
  readonly path: string
  /** Oldest first. */
  readonly files: readonly CaptureSetFile[]
  /** Of all files, as they lie on the disk. */
  readonly bytes: number
  /** Of its newest file, in epoch milliseconds. */
  readonly modifiedAt: number
  readonly isPinned: boolean
}

/** A rotation's number stands before the suffix; a part is a compression under way. */
const fileName = /^(.+?)(?:\.([1-9]\d{0,8}))?\.jsonl(\.gz)?$/u
const pinSuffix = '.pinned'

/** Sorted by name; none where there is no folder. Links and folders are none of its captures. */
export async function listCaptureSets(folder: string): Promise<CaptureSet[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw new AppError(
      'ERR_CAPTURE_UNREADABLE',
      { path: folder, problem: describeError(error) },
      error,
    )
  })
  const pinned = new Set(names.filter((name) => name.endsWith(pinSuffix)))
  const sets = new Map<string, Array<CaptureSetFile & { readonly n: number }>>()
  for (const name of names) {
    const [, stem, digits] = fileName.exec(name) ?? []
    if (stem === undefined) continue
    const stats = await lstat(join(folder, name)).catch(() => undefined)
    if (stats?.isFile() !== true) continue
    const n = digits === undefined ? Infinity : Number(digits)
    const files = sets.get(stem) ?? []
    files.push({ name, bytes: stats.size, modifiedAt: Math.round(stats.mtimeMs), n })
    sets.set(stem, files)
  }
  return [...sets]
    .map(([name, files]) => toSet(folder, name, files, pinned.has(`${name}${pinSuffix}`)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function toSet(
  folder: string,
  name: string,
  numbered: ReadonlyArray<CaptureSetFile & { readonly n: number }>,
  isPinned: boolean,
): CaptureSet {
  // While a file is being compressed both are there: the plain one is whole.
  const byNumber = new Map<number, CaptureSetFile & { readonly n: number }>()
  for (const file of numbered) {
    const known = byNumber.get(file.n)
    if (known === undefined || known.name.endsWith('.gz')) byNumber.set(file.n, file)
  }
  const files = [...byNumber.values()].sort((a, b) => a.n - b.n)
  return {
    name,
    path: join(folder, files.at(-1)?.name ?? ''),
    files: files.map(({ name, bytes, modifiedAt }) => ({ name, bytes, modifiedAt })),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    modifiedAt: Math.max(...files.map(({ modifiedAt }) => modifiedAt)),
    isPinned,
  }
}

/** The capture that a file belongs to, whatever its folder; undefined where it is none of a folder. */
export async function captureSetOf(path: string): Promise<CaptureSet | undefined> {
  const sets = await listCaptureSets(dirname(path)).catch(() => [])
  return sets.find(({ files }) => files.some(({ name }) => name === basename(path)))
}

/**
 * The capture that `text` names: by its name, or by a file of it in this folder, with or without
 * the folder. Nothing outside of the folder has a name. Throws ERR_CAPTURE_UNKNOWN.
 */
export function findCaptureSet(
  sets: readonly CaptureSet[],
  folder: string,
  text: string,
): CaptureSet {
  const found = sets.find(
    ({ name, files }) =>
      name === text || files.some((file) => file.name === text || join(folder, file.name) === text),
  )
  if (found === undefined) throw new AppError('ERR_CAPTURE_UNKNOWN', { name: text, folder })
  return found
}

/** A pinned capture is never pruned. */
export async function pinCapture(folder: string, { name }: CaptureSet): Promise<void> {
  const path = join(folder, `${name}${pinSuffix}`)
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return
    throw unwritable(path, error)
  }
}

export async function unpinCapture(folder: string, { name }: CaptureSet): Promise<void> {
  const path = join(folder, `${name}${pinSuffix}`)
  await rm(path, { force: true }).catch((error: unknown) => {
    throw unwritable(path, error)
  })
}

function unwritable(path: string, error: unknown): AppError {
  return new AppError('ERR_HOME_UNWRITABLE', { path, problem: describeError(error) }, error)
}
