/**
 * The Cost tab: what was counted and what it cost, with the arithmetic; how the prompt cache did and
 * why; how much of the model's context and of the key's allowance is used. What is not known reads
 * as such, never as zero.
 */
import { contextWindowOf } from '../../analyzers/providers/context-window.ts'
import type { CallLink, Cost, MsgOf, RateLimits, Usage } from '../messages/schema.ts'
import { sentTokens } from '../messages/sent-tokens.ts'
import { gaugeText } from './bar.ts'
import type { TabView } from './block.ts'
import { heading, spacer, textLines } from './block.ts'
import { cacheReasonText } from './cache-text.ts'
import type { Block, Document } from './document.ts'
import { documentOf, plainBlock, plainDocument } from './document.ts'
import {
  fit,
  formatCount,
  formatDuration,
  formatTime,
  formatTokens,
  formatUsdInFull,
  safeLine,
} from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import type { Row } from './row.ts'

export function costTab(row: Row, view: TabView): Document {
  const { width, cache } = view
  const { detail } = row
  if (row.kind !== 'call') return plainDocument(textLines('not a model call', width, 'dim'))
  if (row.isRefused) return plainDocument(textLines('not sent: it cost nothing', width, 'dim'))
  const answered = detail?.answered
  if (answered === undefined) {
    const text =
      detail === undefined
        ? 'The details of this row were dropped to make room; the capture has them.'
        : 'not counted yet: the answer has not ended'
    return plainDocument(textLines(text, width, 'warn'))
  }
  const { cost, rateLimits } = answered
  const sections: Array<readonly [string, readonly Line[]]> = [
    ['tokens', cache.lines(answered, width, () => tokenLines(answered, width), 'tokens')],
    ['context', contextLines(answered, width)],
    ['cost', cost === undefined ? [] : cache.lines(cost, width, () => costLines(cost, width))],
    ['cache', detail?.link === undefined ? [] : cacheLines(detail.link, answered.usage, width)],
    ['limits', rateLimits === undefined ? [] : limitLines(rateLimits, width)],
  ]
  const blocks: Block[] = []
  for (const [id, lines] of sections) {
    if (lines.length === 0) continue
    if (blocks.length > 0) blocks.push(spacer(`before-${id}`))
    blocks.push(plainBlock(id, lines))
  }
  return documentOf(blocks)
}

/** The sum in words, for other tabs: `$0.0123 (exact)`. */
export function costText(cost: Cost): string {
  return cost.usd === undefined || cost.confidence === 'unknown'
    ? 'unknown: the price of this model is not known'
    : `${knownText(cost.usd, cost)} (${cost.confidence})`
}

function tokenLines({ usage }: MsgOf<'model-answered'>, width: number): Line[] {
  if (usage === undefined) {
    return [heading('tokens', width), ...textLines('not reported', width, 'warn')]
  }
  const total = Math.max(1, usage.totalTokens)
  const rows: Array<readonly [string, number]> = [
    ['input, fresh', usage.inputTokens],
    ['cache read', usage.cacheReadTokens],
    ['cache write', usage.cacheWriteTokens],
    ['output', usage.outputTokens],
    ['  of it reasoning', usage.reasoningTokens],
  ]
  const room = Math.min(40, width - 36)
  return [
    heading(
      'tokens',
      width,
      usage.source === 'estimated' ? 'estimated, not reported' : 'as reported',
    ),
    ...rows.map(([name, tokens]) =>
      clipLine(
        [
          span(`  ${fit(name, 17)}${formatCount(tokens).padStart(12)} `),
          span(room < 8 ? '' : gaugeText(tokens / total, room), 'dim'),
        ],
        width,
      ),
    ),
    clipLine([span(`  ${fit('total', 17)}${formatCount(usage.totalTokens).padStart(12)}`)], width),
  ]
}

function contextLines(answered: MsgOf<'model-answered'>, width: number): Line[] {
  const { usage, provider, model } = answered
  const contextWindow = contextWindowOf(provider, model)
  if (usage === undefined || contextWindow === undefined) return []
  const used = sentTokens(usage)
  const all = used + usage.outputTokens
  const share = all / contextWindow
  const text = `${(share * 100).toFixed(1)} % · ${formatCount(all)} of ${formatCount(contextWindow)} tokens`
  return [
    heading('context window', width, 'prompt and answer'),
    clipLine(
      [
        span(
          `  ${gaugeText(share, Math.max(8, Math.min(40, width - 44)))} `,
          share > 0.8 ? 'warn' : 'good',
        ),
        span(`${text}${share > 0.8 ? ' · nearly full' : ''}`),
      ],
      width,
    ),
  ]
}

function costLines(cost: Cost, width: number): Line[] {
  const source = [cost.priceSource, cost.priceDate].filter((piece) => piece !== undefined).join(' ')
  const aside = [cost.confidence, source === '' ? '' : `prices: ${source}`]
  const nameWidth = cost.lines.reduce(
    (most, { bucket }) => Math.max(most, Math.min(24, bucket.length)),
    5,
  )
  return [
    heading('cost', width, aside.filter((piece) => piece !== '').join(' · ')),
    ...cost.lines.map(({ bucket, tokens, usdPerMillion, usd }) =>
      clipLine(
        [
          span(`  ${fit(safeLine(bucket, 64), nameWidth)}`),
          span(` ${formatCount(tokens).padStart(11)} × $${String(usdPerMillion)} / M`, 'dim'),
          span(` = ${formatUsdInFull(usd)}`),
        ],
        width,
      ),
    ),
    clipLine([span(`  ${fit('total', nameWidth)} `), span(totalText(cost), 'strong')], width),
    ...(cost.confidence === 'estimated'
      ? textLines('~ estimated: counted or priced by us, not by the provider', width, 'dim')
      : []),
  ]
}

function totalText(cost: Cost): string {
  return cost.usd === undefined || cost.confidence === 'unknown'
    ? '? (the price of this model is not known)'
    : knownText(cost.usd, cost)
}

function knownText(usd: number, { confidence }: Cost): string {
  return `${confidence === 'estimated' ? '~' : ''}${formatUsdInFull(usd)}`
}

function cacheLines({ cache }: CallLink, usage: Usage | undefined, width: number): Line[] {
  const texts = [cacheReasonText(cache)]
  if (cache.expectedTokens !== undefined) {
    const read = usage === undefined ? '' : `${formatTokens(usage.cacheReadTokens)} of `
    texts.push(
      `${read}${formatTokens(cache.expectedTokens)} tokens that the call before had left were read`,
    )
  }
  return [
    heading('prompt cache', width, cache.verdict),
    ...texts.flatMap((text) => textLines(text, width)),
  ]
}

function limitLines({ limits, retryAfterMs }: RateLimits, width: number): Line[] {
  const lines = limits.map(({ of, limit, remaining, utilization, resetAt }) => {
    const left = remaining === undefined ? '' : `${formatCount(remaining)} left`
    const whole = limit === undefined ? '' : `of ${formatCount(limit)}`
    const used = utilization === undefined ? '' : `${(utilization * 100).toFixed(0)} % used`
    const reset = resetAt === undefined ? '' : `renewed at ${formatTime(resetAt)}`
    const words = [left, whole, used, reset].filter((word) => word !== '').join(' ')
    return clipLine([span(`  ${fit(safeLine(of, 64), 24)} `), span(words)], width)
  })
  const wait =
    retryAfterMs === undefined
      ? []
      : textLines(`the provider asks to wait ${formatDuration(retryAfterMs)}`, width, 'warn')
  if (lines.length + wait.length === 0) return []
  return [heading('rate limits', width, 'as the answer says'), ...lines, ...wait]
}
