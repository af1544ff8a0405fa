/**
 * One line for each thing that is worth a line when there is no viewer: finished model calls,
 * closed tunnels, refusals, TLS failures, failed exchanges, and what the analysis lost. It pairs
 * the messages of an exchange, within a bound; every word from the wire is made safe to print.
 */
import type { AnalysisMsg, Cost, MsgOf, Usage } from '../messages/schema.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPlural,
  formatUsd,
  formatWireText,
} from './amounts.ts'

export type LineReporter = (msg: AnalysisMsg) => string | undefined

interface OpenExchange {
  readonly target: string
  /** A line of its own says how it ended: of the model call, or of the refusal. */
  isTold: boolean
}

/** Exchanges remembered until they end; the oldest is forgotten first. */
const openLimit = 10_000

/** `clockTime` writes `at` (epoch ms); by default as local `HH:MM:SS`. */
export function createLineReporter(clockTime: (at: number) => string = localTime): LineReporter {
  const open = new Map<string, OpenExchange>()
  const refused = new Set<string>()
  // A request that was cut off is read only after its exchange has ended, and told by then.
  let toldEnd: string | undefined
  const isToldEnd = (exchangeId: string | undefined): boolean =>
    toldEnd !== undefined && toldEnd === exchangeId
  const describeOnce = (
    msg: MsgOf<'exchange-completed' | 'exchange-failed'>,
  ): string | undefined => {
    const exchange = open.get(msg.exchangeId ?? '')
    open.delete(msg.exchangeId ?? '')
    const line = exchange?.isTold === true ? undefined : describeEnd(msg, exchange)
    toldEnd = line === undefined ? undefined : msg.exchangeId
    return line
  }
  const describe = (msg: AnalysisMsg): string | undefined => {
    switch (msg.kind) {
      case 'request-started':
        remember(open, msg)
        return undefined
      case 'model-called':
      case 'mcp-called':
      case 'request-refused': {
        const exchange = open.get(msg.exchangeId ?? '')
        if (exchange !== undefined) exchange.isTold = true
        if (msg.kind !== 'request-refused') return undefined
        rememberRefused(refused, msg.exchangeId)
        return refusal(formatWireText(exchange?.target ?? 'a request', 160), msg)
      }
      case 'credential-echoed':
        return describeEcho(msg, open.get(msg.exchangeId ?? ''))
      case 'exchange-completed':
      case 'exchange-failed':
        return describeOnce(msg)
      case 'model-answered':
        return isToldEnd(msg.exchangeId) ? undefined : describeAnswer(msg)
      default:
        return describeAlone(msg)
    }
  }
  return (msg) => {
    // What analysis makes of a refused call is no news beside its refusal.
    const isAnswer = msg.kind === 'model-answered' || msg.kind === 'mcp-answered'
    const text = isAnswer && refused.has(msg.exchangeId ?? '') ? undefined : describe(msg)
    return text === undefined ? undefined : `${clockTime(msg.at)} ${text}`
  }
}

function rememberRefused(refused: Set<string>, exchangeId: string | undefined): void {
  if (exchangeId === undefined) return
  refused.add(exchangeId)
  const [oldest] = refused
  if (refused.size > openLimit && oldest !== undefined) refused.delete(oldest)
}

function remember(open: Map<string, OpenExchange>, msg: MsgOf<'request-started'>): void {
  if (msg.exchangeId === undefined) return
  // The query is left out: it is long, and where keys hide.
  const url = msg.url.replace(/[?#].*$/su, '')
  open.set(msg.exchangeId, { target: `${msg.method} ${url}`, isTold: false })
  if (open.size <= openLimit) return
  const [oldest] = open.keys()
  if (oldest !== undefined) open.delete(oldest)
}

function describeEcho(
  { secretId, where, name }: MsgOf<'credential-echoed'>,
  exchange: OpenExchange | undefined,
): string {
  const place = name === undefined ? where : `${where} ${formatWireText(name, 60)}`
  return parts(
    formatWireText(exchange?.target ?? 'an answer', 160),
    `${formatWireText(secretId ?? 'a credential')} came back in the ${place}`,
  )
}

function describeAlone(msg: AnalysisMsg): string | undefined {
  switch (msg.kind) {
    case 'tunnel-closed':
      return parts(
        `tunnel ${formatWireText(msg.host)}:${msg.port}`,
        `${formatBytes(msg.bytesUp)} up, ${formatBytes(msg.bytesDown)} down`,
        formatDuration(msg.durationMs),
        msg.error === undefined ? undefined : formatWireText(msg.error, 160),
      )
    case 'connection-refused': {
      const port = msg.port === undefined ? '' : `:${msg.port}`
      const target = msg.host === undefined ? 'a connection' : `${formatWireText(msg.host)}${port}`
      return refusal(target, { ...msg, reason: msg.code ?? msg.reason })
    }
    case 'tls-failed':
      return parts(
        `TLS failed with the ${msg.side} for ${formatWireText(msg.host)}`,
        formatWireText(msg.code),
        formatWireText(msg.hint, 300),
      )
    case 'mcp-answered':
      return describeMcp(msg)
    case 'analyzer-failed':
      return parts(
        `analyzer ${formatWireText(msg.analyzer)} failed`,
        formatWireText(msg.error, 160),
      )
    case 'messages-dropped':
      return parts(
        `${formatPlural(msg.count, 'message')} dropped at ${formatWireText(msg.where)}`,
        formatBytes(msg.bytes),
      )
    default:
      return undefined
  }
}

function describeAnswer(msg: MsgOf<'model-answered'>): string {
  const { error } = msg
  const tools = msg.toolCalls.slice(0, 5).map((call) => formatWireText(call.name, 40))
  if (msg.toolCalls.length > tools.length) tools.push('…')
  return parts(
    [
      formatWireText(msg.provider),
      formatWireText(msg.operation),
      formatWireText(msg.model ?? 'unnamed model'),
      msg.status ?? 'no status',
    ].join(' '),
    msg.ttftMs === undefined ? undefined : `first token ${formatDuration(msg.ttftMs)}`,
    formatDuration(msg.durationMs),
    describeUsage(msg.usage),
    describeCost(msg.cost),
    msg.finishReason === undefined ? undefined : formatWireText(msg.finishReason),
    msg.complete || error !== undefined ? undefined : 'cut short',
    tools.length === 0 ? undefined : `tools: ${tools.join(', ')}`,
    error === undefined ? undefined : formatWireText(`${error.type}: ${error.message}`, 160),
  )
}

/** What a server was asked to do; that it was asked what it can do is too common to list. */
function describeMcp(msg: MsgOf<'mcp-answered'>): string | undefined {
  if (msg.name === undefined && msg.error === undefined) return undefined
  const { server, method, name, error } = msg
  return parts(
    ['mcp', server, method, name ?? '']
      .map((word) => formatWireText(word, 80))
      .join(' ')
      .trimEnd(),
    formatDuration(msg.durationMs),
    error === undefined ? undefined : formatWireText(`${error.type}: ${error.message}`, 160),
  )
}

function describeUsage(usage: Usage | undefined): string | undefined {
  if (usage === undefined) return undefined
  const about = usage.source === 'estimated' ? 'about ' : ''
  const cached = usage.cacheReadTokens > 0 ? ` + ${formatCount(usage.cacheReadTokens)} cached` : ''
  const written =
    usage.cacheWriteTokens > 0 ? ` + ${formatCount(usage.cacheWriteTokens)} into the cache` : ''
  const fresh = `in ${about}${formatCount(usage.inputTokens)}${cached}${written}`
  return `${fresh}, out ${about}${formatCount(usage.outputTokens)}`
}

function describeCost(cost: Cost | undefined): string | undefined {
  if (cost === undefined) return undefined
  if (cost.usd === undefined) return 'cost unknown'
  return `${cost.confidence === 'estimated' ? 'about ' : ''}${formatUsd(cost.usd)}`
}

/** Exchanges that went well and were no model call are too many to list. */
function describeEnd(
  msg: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>,
  exchange: OpenExchange | undefined,
): string | undefined {
  const target = formatWireText(exchange?.target ?? 'an exchange', 160)
  if (msg.kind === 'exchange-completed') {
    if (msg.status < 400) return undefined
    return parts(target, String(msg.status), formatDuration(msg.durationMs))
  }
  return parts(
    target,
    `failed by the ${msg.by} (${msg.phase}, ${formatWireText(msg.code)})`,
    msg.message === undefined ? undefined : formatWireText(msg.message, 160),
    formatDuration(msg.durationMs),
  )
}

function refusal(
  target: string,
  msg: { readonly status: number; readonly reason: string; readonly message?: string | undefined },
): string {
  return parts(
    `refused ${target} with ${msg.status}`,
    formatWireText(msg.reason),
    msg.message === undefined ? undefined : formatWireText(msg.message, 160),
  )
}

function parts(...texts: ReadonlyArray<string | undefined>): string {
  return texts.filter((text) => text !== undefined).join(' · ')
}

function localTime(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}
