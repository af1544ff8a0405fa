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
/** Of a piece that bodies refer to, at either end, in characters. */
const keptEdge = 1024
/** What a writer refers back to (`known-pieces.ts`), in pieces of the least size. */
const mostPieces = 32_768

const blobHead = Buffer.from('{"kind":"blob"')
const encoded = Buffer.from('"base64":"')
const bodyHeads = bodyKinds.map((kind) => Buffer.from(`{"kind":"${kind}"`))

/** Rejects with `ERR_CAPTURE_UNREADABLE`. */
export async function findValuesIn(path: string, values: ValueScanner): Promise<FileScan> {
  const look = new LineLook(values)
  const found: ValueInCapture[] = []
  let unread = 0
  let lineNumber = 0
  // A proxy that was killed, or a disk that was full, leaves a line without its end.
  for await (const lines of scanLines(path, 0, { withRest: true })) {
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

/** How a piece begins and ends. */
interface Edges {
  readonly head: string
  readonly tail: string
}

class LineLook {
  readonly #values: ValueScanner
  /** By exchange and direction: how its body ended so far. */
  readonly #tails = new LRUCache<string, string>({ max: mostBodies })
  /** By hash. */
  readonly #pieces = new LRUCache<string, Edges>({ max: mostPieces })
  /** What stands over the edge of two pieces, by their hashes: bodies of a session share most. */
  readonly #joints = new LRUCache<string, ReadonlySet<string>>({ max: mostPieces })

  constructor(values: ValueScanner) {
    this.#values = values
  }

  at(bytes: Buffer): { readonly ids: ReadonlySet<string>; readonly exchangeId?: string } {
    const ids = new Set(this.#values.findIn(bytes).map(({ secretId }) => secretId))
    const begins = (head: Buffer): boolean => bytes.subarray(0, head.length).equals(head)
    const isBody = bodyHeads.some(begins)
    const isBlob = begins(blobHead)
    if (!isBody && !isBlob && ids.size === 0 && !bytes.includes(encoded)) return { ids }
    const parsed = parseLine(bytes.toString('utf8'))
    if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) return { ids }
    const line: Readonly<Record<string, unknown>> = { ...parsed.value }
    const { base64, exchangeId } = line
    const content = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined
    if (content !== undefined) this.#take(ids, content)
    if (isBlob) this.#keepEdges(line, content)
    if (isBody) this.#takeJoined(ids, line, content)
    return typeof exchangeId === 'string' ? { ids, exchangeId } : { ids }
  }

  #take(ids: Set<string>, bytes: Buffer): void {
    for (const { secretId } of this.#values.findIn(bytes)) ids.add(secretId)
  }

  #keepEdges({ hash, text }: Readonly<Record<string, unknown>>, content: Buffer | undefined): void {
    const own = textOf(text, content)
    if (typeof hash !== 'string' || own === '') return
    this.#pieces.set(hash, {
      head: copyOf(own.slice(0, keptEdge)),
      tail: copyOf(own.slice(-keptEdge)),
    })
  }

  /** What stands over the edge between the piece before and this one. */
  #takeJoined(
    ids: Set<string>,
    { kind, exchangeId, direction, text, refs }: Readonly<Record<string, unknown>>,
    content: Buffer | undefined,
  ): void {
    const own = Array.isArray(refs) ? this.#takePieces(ids, refs) : textOf(text, content)
    const { head, tail } = typeof own === 'string' ? { head: own, tail: own } : own
    const key = [kind, exchangeId, direction].join(' ')
    const before = this.#tails.get(key) ?? ''
    this.#tails.set(key, copyOf(`${before}${tail}`.slice(-keptTail)))
    for (const id of this.#over(before, head.slice(0, keptTail))) ids.add(id)
  }

  /** What stands over the edges of pieces that lie in blobs; how the first begins and the last ends. */
  #takePieces(ids: Set<string>, refs: readonly unknown[]): Edges {
    const pieces = refs.map((ref) => [ref, this.#pieces.get(String(ref))] as const)
    for (const [index, [ref, piece]] of pieces.entries()) {
      const [refBefore, before] = pieces[index - 1] ?? []
      if (piece === undefined || before === undefined) continue
      const joint = `${String(refBefore)} ${String(ref)}`
      const found = this.#joints.get(joint) ?? this.#over(before.tail, piece.head)
      this.#joints.set(joint, found)
      for (const id of found) ids.add(id)
    }
    return { head: pieces.at(0)?.[1]?.head ?? '', tail: pieces.at(-1)?.[1]?.tail ?? '' }
  }

  #over(before: string, after: string): ReadonlySet<string> {
    if (before === '' || after === '') return nothing
    const edge = before.length
    const found = this.#values.find(`${before}${after}`)
    const over = found.filter(({ start, end }) => start < edge && end > edge)
    return over.length === 0 ? nothing : new Set(over.map(({ secretId }) => secretId))
  }
}

const nothing: ReadonlySet<string> = new Set()

function textOf(text: unknown, content: Buffer | undefined): string {
  return content?.toString('latin1') ?? (typeof text === 'string' ? text : '')
}

/** A slice would keep the whole line that it was cut from. */
function copyOf(text: string): string {
  return Buffer.from(text).toString()
}
