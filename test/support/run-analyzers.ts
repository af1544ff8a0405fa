/**
 * A tiny stand-in for the pipeline: walks messages through analyzers in the order that the pipeline
 * keeps (a message visits every analyzer, then what it caused visits those after its emitter), and
 * builds the messages of whole exchanges, chunked as a test likes.
 */
import { encodeBytes } from '../../src/messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft, HeaderPairs } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'

/** Every message, the given ones and the emitted ones, in order. Lets what an analyzer throws pass. */
export function runAnalyzers(
  analyzers: readonly Analyzer[],
  messages: readonly AnalysisMsg[],
): AnalysisMsg[] {
  const out: AnalysisMsg[] = []

  function walk(draft: AnalysisMsgDraft, at: number, from: number): void {
    const msg = { v: 1, at, ...draft, seq: out.length } as AnalysisMsg
    out.push(msg)
    const caused: Array<{ draft: AnalysisMsgDraft; after: number }> = []
    for (const [index, analyzer] of analyzers.entries()) {
      if (index < from || analyzer.kinds?.includes(msg.kind) === false) continue
      const work = analyzer.onMessage?.(msg, (emitted) => {
        const { connectionId, exchangeId, agent } = msg
        const inherited = Object.fromEntries(
          Object.entries({ connectionId, exchangeId, agent }).filter(([, id]) => id !== undefined),
        )
        const next = { ...inherited, by: analyzer.name, ...emitted } as AnalysisMsgDraft
        caused.push({ draft: next, after: index + 1 })
      })
      while (work?.next().done === false);
    }
    for (const next of caused) walk(next.draft, msg.at, next.after)
  }

  for (const msg of messages) walk(msg, msg.at, 0)
  return out
}

export interface ExchangeSpec {
  readonly exchangeId?: string
  readonly agent?: string
  /** When the request starts; default 1,700,000,000,000. */
  readonly at?: number
  readonly request: {
    readonly method?: string
    readonly url: string
    readonly headers?: HeaderPairs
    readonly body?: string | Uint8Array
  }
  /** Without it the exchange ends before any response. */
  readonly response?: {
    readonly status?: number
    readonly headers?: HeaderPairs
    readonly body?: string | Uint8Array
  }
  /** Bytes per body message, one number for all or the sizes in turn; default: one message. */
  readonly chunkSize?: number | readonly number[]
  /** Milliseconds between messages; default 10. */
  readonly stepMs?: number
  /** The exchange fails after this many response bytes, without `response-ended`. */
  readonly failAfterBytes?: number
}

/** The raw messages of one exchange, as the proxy reports them. */
export function exchangeMessages(spec: ExchangeSpec): AnalysisMsg[] {
  const { agent, stepMs = 10, at: startedAt = 1_700_000_000_000 } = spec
  const ids = { connectionId: 'c1', exchangeId: spec.exchangeId ?? 'x1' }
  const drafts = [...requestDrafts(spec), ...responseDrafts(spec)]
  const out: AnalysisMsg[] = []
  for (const [seq, draft] of drafts.entries()) {
    const sinceMs = seq * stepMs
    const duration = 'durationMs' in draft ? { durationMs: sinceMs } : {}
    const common = { v: 1, seq, at: startedAt + sinceMs, ...ids, ...(agent ? { agent } : {}) }
    out.push({ ...common, ...draft, ...duration } as AnalysisMsg)
  }
  return out
}

const jsonHeaders: HeaderPairs = [['Content-Type', 'application/json']]

function requestDrafts({ request, chunkSize }: ExchangeSpec): AnalysisMsgDraft[] {
  const body = Buffer.from(request.body ?? '')
  return [
    {
      kind: 'request-started',
      method: request.method ?? 'POST',
      url: request.url,
      httpVersion: '1.1',
      headers: request.headers ?? jsonHeaders,
      host: new URL(request.url).host,
    },
    ...bodyDrafts('request-body', body, chunkSize),
    { kind: 'request-ended', bytes: body.length },
  ]
}

function responseDrafts({
  request,
  response,
  chunkSize,
  failAfterBytes,
}: ExchangeSpec): AnalysisMsgDraft[] {
  if (response === undefined) return [failed('connect', 'ECONNREFUSED')]
  const { status = 200, headers = jsonHeaders } = response
  const body = Buffer.from(response.body ?? '')
  const begun: AnalysisMsgDraft[] = [
    { kind: 'response-started', status, headers, ttfbMs: 0 },
    ...bodyDrafts('response-body', body.subarray(0, failAfterBytes), chunkSize),
  ]
  if (failAfterBytes !== undefined) {
    return [...begun, failed('response', 'ECONNRESET')]
  }
  const requestBytes = Buffer.byteLength(request.body ?? '')
  return [
    ...begun,
    { kind: 'response-ended', bytes: body.length, durationMs: 0 },
    { kind: 'exchange-completed', status, requestBytes, responseBytes: body.length, durationMs: 0 },
  ]
}

function failed(phase: 'connect' | 'response', code: string): AnalysisMsgDraft {
  return { kind: 'exchange-failed', by: 'upstream', phase, code, durationMs: 0 }
}

function bodyDrafts(
  kind: 'request-body' | 'response-body',
  body: Uint8Array,
  chunkSize: ExchangeSpec['chunkSize'],
): AnalysisMsgDraft[] {
  const sizes = typeof chunkSize === 'object' ? chunkSize : [chunkSize ?? body.length]
  const drafts: AnalysisMsgDraft[] = []
  for (let offset = 0; offset < body.length;) {
    const size = Math.max(1, sizes[drafts.length % sizes.length] ?? 1)
    drafts.push({ kind, offset, ...encodeBytes(body.subarray(offset, offset + size)) })
    offset += size
  }
  return drafts
}

/** The messages of one kind. */
export function ofKind<K extends AnalysisMsg['kind']>(
  messages: readonly AnalysisMsg[],
  kind: K,
): Array<Extract<AnalysisMsg, { readonly kind: K }>> {
  return messages.filter(
    (msg): msg is Extract<AnalysisMsg, { readonly kind: K }> => msg.kind === kind,
  )
}

/** The only message of a kind; throws if there are none or several. */
export function onlyOf<K extends AnalysisMsg['kind']>(
  messages: readonly AnalysisMsg[],
  kind: K,
): Extract<AnalysisMsg, { readonly kind: K }> {
  const found = ofKind(messages, kind)
  const [first] = found
  if (first === undefined || found.length > 1) throw new Error(`${found.length} of ${kind}`)
  return first
}
