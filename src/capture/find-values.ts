/**
 * Which lines of a capture file hold values that were stored as secrets after it was written. Bytes
 * are looked at as they stand, those in base64 opened, and a body that came in pieces is looked at
 * over their edges too. Bodies in a coding (gzip and the like) are not opened: what calls said in
 * them stands in lines of its own.
 */
import { LRUCache } from 'lru-cache'

import { bodyKinds } from '../messages/capture-line.ts'
import { parseLine } from '../messages/codec.ts'
import type { ValueScanner } from '../policy/value-scanner.ts'
import { scanLines } from './scan-lines.ts'

export interface ValueInCapture {
  readonly secretId: string
  /** From 1, within its file. */
  readonly lineNumber: number
  /** Of the line; undefined for a blob, and what belongs to no exchange. */
  readonly exchangeId: string | undefined
}

export interface FileScan {
  readonly found: readonly ValueInCapture[]
  /** Lines that are too long to be looked at. */
  readonly unread: number
}

/** Of a body's piece, kept for the next one, in characters; longer values are found within one. */
const keptTail = 4096
const mostBodies = 1024

const encoded = Buffer.from('"base64":"')
const bodyHeads = bodyKinds.map((kind) => Buffer.from(`{"kind":"${kind}"`))

/** Rejects with `ERR_CAPTURE_UNREADABLE`. */
export async function findValuesIn(path: string, values: ValueScanner): Promise<FileScan> {
  const look = new LineLook(values)
  const found: ValueInCapture[] = []
  let unread = 0
  let lineNumber = 0
  for await (const lines of scanLines(path)) {
    for (const { split } of lines) {
      lineNumber += 1
      if (!split.ok) {
        unread += 1
        continue
      }
      const { ids, exchangeId } = look.at(split.bytes)
      found.push(...[...ids].map((secretId) => ({ secretId, lineNumber, exchangeId })))
    }
  }
  return { found, unread }
}

class LineLook {
  readonly #values: ValueScanner
  /** By exchange and direction: how its body ended so far. */
  readonly #tails = new LRUCache<string, string>({ max: mostBodies })

  constructor(values: ValueScanner) {
    this.#values = values
  }

  at(bytes: Buffer): { readonly ids: ReadonlySet<string>; readonly exchangeId?: string } {
    const ids = new Set(this.#values.findIn(bytes).map(({ secretId }) => secretId))
    const isBody = bodyHeads.some((head) => bytes.subarray(0, head.length).equals(head))
    if (!isBody && ids.size === 0 && !bytes.includes(encoded)) return { ids }
    const parsed = parseLine(bytes.toString('utf8'))
    if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) return { ids }
    const line: Readonly<Record<string, unknown>> = { ...parsed.value }
    const { base64, exchangeId } = line
    const content = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined
    if (content !== undefined) this.#take(ids, content)
    if (isBody) this.#takeJoined(ids, line, content)
    return typeof exchangeId === 'string' ? { ids, exchangeId } : { ids }
  }

  #take(ids: Set<string>, bytes: Buffer): void {
    for (const { secretId } of this.#values.findIn(bytes)) ids.add(secretId)
  }

  /** What stands over the edge between the piece before and this one. */
  #takeJoined(
    ids: Set<string>,
    { kind, exchangeId, direction, text }: Readonly<Record<string, unknown>>,
    content: Buffer | undefined,
  ): void {
    const own = content?.toString('latin1') ?? (typeof text === 'string' ? text : '')
    const key = [kind, exchangeId, direction].join(' ')
    const before = this.#tails.get(key) ?? ''
    this.#tails.set(key, `${before}${own}`.slice(-keptTail))
    if (before === '') return
    for (const { secretId, start, end } of this.#values.find(
      `${before}${own.slice(0, keptTail)}`,
    )) {
      if (start < before.length && end > before.length) ids.add(secretId)
    }
  }
}
