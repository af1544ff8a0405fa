/**
 * Reads the capture of the soak, file by file as they are finished, and holds it against the ledger:
 * every exchange ends once, every byte recorded is one that was sent, every count agrees.
 */
import { readCapture } from '../../src/capture/reader.ts'
import { decodeBytes } from '../../src/messages/codec.ts'
import type { AnalysisMsg, MsgOf } from '../../src/messages/schema.ts'
import { bodyOf, isPieceOf } from './bodies.ts'
import type { ClientEntry, Ledger, OriginEntry } from './ledger.ts'

interface Recorded {
  readonly exchangeId: string
  readonly soakId: string
  requestBytes: number
  responseBytes: number
  requestMessages: number
  end: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'> | undefined
}

export interface AuditFigures {
  readonly lines: number
  readonly exchanges: number
  readonly completed: number
  readonly failed: Readonly<Record<string, number>>
  readonly tunnels: number
  readonly connections: number
  readonly toldDrops: { readonly count: number; readonly bytes: number }
  readonly recordedBytes: number
}

/** Told at most; a fault that breaks everything must not fill the screen. */
const maxViolations = 200

export class Audit {
  readonly violations: string[] = []
  readonly #ledger: Ledger
  readonly #open = new Map<string, Recorded>()
  readonly #ended = new Map<string, Recorded>()
  readonly #connections = new Map<string, { readonly port: number; readonly at: number }>()
  readonly #openTunnels = new Set<string>()
  readonly #closedTunnels = new Map<string, MsgOf<'tunnel-closed'>>()
  #openConnections = 0
  #lastSeq = -1
  #lines = 0
  #recordedBytes = 0
  #dropped = { count: 0, bytes: 0 }

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  violate(text: string): void {
    if (this.violations.length < maxViolations) this.violations.push(text)
  }

  /** One file; those before it have been read already. */
  async readFile(path: string): Promise<void> {
    for await (const line of readCapture(path)) {
      this.#lines += 1
      if (line.type === 'problem' && line.problem.startsWith('the earlier file ')) continue
      if (line.type === 'message') this.#take(line.msg)
      else if (line.type !== 'header') {
        const what = line.type === 'problem' ? line.problem : 'a kind that nobody knows'
        this.violate(`${path}:${line.lineNumber}: ${what}`)
      }
    }
  }

  /** A capture that could not keep up: what it was given is in it, or counted where it would stand. */
  async readNarrow(path: string, offered: number): Promise<{ lines: number; dropped: number }> {
    let lines = 0
    let dropped = 0
    for await (const line of readCapture(path)) {
      if (line.type === 'problem') this.violate(`${path}:${line.lineNumber}: ${line.problem}`)
      if (line.type !== 'message') continue
      if (line.msg.kind === 'messages-dropped') dropped += line.msg.count
      else lines += 1
    }
    if (lines + dropped !== offered) {
      this.violate(`of ${offered} lines for a short queue ${lines} are there and ${dropped} told`)
    }
    return { lines, dropped }
  }

  /** After the last file: what is missing, and whether the sums agree. */
  finish(droppedInAll: number): AuditFigures {
    for (const { exchangeId, soakId } of this.#open.values()) {
      this.violate(`${exchangeId} (${soakId}) has no terminal message`)
    }
    if (this.#openConnections !== 0) {
      this.violate(`${this.#openConnections} connections were opened and never closed`)
    }
    for (const id of this.#openTunnels) this.violate(`the tunnel of ${id} was never closed`)
    // Body chunks that were dropped leave gaps, which the counts of heads and ends do not show.
    if (this.#dropped.count !== droppedInAll) {
      this.violate(`${droppedInAll} messages were dropped, ${this.#dropped.count} were told`)
    }
    const tunnels = this.#matchTunnels()
    for (const client of this.#ledger.clients.values()) this.#compare(client, tunnels)
    const recorded = [...this.#ended.values()]
    const failed: Record<string, number> = {}
    for (const { end } of recorded) {
      if (end?.kind !== 'exchange-failed') continue
      const reason = `${end.by} ${end.phase} ${end.code}`
      failed[reason] = (failed[reason] ?? 0) + 1
    }
    return {
      lines: this.#lines,
      exchanges: recorded.length,
      completed: recorded.filter(({ end }) => end?.kind === 'exchange-completed').length,
      failed,
      tunnels: this.#closedTunnels.size,
      connections: this.#connections.size,
      toldDrops: this.#dropped,
      recordedBytes: this.#recordedBytes,
    }
  }

  #take(msg: AnalysisMsg): void {
    if (msg.seq <= this.#lastSeq) this.violate(`seq ${msg.seq} came after ${this.#lastSeq}`)
    this.#lastSeq = msg.seq
    switch (msg.kind) {
      case 'request-started':
        this.#start(msg)
        break
      case 'request-body':
      case 'response-body':
        this.#body(msg)
        break
      case 'websocket-message':
        this.#webSocketMessage(msg)
        break
      case 'request-ended':
      case 'response-ended':
        this.#bodyEnded(msg)
        break
      case 'exchange-completed':
      case 'exchange-failed':
        this.#end(msg)
        break
      case 'messages-dropped':
        if (msg.where !== 'analysis') break
        this.#dropped.count += msg.count
        this.#dropped.bytes += msg.bytes
        break
      case 'analyzer-failed':
        this.violate(`${msg.exchangeId ?? ''}: ${msg.analyzer} failed: ${msg.error}`)
        break
      default:
        this.#connection(msg)
    }
  }

  #connection(msg: AnalysisMsg): void {
    const id = msg.connectionId ?? ''
    switch (msg.kind) {
      case 'connection-opened':
        this.#connections.set(id, { port: msg.clientPort, at: msg.at })
        this.#openConnections += 1
        break
      case 'connection-closed':
        this.#openConnections -= 1
        break
      case 'tunnel-opened':
        this.#openTunnels.add(id)
        break
      case 'tunnel-closed':
        if (!this.#openTunnels.delete(id)) this.violate(`the tunnel of ${id} was closed unopened`)
        this.#closedTunnels.set(id, msg)
        break
      default:
    }
  }

  #start(msg: MsgOf<'request-started'>): void {
    const exchangeId = msg.exchangeId ?? ''
    const soakId = /[?&]soak=(?<id>\w+)/u.exec(msg.url)?.groups?.['id'] ?? 'unknown'
    if (this.#open.has(exchangeId) || this.#ended.has(exchangeId)) {
      this.violate(`${exchangeId} started twice`)
    }
    this.#open.set(exchangeId, {
      exchangeId,
      soakId,
      requestBytes: 0,
      responseBytes: 0,
      requestMessages: 0,
      end: undefined,
    })
  }

  #opened(msg: AnalysisMsg): Recorded | undefined {
    const recorded = this.#open.get(msg.exchangeId ?? '')
    if (recorded === undefined) {
      this.violate(`${msg.exchangeId ?? '?'}: ${msg.kind} outside of an exchange`)
    }
    return recorded
  }

  #body(msg: MsgOf<'request-body'> | MsgOf<'response-body'>): void {
    const recorded = this.#opened(msg)
    if (recorded === undefined) return
    const bytes = decodeBytes(msg)
    this.#recordedBytes += bytes.byteLength
    const field = msg.kind === 'request-body' ? 'requestBytes' : 'responseBytes'
    if (msg.offset < recorded[field]) this.violate(`${recorded.exchangeId}: ${msg.kind} overlaps`)
    recorded[field] = msg.offset + bytes.byteLength
    const client = this.#ledger.clients.get(recorded.soakId)
    if (client === undefined) return
    const body = bodyOf(msg.kind === 'request-body' ? client.request : client.answer)
    if (!isPieceOf(body, msg.offset, bytes)) {
      this.violate(`${recorded.exchangeId} (${recorded.soakId}): ${msg.kind} is not what was sent`)
    }
  }

  #bodyEnded(msg: MsgOf<'request-ended'> | MsgOf<'response-ended'>): void {
    const recorded = this.#opened(msg)
    if (recorded === undefined) return
    const seen = msg.kind === 'request-ended' ? recorded.requestBytes : recorded.responseBytes
    if (seen !== msg.bytes && this.#dropped.count === 0) {
      this.violate(`${recorded.exchangeId}: ${msg.kind} says ${msg.bytes} bytes, recorded ${seen}`)
    }
  }

  #webSocketMessage(msg: MsgOf<'websocket-message'>): void {
    const recorded = this.#opened(msg)
    if (recorded === undefined || msg.opcode !== 1) return
    if (msg.direction === 'request') {
      recorded.requestBytes += msg.bytes ?? 0
      recorded.requestMessages += 1
    } else recorded.responseBytes += msg.bytes ?? 0
  }

  #end(msg: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>): void {
    const exchangeId = msg.exchangeId ?? ''
    const recorded = this.#open.get(exchangeId)
    if (recorded === undefined) {
      const again = this.#ended.has(exchangeId) ? 'a second terminal message' : 'never started'
      this.violate(`${exchangeId}: ${again} (${msg.kind})`)
      return
    }
    recorded.end = msg
    this.#open.delete(exchangeId)
    this.#ended.set(exchangeId, recorded)
  }

  /** Client ports are used again: the nearest connection in time is the one. */
  #matchTunnels(): Map<string, MsgOf<'tunnel-closed'>> {
    const matched = new Map<string, MsgOf<'tunnel-closed'>>()
    const clients = [...this.#ledger.clients.values()].filter(({ kind }) => kind === 'tunnel')
    const byPort = Map.groupBy(clients, ({ localPort }) => localPort)
    for (const [connectionId, closed] of this.#closedTunnels) {
      const connection = this.#connections.get(connectionId)
      const near = byPort.get(connection?.port ?? -1) ?? []
      const nearest = near.toSorted(
        (a, b) =>
          Math.abs(a.openedAt - (connection?.at ?? 0)) -
          Math.abs(b.openedAt - (connection?.at ?? 0)),
      )[0]
      if (nearest !== undefined) matched.set(nearest.id, closed)
    }
    return matched
  }

  #recordedFor: Map<string, Recorded[]> | undefined

  #compare(client: ClientEntry, tunnels: ReadonlyMap<string, MsgOf<'tunnel-closed'>>): void {
    const tell = (what: string): void => this.violate(`${client.id} (${client.what}): ${what}`)
    for (const problem of problemsOf(client, this.#ledger.origins.get(client.id))) tell(problem)
    if (client.kind === 'tunnel') this.#compareTunnel(client, tunnels.get(client.id), tell)
    else this.#compareExchange(client, tell)
  }

  #compareExchange(client: ClientEntry, tell: (what: string) => void): void {
    this.#recordedFor ??= Map.groupBy(this.#ended.values(), ({ soakId }) => soakId)
    const records = this.#recordedFor.get(client.id) ?? []
    if (records.length > 1) tell(`it is recorded ${records.length} times`)
    const [recorded] = records
    if (recorded === undefined) {
      if (client.outcome === 'complete') tell('it completed and is not recorded')
      return
    }
    const isComplete = recorded.end?.kind === 'exchange-completed'
    if (client.outcome === 'complete' && client.status < 400 && !isComplete) {
      tell(`${recorded.exchangeId} completed for its client and failed in the record`)
    }
    this.#compareCounts(client, recorded, (what) => tell(`${recorded.exchangeId}: ${what}`))
  }

  #compareCounts(client: ClientEntry, recorded: Recorded, tell: (what: string) => void): void {
    const { end, requestBytes, responseBytes } = recorded
    const origin = this.#ledger.atOrigin(client.id)
    if (requestBytes > client.sent) tell(`recorded ${requestBytes} of ${client.sent} bytes up`)
    if (responseBytes > origin.sent) tell(`recorded ${responseBytes} of ${origin.sent} bytes down`)
    if (end?.kind !== 'exchange-completed') return
    if (client.kind === 'websocket') {
      compareMessages(recorded, origin, tell)
      return
    }
    // An origin's parser answers what breaks off with a 400, before its books are opened.
    if (end.status >= 400) return
    if (!origin.receivedAll || end.requestBytes !== origin.received) {
      tell(`completed with ${end.requestBytes} bytes up, the origin got ${origin.received}`)
    }
    if (!origin.sentAll || end.responseBytes !== origin.sent) {
      tell(`completed with ${end.responseBytes} bytes down, the origin sent ${origin.sent}`)
    }
    if (client.outcome === 'complete' && client.received !== origin.sent) {
      tell(`the client got ${client.received} bytes, the origin sent ${origin.sent}`)
    }
  }

  #compareTunnel(
    client: ClientEntry,
    closed: MsgOf<'tunnel-closed'> | undefined,
    tell: (what: string) => void,
  ): void {
    if (closed === undefined) {
      if (client.outcome === 'complete') tell('the tunnel is not recorded')
      return
    }
    const origin = this.#ledger.atOrigin(client.id)
    const where = closed.connectionId ?? ''
    const isClean = client.outcome === 'complete' && origin.receivedAll && origin.sentAll
    const agrees = (recorded: number, seen: number): boolean =>
      isClean ? recorded === seen : recorded <= seen
    const up = isClean ? origin.received : client.sent
    if (!agrees(closed.bytesUp, up)) tell(`${where}: ${closed.bytesUp} bytes up, seen ${up}`)
    if (!agrees(closed.bytesDown, origin.sent)) {
      tell(`${where}: ${closed.bytesDown} bytes down, the origin sent ${origin.sent}`)
    }
  }
}

/** What needs no capture to be seen. */
function* problemsOf(client: ClientEntry, origin: OriginEntry | undefined): Generator<string> {
  if (client.problem !== undefined) yield client.problem
  if (origin?.problem !== undefined) yield `at the origin ${origin.problem}`
  if (origin !== undefined && origin.attempts > 1)
    yield `the origin got it ${origin.attempts} times`
  if (client.outcome === 'stuck') yield 'its client waited in vain'
  if (client.outcome === 'running') yield 'its client never ended'
}

/** Of a WebSocket that was closed as agreed. */
function compareMessages(
  { requestMessages, requestBytes, responseBytes }: Recorded,
  origin: OriginEntry,
  tell: (what: string) => void,
): void {
  if (!origin.receivedAll) return
  if (requestMessages !== origin.receivedMessages) {
    tell(`${requestMessages} messages up, ${origin.receivedMessages} came`)
  }
  if (requestBytes !== origin.received) tell(`${requestBytes} bytes, ${origin.received} came`)
  if (responseBytes !== origin.sent) tell(`${responseBytes} bytes, ${origin.sent} were sent`)
}
