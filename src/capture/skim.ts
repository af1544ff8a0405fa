/**
 * Reads a large capture quickly and in little memory: of its older exchanges everything but their
 * bodies, and of their prompts the end, of the newest ones everything. Content that stands in blobs
 * is read where something refers to it. Lines come in the order in which `readCapture` gives them.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { BlobStore, looksLikeBlob } from './blob-store.ts'
import { captureSetOf } from './capture-sets.ts'
import { bodyKinds, headOf } from './line-kind.ts'
import { plainSize } from './open-capture.ts'
import type { CaptureLine } from './reader.ts'
import { readCaptureLine } from './reader.ts'
import type { ScannedLine } from './scan-lines.ts'
import { maxLineBytes, scanLines } from './scan-lines.ts'

export interface SkimPlan {
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  /** Of all files, as plain text. */
  readonly bytes: number
}

export interface SkimOptions {
  /** Plain bytes at the end that are read in full. */
  readonly fullBytes: number
  /** Given the ids of exchanges that are read in full. */
  readonly full: Set<string>
  /** Plain bytes that were read so far. */
  readonly onProgress: (done: number) => void
}

/** The files of the capture that `path` leads to. Rejects with ERR_CAPTURE_UNREADABLE. */
export async function planSkim(path: string): Promise<SkimPlan> {
  const set = await captureSetOf(path)
  const isNewest = set?.files.at(-1)?.name === basename(path)
  const names = isNewest ? set.files.map(({ name }) => name) : [basename(path)]
  const files = []
  for (const name of names) {
    const each = join(dirname(path), name)
    files.push({ path: each, bytes: await plainSize(each) })
  }
  return { files, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}

export async function* skimCapture(
  plan: SkimPlan,
  { fullBytes, full, onProgress }: SkimOptions,
): AsyncGenerator<CaptureLine, void, undefined> {
  const choice = new Choice(full)
  let before = 0
  for (const { path, bytes } of plan.files) {
    for await (const { line, end } of skimFile(path, (at) => {
      choice.isFull = plan.bytes - before - at <= fullBytes
      return choice
    })) {
      onProgress(before + end)
      if (line !== undefined) yield line
    }
    before += bytes
  }
}

/** Which lines are read: an exchange is read in full only if it is so from its first line on. */
class Choice {
  isFull = false
  readonly #full: Set<string>

  constructor(full: Set<string>) {
    this.#full = full
  }

  wants(line: ScannedLine): boolean {
    const { kind, exchangeId } = headOf(line)
    if (this.isFull && kind === 'request-started' && exchangeId !== undefined) {
      this.#full.add(exchangeId)
    }
    if (kind === undefined || !bodyKinds.has(kind)) return true
    return this.isFull && this.#isInFull(exchangeId)
  }

  wantsAllOf(line: ScannedLine): boolean {
    return this.#isInFull(headOf(line).exchangeId)
  }

  #isInFull(exchangeId: string | undefined): boolean {
    return exchangeId !== undefined && this.#full.has(exchangeId)
  }
}

interface Skimmed {
  readonly line: CaptureLine | undefined
  readonly end: number
}

async function* skimFile(
  path: string,
  choiceAt: (at: number) => Choice,
): AsyncGenerator<Skimmed, void, undefined> {
  const blobs = new BlobStore(maxLineBytes)
  const file = new PlainFile(path)
  let lineNumber = 0
  const read = (scanned: ScannedLine): CaptureLine | undefined => {
    lineNumber += 1
    const { split, at, end } = scanned
    if (split.ok && looksLikeBlob(split.bytes)) {
      blobs.takeLine(split.bytes, file.reader(at, end))
      return undefined
    }
    const choice = choiceAt(at)
    if (choice.wants(scanned)) {
      return readCaptureLine(split, { path, lineNumber }, blobs, !choice.wantsAllOf(scanned))
    }
    if (split.ok) blobs.passOver(split.bytes)
    return undefined
  }
  // One at a time: refs make lines many times longer than the bytes that hold them.
  function* readGroup(lines: readonly ScannedLine[]): Generator<Skimmed, void, undefined> {
    for (const scanned of lines) {
      const line = read(scanned)
      if (line !== undefined) yield { line, end: scanned.end }
    }
    yield { line: undefined, end: lines.at(-1)?.end ?? 0 }
  }
  try {
    for await (const lines of scanLines(path)) yield* readGroup(lines)
  } finally {
    file.close()
  }
}

/** A file whose lines can be read again by their places; a compressed one has none. */
class PlainFile {
  readonly #path: string
  #handle: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  reader(at: number, end: number): (() => Buffer) | undefined {
    if (this.#path.endsWith('.gz')) return undefined
    return () => {
      this.#handle ??= openSync(this.#path, 'r')
      const line = Buffer.alloc(end - at - 1)
      const bytesRead = readSync(this.#handle, line, 0, line.length, at)
      return line.subarray(0, bytesRead)
    }
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle)
  }
}
