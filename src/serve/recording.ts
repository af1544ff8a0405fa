/**
 * From a record of a capture to what can be served: the request that it answers, and the answer as
 * it came, chunk by chunk. Where the capture lacks something of it, why it cannot be.
 */
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import { parseHost } from '../policy/authority.ts'
import { decodeBody } from '../recorded/decoded-body.ts'
import type { ExchangeRecord } from '../recorded/exchange-record.ts'

export interface RecordedAnswer {
  readonly status: number
  readonly statusText: string | undefined
  /** Fit to be sent: without those of one connection. */
  readonly headers: HeaderPairs
  /** From the end of the request to the head, in milliseconds. */
  readonly headAfterMs: number
  /** `afterMs` counts from the head. */
  readonly chunks: ReadonlyArray<{ readonly afterMs: number; readonly bytes: Buffer }>
  readonly endAfterMs: number
  readonly trailers: HeaderPairs
  /** It had no end: the connection broke off instead. */
  readonly isBroken: boolean
}

export interface Recording {
  /** `exchangeId` in the capture. */
  readonly id: string
  readonly startedAt: number
  readonly method: string
  /** `host`, or `host:port` where that is not the scheme's own. */
  readonly host: string
  /** As in a URL, without its query. */
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  readonly mediaType: string
  /** Its codings undone. */
  readonly body: Buffer
  /** `broken`: the connection broke off before any answer, after so many milliseconds. */
  readonly answer:
    | { readonly kind: 'answer'; readonly answer: RecordedAnswer }
    | { readonly kind: 'broken'; readonly afterMs: number }
    | { readonly kind: 'unservable'; readonly why: string }
}

/** Of one connection, or set anew by the server (RFC 9110 §7.6.1, RFC 9112 §6). */
const connectionHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Undefined for what no upstream was asked: tunnels, and requests that the proxy refused. */
export function toRecording(record: ExchangeRecord): Recording | undefined {
  const { started } = record
  if (started === undefined || record.refused !== undefined) return undefined
  const url = URL.parse(started.url)
  if (url === null) return undefined
  const body = decodeBody(record.request, started.headers)
  return {
    id: record.id,
    startedAt: record.startedAt,
    method: started.method.toUpperCase(),
    host: hostOf(url),
    path: canonicalPath(url.pathname),
    query: url.search.slice(1),
    mediaType: headerValues(started.headers, 'content-type')[0] ?? '',
    body: body.bytes,
    answer: answerOf(record, body.isWhole),
  }
}

/** Percent signs in one form, so that `%2f` and `%2F`, or `%7E` and `~`, are the same. */
export function canonicalPath(path: string): string {
  return path
    .split('/')
    .map((segment) => {
      try {
        const encoded = encodeURIComponent(decodeURIComponent(segment))
        // What may stand in a path as it is (RFC 3986 §3.3), and does: `models/x:generateContent`.
        return encoded.replaceAll(/%(?:24|26|2B|2C|3A|3B|3D|40)/gu, decodeURIComponent)
      } catch {
        return segment
      }
    })
    .join('/')
}

function hostOf(url: URL): string {
  const parsed = parseHost(url.hostname)
  if (!parsed.ok) return url.host.toLowerCase()
  const name = parsed.kind === 'ipv6' ? `[${parsed.host}]` : parsed.host
  return url.port === '' ? name : `${name}:${url.port}`
}

function answerOf(record: ExchangeRecord, isRequestWhole: boolean): Recording['answer'] {
  const { end, responseStarted } = record
  if (record.frames.length > 0 || responseStarted?.status === 101) {
    return unservable('it is a WebSocket, and those are not served')
  }
  if (!isRequestWhole) return unservable('its request is not whole in the capture')
  if (end === undefined) return unservable('the capture ends before its answer does')
  const askedAt = record.requestEnded?.at ?? record.startedAt
  if (responseStarted === undefined) return unanswered(end, askedAt)
  const isBroken = end.kind === 'exchange-failed'
  const hasGap = record.response.isCut && (!isBroken || record.notes.some(isLoss))
  if (hasGap) return unservable('its answer is not whole in the capture')
  const { status, statusText, headers, at } = responseStarted
  return {
    kind: 'answer',
    answer: {
      status,
      statusText,
      headers: headers.filter(([name]) => !connectionHeaders.has(name.toLowerCase())),
      headAfterMs: Math.max(0, at - askedAt),
      chunks: record.response.chunks.map((chunk) => ({
        afterMs: Math.max(0, chunk.at - at),
        bytes: chunk.bytes,
      })),
      endAfterMs: Math.max(0, (record.responseEnded ?? end).at - at),
      trailers: record.responseEnded?.trailers ?? [],
      isBroken,
    },
  }
}

function unanswered(end: NonNullable<ExchangeRecord['end']>, askedAt: number): Recording['answer'] {
  if (end.kind === 'exchange-failed' && end.by === 'upstream') {
    return { kind: 'broken', afterMs: Math.max(0, end.at - askedAt) }
  }
  const hasLeft = end.kind === 'exchange-failed' && end.by === 'client'
  return unservable(
    hasLeft ? 'its client left before there was an answer' : 'no upstream answered it',
  )
}

function isLoss({ kind }: ExchangeRecord['notes'][number]): boolean {
  return kind === 'messages-dropped'
}

function unservable(why: string): Recording['answer'] {
  return { kind: 'unservable', why }
}
