/**
 * Reads one exchange out of a capture again: for a viewer that let its details go, for a filter that
 * asks for a body. Lines of other exchanges are passed over unparsed, and of what repeats only that
 * is parsed to which the exchange refers.
 */
import { basename, dirname, join } from 'node:path'

import type { AnalysisMsg } from '../messages/schema.ts'
import type { ExchangeRecord } from '../recorded/exchange-record.ts'
import { RecordGatherer } from '../recorded/record-gatherer.ts'
import { BlobStore, looksLikeBlob } from './blob-store.ts'
import type { CaptureSetFile } from './capture-sets.ts'
import { listCaptureSets } from './capture-sets.ts'
import { decodeSplitLine } from './line-decoder.ts'
import { maxLineBytes, scanLines } from './scan-lines.ts'

/** Bytes of a line in which its exchange is named, if it has one. */
const headBytes = 512
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
  const gatherer = new RecordGatherer()
  const search = new ExchangeSearch(exchangeId, (msg) => gatherer.take(msg))
  for (const name of await filesFrom(path, from)) {
    await search.read(join(dirname(path), name))
    if (search.isOver) break
  }
  return gatherer.end()[0]
}

/** Of a rotated capture all files, the newest last: an exchange may begin in any of them. */
async function filesFrom(path: string, from: string | undefined): Promise<string[]> {
  const own = basename(path)
  const sets = await listCaptureSets(dirname(path)).catch(() => [])
  const files = sets.find((set) => set.files.some(({ name }) => name === own))?.files ?? []
  const first = files.findIndex((file) => isSameFile(file, from ?? ''))
  const names = files.slice(Math.max(0, first)).map(({ name }) => name)
  return names.length === 0 ? [own] : names
}

/** It may have been compressed since. */
function isSameFile({ name }: CaptureSetFile, wanted: string): boolean {
  return name.replace(/\.gz$/u, '') === wanted.replace(/\.gz$/u, '')
}

class ExchangeSearch {
  readonly #needle: Buffer
  readonly #exchangeId: string
  readonly #onMessage: (msg: AnalysisMsg) => void
  /** Lines that are still looked at, once the end was told. */
  #left = Infinity

  constructor(exchangeId: string, onMessage: (msg: AnalysisMsg) => void) {
    this.#exchangeId = exchangeId
    this.#needle = Buffer.from(`"exchangeId":${JSON.stringify(exchangeId)}`)
    this.#onMessage = onMessage
  }

  get isOver(): boolean {
    return this.#left <= 0
  }

  async read(path: string): Promise<void> {
    const blobs = new BlobStore(maxLineBytes)
    for await (const lines of scanLines(path)) {
      for (const { split } of lines) {
        if (!split.ok) continue
        if (looksLikeBlob(split.bytes)) {
          blobs.takeLine(split.bytes)
          continue
        }
        this.#left -= 1
        if (split.bytes.subarray(0, headBytes).includes(this.#needle)) {
          const decoded = decodeSplitLine(split, blobs)
          if (decoded?.ok === true && decoded.type === 'message') this.#take(decoded.msg)
        }
        if (this.isOver) return
      }
    }
  }

  #take(msg: AnalysisMsg): void {
    if (msg.exchangeId !== this.#exchangeId) return
    this.#onMessage(msg)
    const isEnd = msg.kind === 'exchange-completed' || msg.kind === 'exchange-failed'
    if (isEnd) this.#left = linesAfterEnd
  }
}
