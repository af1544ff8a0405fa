/**
 * Finds one exchange, tunnel or refusal in a capture, by its id or as the last there is, with what
 * was told of its connection. One pass over the lines, most of them unparsed; what it remembers of
 * others is bounded.
 */
import { basename, dirname, join } from 'node:path'

import type { AnalysisMsg } from '../messages/schema.ts'
import { BlobStore, looksLikeBlob } from './blob-store.ts'
import { captureSetOf } from './capture-sets.ts'
import { decodeSplitLine } from './line-decoder.ts'
import { headOf } from './line-kind.ts'
import { loadMessages } from './load-record.ts'
import type { ScannedLine } from './scan-lines.ts'
import { maxLineBytes, scanLines } from './scan-lines.ts'

export interface FoundExchange {
  /** Of the exchange; of a tunnel or a refusal without one, that of its connection. */
  readonly id: string
  /** What was told of it, in order; empty for what has no exchange. */
  readonly messages: readonly AnalysisMsg[]
  /** What was told of its connection: who, tunnel or not, refused, distrusted. */
  readonly connection: readonly AnalysisMsg[]
}

export interface FindResult {
  readonly found: FoundExchange | undefined
  /** Ids that there are, the newest last; of the last thousand. */
  readonly ids: readonly string[]
}

const rememberedIds = 1000
const rememberedConnections = 4096
/** Of one connection: a program may try again and again. */
const rememberedPerConnection = 64

/** What is told of connections; an exchange begins with the last. */
const connectionKinds: ReadonlySet<string> = new Set([
  'connection-opened',
  'connection-refused',
  'tunnel-opened',
  'tunnel-closed',
  'tls-failed',
  'request-started',
])

/**
 * `wanted`: an id of an exchange or a connection, or its end (`x17`); undefined for the last there
 * is. Rejects with ERR_CAPTURE_UNREADABLE.
 */
export async function findExchange(path: string, wanted: string | undefined): Promise<FindResult> {
  const search = new Search(wanted)
  const set = await captureSetOf(path)
  const names = set?.files.map(({ name }) => name) ?? [basename(path)]
  for (const name of names) await search.read(join(dirname(path), name))
  const { best, ids } = search
  if (best === undefined) return { found: undefined, ids }
  const { exchangeId, connectionId } = best
  const connection = search.connectionOf(connectionId).filter(
    // Other requests of the same connection are none of this one's, and its own are all below.
    (msg) => msg.exchangeId === undefined,
  )
  const messages = exchangeId === undefined ? [] : await loadMessages(path, exchangeId)
  return { found: { id: exchangeId ?? connectionId ?? '', messages, connection }, ids }
}

class Search {
  best: AnalysisMsg | undefined
  readonly #wanted: string | undefined
  readonly #ids = new Set<string>()
  readonly #connections = new Map<string, AnalysisMsg[]>()

  constructor(wanted: string | undefined) {
    this.#wanted = wanted
  }

  get ids(): string[] {
    return [...this.#ids]
  }

  connectionOf(id: string | undefined): readonly AnalysisMsg[] {
    return this.#connections.get(id ?? '') ?? []
  }

  async read(path: string): Promise<void> {
    const blobs = new BlobStore(maxLineBytes)
    for await (const lines of scanLines(path)) {
      for (const line of lines) this.#look(line, blobs)
    }
  }

  #look(line: ScannedLine, blobs: BlobStore): void {
    const { split } = line
    if (!split.ok || looksLikeBlob(split.bytes)) return
    const { kind } = headOf(line)
    if (kind !== undefined && !connectionKinds.has(kind)) return
    const decoded = decodeSplitLine(split, blobs)
    if (decoded?.ok !== true || decoded.type !== 'message') return
    const { msg } = decoded
    if (!connectionKinds.has(msg.kind)) return
    this.#remember(msg)
    if (msg.kind === 'connection-opened' || msg.kind === 'tunnel-closed') return
    const id = msg.exchangeId ?? msg.connectionId
    if (id === undefined) return
    this.#ids.delete(id)
    this.#ids.add(id)
    const [oldest] = this.#ids
    if (this.#ids.size > rememberedIds && oldest !== undefined) this.#ids.delete(oldest)
    if (this.#isWanted(msg)) this.best = msg
  }

  #remember(msg: AnalysisMsg): void {
    if (msg.connectionId === undefined || msg.kind === 'request-started') return
    const known = this.#connections.get(msg.connectionId) ?? []
    this.#connections.set(msg.connectionId, known)
    if (known.length < rememberedPerConnection) known.push(msg)
    if (this.#connections.size <= rememberedConnections) return
    const [oldest] = this.#connections.keys()
    if (oldest !== undefined) this.#connections.delete(oldest)
  }

  #isWanted({ exchangeId, connectionId }: AnalysisMsg): boolean {
    const wanted = this.#wanted
    if (wanted === undefined) return true
    return [exchangeId, connectionId].some((id) => id === wanted || id?.endsWith(`-${wanted}`))
  }
}
