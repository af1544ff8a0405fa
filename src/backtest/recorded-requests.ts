/**
 * The requests and tunnels of a capture as inline analyzers are asked about them, at the moment at
 * which each was whole. Bodies are kept within bounds; what was not recorded cannot be read, as live
 * a body that does not come.
 */
import { bytesOf } from '../messages/body-bytes.ts'
import { headerValues } from '../messages/header-values.ts'
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import type { OutgoingConnection, OutgoingRequest } from '../pipeline/analyzer.ts'
import { BodyUnavailable } from '../pipeline/body-unavailable.ts'
import { parseAuthority } from '../policy/authority.ts'
import { createHeaderList } from '../proxy/http-messages.ts'

export interface RecordedRequest {
  readonly exchangeId: string
  /** Epoch milliseconds of the message by which it was whole. */
  readonly at: number
  readonly request: Omit<OutgoingRequest, 'emit' | 'conceal'>
  /** As it was recorded, in its content coding; undefined where not all of it was. */
  readonly body: Buffer | undefined
}

export interface RecordedTunnel {
  readonly at: number
  readonly connection: Omit<OutgoingConnection, 'emit'>
}

export type RecordedAsker =
  | ({ readonly type: 'request' } & RecordedRequest)
  | ({ readonly type: 'tunnel' } & RecordedTunnel)

/** Of one body, and of all that are under way. */
const maxBodyBytes = 32 * 1024 * 1024
const maxOpenBytes = 256 * 1024 * 1024
/** Requests under way; a damaged capture may never tell of their ends. */
const maxOpen = 10_000

interface Open {
  readonly started: MsgOf<'request-started'>
  chunks: Buffer[]
  bytes: number
  isCut: boolean
}

export class RecordedRequests {
  readonly #open = new Map<string, Open>()
  #openBytes = 0

  /** What is whole by this message, if anything is. */
  take(msg: AnalysisMsg): RecordedAsker | undefined {
    switch (msg.kind) {
      case 'request-started':
        return this.#start(msg)
      case 'request-body':
        this.#enter(msg)
        return undefined
      case 'request-ended':
        return this.#give(msg, msg.bytes)
      // Refused before it was whole, answered before, or broken off.
      case 'request-refused':
      case 'response-started':
      case 'exchange-completed':
      case 'exchange-failed':
        return this.#give(msg, undefined)
      case 'tunnel-opened':
        return tunnelOf(msg)
      default:
        return undefined
    }
  }

  /** What had not become whole when the capture ended. */
  end(): RecordedAsker[] {
    return [...this.#open.values()].flatMap(({ started }) => this.#give(started, undefined) ?? [])
  }

  #start(msg: MsgOf<'request-started'>): RecordedAsker | undefined {
    if (msg.exchangeId === undefined) return undefined
    this.#open.set(msg.exchangeId, { started: msg, chunks: [], bytes: 0, isCut: false })
    const [oldest] = this.#open.values()
    return this.#open.size > maxOpen && oldest !== undefined
      ? this.#give(oldest.started, undefined)
      : undefined
  }

  #enter(msg: MsgOf<'request-body'>): void {
    const open = this.#open.get(msg.exchangeId ?? '')
    if (open === undefined || open.isCut) return
    const bytes = bytesOf(msg)
    const isRoom =
      open.bytes + bytes.length <= maxBodyBytes && this.#openBytes + bytes.length <= maxOpenBytes
    if (msg.offset !== open.bytes || !isRoom) {
      open.isCut = true
      return
    }
    open.chunks.push(bytes)
    open.bytes += bytes.length
    this.#openBytes += bytes.length
  }

  #give(msg: AnalysisMsg, bytes: number | undefined): RecordedAsker | undefined {
    const open = this.#open.get(msg.exchangeId ?? '')
    if (open === undefined) return undefined
    this.#open.delete(msg.exchangeId ?? '')
    this.#openBytes -= open.bytes
    const isWhole = !open.isCut && (bytes === undefined || bytes === open.bytes)
    const request = requestOf(open.started, isWhole ? Buffer.concat(open.chunks) : undefined)
    if (request === undefined) return undefined
    return { type: 'request', exchangeId: msg.exchangeId ?? '', at: msg.at, ...request }
  }
}

/** `scheme://authority/path` as it was written: a URL parser would make another path of some. */
const urlForm = /^(?<scheme>https?):\/\/(?<authority>[^/?#]*)(?<path>.*)$/su

function requestOf(
  started: MsgOf<'request-started'>,
  body: Buffer | undefined,
): Pick<RecordedRequest, 'request' | 'body'> | undefined {
  const groups = urlForm.exec(started.url)?.groups
  const scheme = groups?.['scheme'] === 'http' ? 'http' : 'https'
  const parsed = authorityOf(groups?.['authority'] ?? '', scheme)
  if (groups === undefined || parsed === undefined) return undefined
  const { method, headers, agent, exchangeId = '', connectionId = '' } = started
  const path = groups['path'] ?? ''
  return {
    body,
    request: {
      connectionId,
      exchangeId,
      agent,
      scheme,
      host: parsed.host,
      port: parsed.port,
      method,
      path: path === '' ? '/' : path,
      headers: createHeaderList(headers),
      isUpgrade: headerValues(headers, 'upgrade').some((it) => it.toLowerCase() === 'websocket'),
      readBody: async (maxBytes) => {
        if (body !== undefined && body.length <= maxBytes) return body
        const reason = body === undefined ? 'body-incomplete' : 'body-too-large'
        const message = 'the body of the request is not in the capture as a whole'
        throw new BodyUnavailable(body === undefined ? 408 : 413, reason, message)
      },
    },
  }
}

function authorityOf(
  text: string,
  scheme: 'http' | 'https',
): { host: string; port: number } | undefined {
  const hasPort = /:\d+$/u.test(text.replace(/^\[[^\]]*\]/u, ''))
  const parsed = parseAuthority(hasPort ? text : `${text}:${scheme === 'http' ? 80 : 443}`)
  return parsed.ok ? parsed.authority : undefined
}

function tunnelOf(msg: MsgOf<'tunnel-opened'>): RecordedAsker {
  const { host, port, connectionId = '', agent, reason, at } = msg
  const fate = reason === 'rule' ? 'not-allowlisted' : reason
  return { type: 'tunnel', at, connection: { connectionId, agent, host, port, fate } }
}
