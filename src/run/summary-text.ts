/** The summary as lines for the end of a run; every word from the wire is made safe to print. */
import { sentTokens } from '../messages/sent-tokens.ts'
import { formatBytes, formatCount, formatPlural, formatUsd, formatWireText } from './amounts.ts'
import type { ModelTotals } from './call-totals.ts'
import type { ConversationSummary } from './conversation-totals.ts'
import type { RunSummary } from './summary.ts'

/** Lines shown of each list; the rest is counted. */
const listLimit = 10

interface SummaryCost {
  readonly costUsd: number
  readonly hasEstimatedCost: boolean
  readonly callsOfUnknownCost: number
}

/** Without line ends. The first line stands alone; the others are indented below it. */
export function formatSummary(summary: RunSummary, capturePath?: string): string[] {
  return [
    headline(summary),
    ...listed(summary.models.map(modelLine), 'models'),
    ...indented(conversationLines(summary.conversations)),
    ...listed(
      summary.tunnels.map(
        ({ host, connections, failed, bytesUp, bytesDown }) =>
          `tunnelled unread: ${formatWireText(host)}, ${formatPlural(connections, 'connection')}` +
          `${failed === 0 ? '' : ` (${failed} failed)`}, ` +
          `${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down`,
      ),
      'tunnelled hosts',
    ),
    ...listed(
      summary.refusals.map(({ target, reason, count }) => {
        const what = target === '' ? reason : `${target} (${reason})`
        return `refused: ${formatWireText(what, 160)}, ${formatPlural(count, 'time')}`
      }),
      'kinds of refusal',
    ),
    ...listed(
      summary.tlsFailures.map(
        ({ host, side, code, hint, count }) =>
          `TLS with ${side === 'client' ? 'the program for' : 'the upstream'} ` +
          `${formatWireText(host)} failed ${formatPlural(count, 'time')} ` +
          `(${formatWireText(code)}): ${formatWireText(hint, 300)}`,
      ),
      'kinds of TLS failure',
    ),
    ...listed(
      summary.echoes.map(
        ({ host, secrets }) =>
          `${formatPlural(secrets, 'credential')} came back from ` +
          `${formatWireText(host === '' ? 'an upstream' : host)}; the program got what came`,
      ),
      'hosts that sent credentials back',
    ),
    ...indented(healthLines(summary)),
    ...indented(capturePath === undefined ? [] : [`capture: ${formatWireText(capturePath, 4096)}`]),
  ]
}

/** `$0.0123 + 2 calls of unknown cost`; undefined if there is nothing to say. */
export function formatCost(cost: SummaryCost): string | undefined {
  const known =
    cost.costUsd > 0 ? `${cost.hasEstimatedCost ? 'about ' : ''}${formatUsd(cost.costUsd)}` : ''
  const unknown =
    cost.callsOfUnknownCost > 0
      ? `${formatPlural(cost.callsOfUnknownCost, 'call')} of unknown cost`
      : ''
  return [known, unknown].filter((part) => part !== '').join(' + ') || undefined
}

function headline(summary: RunSummary): string {
  if (summary.calls === 0) return 'porthole: no model calls seen'
  const failed = summary.failed > 0 ? `${formatCount(summary.failed)} failed` : undefined
  const short = summary.models.reduce((sum, { cutShort }) => sum + cutShort, 0)
  const cutShort = short > 0 ? `${formatCount(short)} cut short` : undefined
  const calls = formatPlural(summary.calls, 'model call')
  return `porthole: ${joined([calls, failed, cutShort, formatCost(summary)], ', ')}`
}

function modelLine(totals: ModelTotals): string {
  const name = formatWireText(`${totals.provider} ${totals.model}`.trim())
  const about = totals.hasEstimatedUsage ? 'about ' : ''
  const tokens = sentTokens(totals) + totals.outputTokens
  const cached = [
    totals.cacheReadTokens > 0 ? ` + ${formatCount(totals.cacheReadTokens)} cached` : '',
    totals.cacheWriteTokens > 0 ? ` + ${formatCount(totals.cacheWriteTokens)} into the cache` : '',
  ].join('')
  return `${name}: ${joined(
    [
      formatPlural(totals.calls, 'call'),
      totals.failed > 0 ? `${formatCount(totals.failed)} failed` : undefined,
      totals.cutShort > 0 ? `${formatCount(totals.cutShort)} cut short` : undefined,
      tokens > 0 ? `in ${about}${formatCount(totals.inputTokens)}${cached}` : undefined,
      tokens > 0 ? `out ${about}${formatCount(totals.outputTokens)}` : undefined,
      totals.callsWithoutUsage > 0
        ? `${formatPlural(totals.callsWithoutUsage, 'call')} without token counts`
        : undefined,
      formatCost(totals),
    ],
    ' · ',
  )}`
}

/** Single calls that no cache is involved in are no news. */
function conversationLines(summary: ConversationSummary): string[] {
  const { sessions, turns, subAgents, retries, cacheHits, cachePartial, cacheMisses } = summary
  const reasons = summary.missReasons
    .slice(0, 3)
    .map(([reason, count]) => `${formatCount(count)} ${reason.replaceAll('-', ' ')}`)
  const hasCache = cacheHits + cachePartial > 0 || reasons.length > 0
  if (turns <= sessions && subAgents + retries === 0 && !hasCache) return []
  const cache = [
    formatPlural(cacheHits, 'hit'),
    ...(cachePartial > 0 ? [`${formatCount(cachePartial)} partial`] : []),
    formatPlural(cacheMisses, 'miss', 'misses'),
  ].join(', ')
  const line = joined(
    [
      formatPlural(sessions, 'session'),
      formatPlural(turns, 'turn'),
      subAgents > 0 ? formatPlural(subAgents, 'sub-agent') : undefined,
      retries > 0 ? formatPlural(retries, 'retry', 'retries') : undefined,
      hasCache
        ? `cache: ${cache}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`
        : undefined,
    ],
    ' · ',
  )
  return [`conversations: ${line}`]
}

function healthLines(summary: RunSummary): string[] {
  const lines: string[] = []
  if (summary.droppedMessages > 0) {
    lines.push(
      `not seen: ${formatPlural(summary.droppedMessages, 'message')} ` +
        `(${formatBytes(summary.droppedBytes)}) dropped under load; the traffic itself was whole`,
    )
  }
  if (summary.withheldSecrets > 0) {
    const secrets = formatPlural(summary.withheldSecrets, 'secret')
    lines.push(`values of ${secrets} of the vault stood in messages, and were masked there`)
  }
  if (summary.analyzerFailures > 0) {
    lines.push(`analysis failed ${formatPlural(summary.analyzerFailures, 'time')}`)
  }
  return lines
}

function listed(lines: readonly string[], what: string): string[] {
  const rest = lines.length - listLimit
  const shown = lines.slice(0, listLimit)
  return indented(rest > 0 ? [...shown, `and ${formatCount(rest)} more ${what}`] : shown)
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}

function joined(parts: ReadonlyArray<string | undefined>, separator: string): string {
  return parts.filter((part) => part !== undefined).join(separator)
}
