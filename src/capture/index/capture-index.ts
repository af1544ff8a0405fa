/**
 * The index of a captures folder, as the commands use it: opened for one piece of work, begun anew
 * where it turns out to be damaged, and closed.
 */
import { basename, join } from 'node:path'

import { capturesFolder } from '../capture-path.ts'
import { findCaptureSet, listCaptureSets } from '../capture-sets.ts'
import type { IndexDatabase, OpenIndexOptions } from './database.ts'
import {
  asIndexError,
  isDamage,
  isSqliteError,
  openIndex,
  removeIndex,
  setAside,
} from './database.ts'
import { catchUp } from './indexer.ts'
import type { Spend } from './spend.ts'
import { spendOf } from './spend.ts'

function indexPath(folder: string): string {
  return join(folder, 'index.db')
}

/**
 * Runs `work` on the index of `folder`; once more where the index is damaged, on a new one. Rejects
 * with ERR_INDEX_NEWER or ERR_INDEX_UNUSABLE, or what `work` rejects with.
 */
export async function withIndex<T>(
  folder: string,
  options: OpenIndexOptions,
  work: (db: IndexDatabase) => Promise<T>,
): Promise<T> {
  try {
    return await withOpenIndex(folder, options, work)
  } catch (error) {
    if (!isDamage(error)) throw error
    await setAside(indexPath(folder), options)
    return await withOpenIndex(folder, options, work)
  }
}

async function withOpenIndex<T>(
  folder: string,
  options: OpenIndexOptions,
  work: (db: IndexDatabase) => Promise<T>,
): Promise<T> {
  const db = await openIndex(indexPath(folder), options)
  try {
    return await work(db)
  } catch (error) {
    if (isSqliteError(error) && !isDamage(error)) throw asIndexError(db.path, error)
    throw error
  } finally {
    db.close()
  }
}

/** Forgets all that is indexed; captures and pins stay. */
export async function dropIndex(folder: string): Promise<void> {
  await removeIndex(indexPath(folder))
}

export interface IndexOneOptions {
  /** Told to stop, it leaves the rest for later. */
  readonly signal: AbortSignal
  /** Milliseconds to wait for other processes. */
  readonly busyMs: number
  readonly onNotice: (text: string) => void
}

/** Indexes the capture that a file of `folder` belongs to. Rejects like `withIndex`. */
export async function indexOne(
  folder: string,
  path: string,
  { signal, busyMs, onNotice }: IndexOneOptions,
): Promise<void> {
  const sets = await listCaptureSets(folder)
  const only = findCaptureSet(sets, folder, basename(path)).name
  await withIndex(folder, { onNotice, busyTimeoutMs: busyMs }, async (db) => {
    await catchUp(db, folder, { only, signal })
  })
}

export interface SpendOptions {
  /** Milliseconds to spend on reading what is not indexed yet; 0, none, unless told otherwise. */
  readonly catchUpMs?: number | undefined
}

/**
 * What the calls in the captures of `home` have cost since `epochMs`, those of running proxies
 * included as far as they are recorded and indexed. Rejects like `withIndex`.
 */
export async function spendSince(
  home: string,
  epochMs: number,
  options: SpendOptions = {},
): Promise<Spend> {
  const folder = capturesFolder(home)
  const { catchUpMs = 0 } = options
  // Asking makes nothing where nothing was recorded yet.
  if ((await listCaptureSets(folder)).length === 0) return { usd: 0, known: 0, unknown: 0 }
  return await withIndex(folder, { onNotice: () => {} }, async (db) => {
    if (catchUpMs > 0) await catchUp(db, folder, { signal: AbortSignal.timeout(catchUpMs) })
    return spendOf(db, epochMs)
  })
}
