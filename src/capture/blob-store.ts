/**
 * The reading side of refs: keeps the blobs of one capture file and puts them back in the place of
 * the refs that name them. It keeps more than a writer refers back to (`known-pieces.ts`), and no
 * more than that; what a line may grow to is bounded too, for a capture may come from anybody.
 */
import { LRUCache } from 'lru-cache'

import { blobSchema, bodyKinds } from '../messages/capture-line.ts'
import type { Blob } from '../messages/capture-line.ts'
import { decodeBytes, parseLine } from '../messages/codec.ts'
import type { Json } from '../messages/schema.ts'
import { knownBytes } from './known-pieces.ts'

type Fields = Readonly<Record<string, unknown>>

export type Resolved =
  /** Without refs: the very value that was given. */
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string }

/** UTF-16 units; twice what a writer refers back to, for two processes may write to one file. */
const keptLength = 2 * knownBytes

/** UTF-16 units of lines that are kept parsed: prompts refer to the same ones turn by turn. */
const parsedLength = 8 * 1024 * 1024

interface Kept {
  readonly length: number
  /** What it takes to keep it, or to keep track of it as long as the writer does. */
  readonly cost: number
  /** Undefined where a line turned out to hold none. */
  read(): Blob | undefined
}

/** How every blob begins that Porthole has written. */
const lineHead = Buffer.from('{"kind":"blob","hash":"')
const refsHead = Buffer.from('"refs":[')
const quote = 0x22

/** Whether a line is a blob, told by its first bytes. */
export function looksLikeBlob(line: Buffer): boolean {
  return (
    line.length > lineHead.length &&
    line.compare(lineHead, 0, lineHead.length, 0, lineHead.length) === 0
  )
}

export class BlobStore {
  readonly #maxLength: number
  readonly #blobs = new LRUCache<string, Kept>({
    maxSize: keptLength,
    sizeCalculation: ({ length }) => length,
  })

  /** Of those that were taken as lines. */
  readonly #parsed = new LRUCache<string, { readonly blob: Blob; readonly length: number }>({
    maxSize: parsedLength,
    sizeCalculation: ({ length }) => length,
  })

  /** `maxLength` bounds what the refs of one line may stand for, in UTF-16 units. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Takes a line of kind `blob`; returns what is wrong with it, if anything is. */
  take(value: object, lineLength: number): string | undefined {
    const parsed = blobSchema.safeParse(value)
    if (!parsed.success) return 'a blob without its fields'
    const { hash, text, base64, json } = parsed.data
    const contents = [text, base64, json].filter((content) => content !== undefined)
    if (contents.length !== 1) return 'a blob without content, or with two'
    const length = Math.max(1, text?.length ?? base64?.length ?? lineLength)
    this.#blobs.set(hash, { length, cost: length, read: () => parsed.data })
    return undefined
  }

  /**
   * Takes a line that looks like a blob, to be read only where something refers to it. `readAgain`
   * gives the line once more; without it, a copy is kept.
   */
  takeLine(line: Buffer, readAgain?: () => Buffer): void {
    const hash = line.toString('utf8', lineHead.length, line.indexOf(quote, lineHead.length))
    // A copy: the line is part of a larger piece of the file.
    const kept = readAgain === undefined ? Buffer.from(line) : undefined
    const again = readAgain ?? (() => kept ?? line)
    this.#parsed.delete(hash)
    const { length } = line
    // Escapes make lines longer than the content that the writer counts.
    const cost = kept === undefined ? Math.ceil(length / 2) : length
    this.#blobs.set(hash, { length, cost, read: () => this.#readOnce(hash, again) })
  }

  /**
   * Notes what a line refers to that is not resolved: the writer forgets what was not used for
   * long, and what is kept here must be what it still knows.
   */
  passOver(line: Buffer): void {
    if (!line.includes(refsHead)) return
    const parsed = parseLine(line.toString('utf8'))
    if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) return
    const { refs } = parsed.value as { readonly refs?: unknown }
    if (!Array.isArray(refs)) return
    for (const ref of refs) if (typeof ref === 'string') this.#blobs.get(ref)
  }

  #readOnce(hash: string, again: () => Buffer): Blob | undefined {
    const known = this.#parsed.get(hash)
    if (known !== undefined) return known.blob
    const line = again()
    const blob = readBlob(line)
    if (blob !== undefined) this.#parsed.set(hash, { blob, length: line.length })
    return blob
  }

  /**
   * `value` as it was before it was stored. `isBrief`: of a prompt only what its last ref stands
   * for, which is mostly what was new in it, and no tools; the rest is not even read.
   */
  resolve(value: unknown, isBrief = false): Resolved {
    if (typeof value !== 'object' || value === null || !('kind' in value))
      return { ok: true, value }
    const fields = value as Fields
    if ('refs' in value && bodyKinds.some((kind) => kind === value.kind)) {
      return this.#resolveBody(fields)
    }
    if (value.kind !== 'model-called') return { ok: true, value }
    if (!('messageRefs' in value) && !('toolRefs' in value)) return { ok: true, value }
    return isBrief ? this.#resolveBriefly(fields) : this.#resolveCall(fields)
  }

  #resolveBody(fields: Fields): Resolved {
    const found = this.#find([fields['refs']])
    if (!found.ok) return found
    const blobs = found.lists[0] ?? []
    const isText = blobs.every(({ text }) => text !== undefined)
    if (blobs.some(({ json }) => json !== undefined)) return missing
    const content = isText
      ? blobs.map(({ text }) => text).join('')
      : Buffer.concat(blobs.map(decodeBytes)).toString('base64')
    return replaced(fields, { refs: [isText ? 'text' : 'base64', content] })
  }

  #resolveCall(fields: Fields): Resolved {
    const found = this.#find([fields['messageRefs'] ?? [], fields['toolRefs'] ?? []])
    if (!found.ok) return found
    const [messages, tools] = found.lists.map(joinedJson)
    if (messages === undefined || tools === undefined) return missing
    return replaced(fields, {
      messageRefs: ['messages', messages],
      toolRefs: ['tools', tools],
    })
  }

  #resolveBriefly(fields: Fields): Resolved {
    const refs = [fields['messageRefs'], fields['toolRefs']].flat()
    // The writer counts them all as used.
    for (const ref of refs) if (typeof ref === 'string') this.#blobs.get(ref)
    const { messageRefs } = fields
    const last = Array.isArray(messageRefs) ? messageRefs.slice(-1) : messageRefs
    return this.#resolveCall({ ...fields, messageRefs: last, toolRefs: [] })
  }

  /** The blobs that each of `lists` names. */
  #find(
    lists: readonly unknown[],
  ): Extract<Resolved, { ok: false }> | { readonly ok: true; readonly lists: readonly Blob[][] } {
    let length = 0
    const found: Blob[][] = []
    for (const list of lists) {
      if (!Array.isArray(list)) return missing
      const blobs: Blob[] = []
      for (const hash of list) {
        const kept = typeof hash === 'string' ? this.#blobs.get(hash) : undefined
        if (kept === undefined) return missing
        length += kept.length
        if (length > this.#maxLength) {
          return { ok: false, problem: 'what it refers to is too long to read' }
        }
        const blob = kept.read()
        if (blob === undefined) return missing
        blobs.push(blob)
      }
      found.push(blobs)
    }
    return { ok: true, lists: found }
  }
}

const missing = { ok: false, problem: 'a blob that it refers to is missing' } as const

function readBlob(line: Buffer): Blob | undefined {
  const parsed = parseLine(line.toString('utf8'))
  return parsed.ok ? blobSchema.safeParse(parsed.value).data : undefined
}

/** Undefined where a blob holds no list. */
function joinedJson(blobs: readonly Blob[]): Json[] | undefined {
  const joined: Json[] = []
  for (const { json } of blobs) {
    if (json === undefined) return undefined
    for (const value of json) joined.push(value)
  }
  return joined
}

/** `fields` with some replaced, each in its place: lines are compared as they stand. */
function replaced(
  fields: Fields,
  by: Readonly<Record<string, readonly [string, unknown]>>,
): Resolved {
  const entries = Object.entries(fields).map(([name, value]) => by[name] ?? [name, value])
  return { ok: true, value: Object.fromEntries(entries) }
}
