/**
 * What a viewer that attaches late is shown: the recent messages, encoded, within a bound in bytes.
 * It forgets by exchange, not by message, so that what is left reads as whole exchanges: ended ones
 * go first, oldest first. One exchange that would fill it alone keeps its heads and loses its
 * bodies. Long messages may be given as they are, and are encoded if a viewer comes. No sockets and
 * no clock here.
 */
import type { AnalysisMsg, MsgKind } from '../messages/schema.ts'

/** A line, or what makes it where it is asked for: nobody may ever do so. */
type SnapshotLine =
  | Buffer
  /** `length` is about that of the line; `encode` gives undefined where there can be none. */
  | { readonly length: number; readonly encode: () => Buffer | undefined }

interface Entry {
  readonly order: number
  readonly line: SnapshotLine
  readonly isBulk: boolean
}

interface Group {
  entries: Entry[]
  bytes: number
  /** Its bulk was dropped, and later bulk is not kept either. */
  isThinned: boolean
}

const bulkKinds: ReadonlySet<MsgKind> = new Set<MsgKind>([
  'request-body',
  'response-body',
  'http-parsed',
  'sse-event',
  'websocket-message',
])
const endKinds: ReadonlySet<MsgKind> = new Set<MsgKind>([
  'exchange-completed',
  'exchange-failed',
  'connection-closed',
  'connection-refused',
  'tunnel-closed',
])
/** One exchange may take this part of the whole before it is thinned. */
const groupShare = 1 / 4
/** Forgotten exchanges whose later messages are not kept either: half an exchange says little. */
const maxForgotten = 4096
/** What an entry costs beside its bytes. */
const entryOverheadBytes = 128

export class Snapshot {
  readonly #maxBytes: number
  readonly #running = new Map<string, Group>()
  readonly #ended = new Map<string, Group>()
  readonly #forgotten = new Set<string>()
  #order = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `line` is `msg` encoded, or encodes it later; it is kept, not copied. */
  add(msg: AnalysisMsg, line: SnapshotLine): void {
    this.#order += 1
    const owner = msg.exchangeId ?? msg.connectionId
    const key = owner ?? `#${this.#order}`
    if (this.#forgotten.has(key)) return
    const group = this.#groupOf(key)
    const isBulk = bulkKinds.has(msg.kind)
    if (!isBulk || !group.isThinned) {
      group.entries.push({ order: this.#order, line, isBulk })
      group.bytes += costOf(line)
      this.#bytes += costOf(line)
    }
    if (owner === undefined || endKinds.has(msg.kind)) {
      this.#running.delete(key)
      this.#ended.set(key, group)
    }
    if (group.bytes > this.#maxBytes * groupShare && !group.isThinned) this.#thin(group)
    while (this.#bytes > this.#maxBytes) this.#forgetOldest()
  }

  /** The lines, in the order in which they were added. */
  lines(): Buffer[] {
    return [...this.#running.values(), ...this.#ended.values()]
      .flatMap((group) => group.entries)
      .sort((a, b) => a.order - b.order)
      .flatMap(({ line }) => (Buffer.isBuffer(line) ? line : (line.encode() ?? [])))
  }

  #groupOf(key: string): Group {
    const found = this.#running.get(key) ?? this.#ended.get(key)
    if (found !== undefined) return found
    const group: Group = { entries: [], bytes: 0, isThinned: false }
    this.#running.set(key, group)
    return group
  }

  #thin(group: Group): void {
    group.isThinned = true
    group.entries = group.entries.filter((entry) => !entry.isBulk)
    const bytes = group.entries.reduce((sum, entry) => sum + costOf(entry.line), 0)
    this.#bytes -= group.bytes - bytes
    group.bytes = bytes
  }

  #forgetOldest(): void {
    const groups = this.#ended.size > 0 ? this.#ended : this.#running
    const oldest = groups.entries().next().value
    if (oldest === undefined) return
    const [key, group] = oldest
    groups.delete(key)
    this.#bytes -= group.bytes
    // Nothing else can come for a message that belongs to no exchange.
    if (key.startsWith('#')) return
    this.#forgotten.add(key)
    const [first] = this.#forgotten
    if (this.#forgotten.size > maxForgotten && first !== undefined) this.#forgotten.delete(first)
  }
}

function costOf(line: SnapshotLine): number {
  return line.length + entryOverheadBytes
}
