/**
 * Brings the index up to what the captures of a folder hold: each file is read on from where it was
 * left, whatever it is called by now. A capture that was cut back, replaced or thinned out is read
 * anew; one that is gone leaves the index.
 */
import { hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

import type { CaptureSet, CaptureSetFile } from '../capture-sets.ts'
import { listCaptureSets } from '../capture-sets.ts'
import { plainSize } from '../open-capture.ts'
import { scanLines } from '../scan-lines.ts'
import type { IndexDatabase } from './database.ts'
import { isSqliteError, tables } from './database.ts'
import type { CallColumns } from './exchange-entry.ts'
import { ExchangeEntry } from './exchange-entry.ts'
import type { IndexedFile } from './index-writer.ts'
import {
  addFile,
  captureId,
  filesOf,
  removeCapture,
  updateFile,
  writeProgress,
} from './index-writer.ts'
import type { IndexedLine } from './scan-file.ts'
import { scanForIndex } from './scan-file.ts'

export interface CatchUpOptions {
  /** Only the capture of this name. */
  readonly only?: string | undefined
  /** Told to stop, it stops at the next occasion; what was read by then is in the index. */
  readonly signal?: AbortSignal | undefined
  /** Bytes of all captures that are to be read, and of those that have been. */
  readonly onProgress?: ((done: number, all: number) => void) | undefined
}

export interface CaughtUp {
  /** Nothing is left to read. */
  readonly isWhole: boolean
  /** Captures that could not be read, with the reason. */
  readonly problems: ReadonlyArray<{ readonly name: string; readonly error: unknown }>
}

/** Bytes read between two writes; what is gathered in them waits in memory. */
const writeEveryBytes = 2 * 1024 * 1024
/** Exchanges under way that are kept at hand; of others the rows are read again. */
const maxOpen = 2048
/** Bytes before the place that was reached, by which it is known again. */
const tailBytes = 256
/** How often a capture that changes under way is looked at again. */
const maxAttempts = 200

type Outcome = 'done' | 'stopped' | 'changed' | 'replaced'

/** Captures that cannot be read are left out and named. */
export async function catchUp(
  db: IndexDatabase,
  folder: string,
  options: CatchUpOptions = {},
): Promise<CaughtUp> {
  const { only, signal } = options
  const sets = await listCaptureSets(folder)
  if (only === undefined) removeMissing(db, new Set(sets.map(({ name }) => name)))
  const wanted = sets.filter(({ name }) => only === undefined || name === only)
  const meter = new Meter(wanted, options.onProgress)
  const problems: Array<{ name: string; error: unknown }> = []
  let isWhole = true
  for (const set of wanted) {
    if (signal?.aborted === true) return { isWhole: false, problems }
    try {
      isWhole = (await catchUpWith(db, folder, set, { signal, meter })) && isWhole
    } catch (error) {
      if (isSqliteError(error)) throw error
      problems.push({ name: set.name, error })
    }
    meter.finish(set)
  }
  return { isWhole, problems }
}

/** Forgets captures that are not among `names` any more. */
export function removeMissing(db: IndexDatabase, names: ReadonlySet<string>): void {
  for (const { id, name } of db.all(tables.selectFrom('captures').select(['id', 'name']))) {
    if (!names.has(name)) removeCapture(db, id)
  }
}

/** Bytes on the disk, with those of files that are left out counted as done. */
class Meter {
  readonly #all: number
  readonly #onProgress: CatchUpOptions['onProgress']
  #done = 0
  #ofSet = 0

  constructor(sets: readonly CaptureSet[], onProgress: CatchUpOptions['onProgress']) {
    this.#all = sets.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#onProgress = onProgress
  }

  add(bytes: number): void {
    this.#ofSet += bytes
    this.#onProgress?.(Math.min(this.#done + this.#ofSet, this.#all), this.#all)
  }

  finish({ bytes }: CaptureSet): void {
    this.#done += bytes
    this.#ofSet = 0
    this.#onProgress?.(this.#done, this.#all)
  }
}

interface Work {
  readonly signal: AbortSignal | undefined
  readonly meter: Meter
}

async function catchUpWith(
  db: IndexDatabase,
  folder: string,
  first: CaptureSet,
  work: Work,
): Promise<boolean> {
  let set: CaptureSet | undefined = first
  for (let attempt = 1; set !== undefined && attempt <= maxAttempts; attempt += 1) {
    const outcome: Outcome = await readSet(db, folder, set, work)
    if (outcome === 'done') return true
    if (outcome === 'stopped') return false
    // Files may have been renamed since they were listed: only what is so twice is so.
    if (outcome === 'replaced' && attempt > 1) removeCapture(db, captureId(db, first.name))
    const sets = await listCaptureSets(folder)
    set = sets.find(({ name }) => name === first.name)
  }
  return set === undefined
}

async function readSet(
  db: IndexDatabase,
  folder: string,
  set: CaptureSet,
  work: Work,
): Promise<Outcome> {
  const capture = captureId(db, set.name)
  const known = new Map(filesOf(db, capture).map((file) => [file.first_line, file]))
  const unseen = new Set(known.keys())
  const reader = new FileReader(db, capture, work)
  for (const found of set.files) {
    const path = join(folder, found.name)
    const same = [...known.values()].find((file) => isUntouched(file, found))
    const firstLine = same?.first_line ?? (await firstLineOf(path))
    // Nothing whole is in it yet, or it is a copy of another one.
    if (firstLine === undefined || (known.has(firstLine) && !unseen.has(firstLine))) continue
    unseen.delete(firstLine)
    if (same !== undefined) continue
    if (!known.has(firstLine)) {
      addFile(db, { capture_id: capture, name: found.name, first_line: firstLine })
    }
    const file = filesOf(db, capture).find((other) => other.first_line === firstLine)
    if (file === undefined) return 'changed'
    const outcome = await reader.read(path, found, file)
    if (outcome !== 'done') return outcome
  }
  return unseen.size > 0 ? 'replaced' : 'done'
}

function isUntouched(file: IndexedFile, found: CaptureSetFile): boolean {
  return (
    file.name === found.name &&
    file.disk_bytes === found.bytes &&
    file.modified_at === found.modifiedAt
  )
}

async function firstLineOf(path: string): Promise<string | undefined> {
  for await (const [line] of scanLines(path)) {
    if (line === undefined) continue
    return line.split.ok ? hash('sha256', line.split.bytes, 'base64url') : `#${line.split.length}`
  }
  return undefined
}

/** Reads the files of one capture, one after the other: exchanges may begin in one and end in the next. */
class FileReader {
  readonly #db: IndexDatabase
  readonly #capture: number
  readonly #work: Work
  #open = new Map<string, ExchangeEntry>()
  #startedAt: number | undefined
  #problems = 0

  constructor(db: IndexDatabase, capture: number, work: Work) {
    this.#db = db
    this.#capture = capture
    this.#work = work
  }

  async read(path: string, found: CaptureSetFile, file: IndexedFile): Promise<Outcome> {
    const state = await placeIn(path, found, file)
    if (state === 'replaced') return 'replaced'
    if (file.name !== found.name) updateFile(this.#db, file.id, { name: found.name })
    if (state === 'read') {
      updateFile(this.#db, file.id, { disk_bytes: found.bytes, modified_at: found.modifiedAt })
      return 'done'
    }
    return await this.#readOn(path, found, { ...file, name: found.name })
  }

  async #readOn(path: string, found: CaptureSetFile, from: IndexedFile): Promise<Outcome> {
    let file = from
    let reached = file.indexed_bytes
    const write = async (isEnd: boolean): Promise<boolean> => {
      const place = isEnd
        ? { disk_bytes: found.bytes, modified_at: found.modifiedAt }
        : { disk_bytes: 0, modified_at: 0 }
      const tail = await tailOf(path, reached)
      const progress = { indexed_bytes: reached, tail, ...place }
      const isWritten = writeProgress(this.#db, file, this.#open.values(), {
        ...progress,
        newProblems: this.#problems,
        startedAt: this.#startedAt,
      })
      file = { ...file, ...progress, problems: file.problems + this.#problems }
      this.#problems = 0
      this.#forgetEnded()
      return isWritten
    }
    for await (const lines of scanForIndex(path, file.indexed_bytes)) {
      const before = reached
      for (const line of lines) {
        if (line.type === 'blob') continue
        this.#take(line, file)
        reached = line.end
      }
      this.#work.meter.add(reached - before)
      const isStopped = this.#work.signal?.aborted === true
      if (!isStopped && reached - file.indexed_bytes < writeEveryBytes) continue
      if (!(await write(false))) return this.#overtaken()
      if (isStopped) return 'stopped'
      await nextTurn()
    }
    return (await write(true)) ? 'done' : this.#overtaken()
  }

  /** Another process reads the same capture: what it has written is where to go on from. */
  #overtaken(): Outcome {
    this.#open.clear()
    return 'changed'
  }

  #take(line: Exclude<IndexedLine, { type: 'blob' }>, file: IndexedFile): void {
    if (line.type === 'problem') this.#problems += 1
    if (line.type === 'header' && line.header.continues === undefined) {
      this.#startedAt ??= line.header.startedAt
    }
    if (line.type !== 'message' || line.msg.exchangeId === undefined) return
    this.#entry(line.msg.exchangeId, file.id, line.at).apply(line.msg, line.hasTail)
  }

  #entry(exchangeId: string, fileId: number, byteOffset: number): ExchangeEntry {
    const known = this.#open.get(exchangeId)
    if (known !== undefined) return known
    const rows = this.#db.all(
      tables
        .selectFrom('calls')
        .selectAll()
        .where('capture_id', '=', this.#capture)
        .where('exchange_id', '=', exchangeId),
    )
    const [row] = rows
    const entry = new ExchangeEntry(exchangeId, {
      fileId: row?.file_id ?? fileId,
      byteOffset: row?.byte_offset ?? byteOffset,
    })
    for (const { id: _, capture_id: _capture, ...columns } of rows) {
      entry.resume(columns satisfies CallColumns)
    }
    this.#open.set(exchangeId, entry)
    return entry
  }

  /** What is written and has ended is not spoken of again; if it is, its rows are read. */
  #forgetEnded(): void {
    for (const [id, entry] of this.#open) {
      if (entry.hasEnded || this.#open.size > maxOpen) this.#open.delete(id)
    }
  }
}

/** `read`: there is nothing new in it. `replaced`: it is not what was indexed. */
async function placeIn(
  path: string,
  found: CaptureSetFile,
  file: IndexedFile,
): Promise<'read' | 'more' | 'replaced'> {
  if (file.indexed_bytes === 0) return 'more'
  if (found.name.endsWith('.gz')) {
    return (await plainSize(path)) === file.indexed_bytes % 2 ** 32 ? 'read' : 'more'
  }
  if (found.bytes < file.indexed_bytes) return 'replaced'
  return (await tailOf(path, file.indexed_bytes)) === file.tail ? 'more' : 'replaced'
}

/** Nothing of a compressed file: it is not written to any more. */
async function tailOf(path: string, end: number): Promise<string> {
  if (path.endsWith('.gz')) return ''
  const handle = await open(path, 'r')
  try {
    const from = Math.max(0, end - tailBytes)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - from), 0, end - from, from)
    return hash('sha256', buffer.subarray(0, bytesRead), 'base64url')
  } finally {
    await handle.close()
  }
}
