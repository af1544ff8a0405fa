/**
 * Reads exchanges out of a capture again: for a viewer that let their details go, for a filter that
 * asks for bodies. Lines of other exchanges are passed over unparsed, and of what repeats only that
 * is parsed to which these refer.
 */
import { basename, dirname, join } from 'node:path'

import type { AnalysisMsg } from '../messages/schema.ts'
import type { ExchangeRecord } from '../recorded/exchange-record.ts'
import { RecordGatherer } from '../recorded/record-gatherer.ts'
import { BlobStore, looksLikeBlob } from './blob-store.ts'
import type { CaptureSetFile } from './capture-sets.ts'
import { captureSetOf } from './capture-sets.ts'
import { decodeSplitLine } from './line-decoder.ts'
import { headOf } from './line-kind.ts'
import type { ScannedLine } from './scan-lines.ts'
import { maxLineBytes, scanLines } from './scan-lines.ts'

/** Analyzers tell their last of an exchange right after its end. */
const linesAfterEnd = 64

/**
 * What the capture holds of the exchange; undefined if that is nothing. `path` is any file of the
 * capture; `from`, if known, the name of the file in which the exchange begins. Rejects with
 * ERR_CAPTURE_UNREADABLE.
 */
export async function loadRecord(
  path: string,
  exchangeId: string,
  from?: string,
): Promise<ExchangeRecord | undefined> {
  let found: ExchangeRecord | undefined
  await loadRecords(path, new Set([exchangeId]), { from }, (record) => {
    found ??= record
  })
  return found
}

/** The messages of one exchange, as they were recorded; otherwise as `loadRecord`. */
export async function loadMessages(
  path: string,
  exchangeId: string,
  from?: string,
): Promise<AnalysisMsg[]> {
  const messages: AnalysisMsg[] = []
  await searchExchanges(path, new Set([exchangeId]), from, (msg) => void messages.push(msg))
  return messages
}

/** The same for many, in one pass over the capture; each is handed over as it is read. */
export async function loadRecords(
  path: string,
  exchangeIds: ReadonlySet<string>,
  { from }: { readonly from?: string | undefined },
  onRecord: (record: ExchangeRecord) => void,
): Promise<void> {
  const gatherer = new RecordGatherer()
  await searchExchanges(path, exchangeIds, from, (msg) => {
    const record = gatherer.take(msg)
    if (record !== undefined) onRecord(record)
  })
  for (const record of gatherer.end()) onRecord(record)
}

async function searchExchanges(
  path: string,
  exchangeIds: ReadonlySet<string>,
  from: string | undefined,
  onMessage: (msg: AnalysisMsg) => void,
): Promise<void> {
  const search = new ExchangeSearch(exchangeIds, onMessage)
  for (const name of await filesFrom(path, from)) {
    await search.read(join(dirname(path), name))
    if (search.isOver) break
  }
}

/** An exchange may begin in any file of a rotated capture. */
async function filesFrom(path: string, from: string | undefined): Promise<string[]> {
  const set = await captureSetOf(path)
  const files = set?.files ?? []
  const first = files.findIndex((file) => isSameFile(file, from ?? ''))
  const names = files.slice(Math.max(0, first)).map(({ name }) => name)
  return names.length === 0 ? [basename(path)] : names
}

/** It may have been compressed since. */
function isSameFile({ name }: CaptureSetFile, wanted: string): boolean {
  return name.replace(/\.gz$/u, '') === wanted.replace(/\.gz$/u, '')
}

class ExchangeSearch {
  readonly #wanted: ReadonlySet<string>
  readonly #onMessage: (msg: AnalysisMsg) => void
  readonly #ended = new Set<string>()
  /** Lines that are still looked at, once the end of the last one was told. */
  #left = Infinity

  constructor(wanted: ReadonlySet<string>, onMessage: (msg: AnalysisMsg) => void) {
    this.#wanted = wanted
    this.#onMessage = onMessage
  }

  get isOver(): boolean {
    return this.#left <= 0
  }

  async read(path: string): Promise<void> {
    const blobs = new BlobStore(maxLineBytes)
    for await (const lines of scanLines(path)) {
      for (const line of lines) this.#look(line, blobs)
      if (this.isOver) return
    }
  }

  #look(line: ScannedLine, blobs: BlobStore): void {
    const { split } = line
    if (!split.ok || this.isOver) return
    if (looksLikeBlob(split.bytes)) {
      blobs.takeLine(split.bytes)
      return
    }
    this.#left -= 1
    const id = headOf(line).exchangeId
    if (id === undefined || !this.#wanted.has(id)) {
      blobs.passOver(split.bytes)
      return
    }
    const decoded = decodeSplitLine(split, blobs)
    if (decoded?.ok === true && decoded.type === 'message') this.#take(decoded.msg)
  }

  #take(msg: AnalysisMsg): void {
    if (msg.exchangeId === undefined || !this.#wanted.has(msg.exchangeId)) return
    this.#onMessage(msg)
    if (msg.kind !== 'exchange-completed' && msg.kind !== 'exchange-failed') return
    this.#ended.add(msg.exchangeId)
    if (this.#ended.size === this.#wanted.size) this.#left = linesAfterEnd
  }
}
