/**
 * The Conversation tab: what was said to the model, the answer (live while it streams), usage and
 * cost with the sum behind it. A row that is no model call says what it is instead, and why nothing
 * of it can be read.
 */
import type { CallLink, Cost, ModelMessage, MsgOf, Part, Usage } from '../messages/schema.ts'
import type { BlockCache } from './block.ts'
import { fieldLines, heading, prettyJson, textLines } from './block.ts'
import { describeRow } from './describe-row.ts'
import {
  formatCost,
  formatCount,
  formatDuration,
  formatUsd,
  safeLine,
  safePreview,
} from './format.ts'
import type { Line, Tone } from './line.ts'
import { clipLine, span } from './line.ts'
import { linkLines } from './link-lines.ts'
import { describeMedia } from './media-text.ts'
import type { Row } from './row.ts'

export interface Document {
  readonly lines: readonly Line[]
  /** The line that a reader wants to see first. */
  readonly anchor: number
}

const blank: Line = []

export function conversation(row: Row, width: number, cache: BlockCache): Document {
  const { detail } = row
  if (row.kind === 'mcp' || row.kind === 'api') {
    return { lines: operationLines(row, width), anchor: 0 }
  }
  if (row.kind !== 'call') return { lines: otherLines(row, width), anchor: 0 }
  if (detail === undefined) return { lines: summaryLines(row, width), anchor: 0 }
  const { call } = detail
  const answer = answerLines(row, width, cache)
  if (call === undefined) return { lines: answer, anchor: 0 }
  const asked = cache.lines(call, width, () => callLines(call, width))
  const last = call.messages.at(-1)
  // Agents resend all that was said before: what is new begins with the last message.
  const news = last === undefined ? [] : cache.lines(last, width, () => turnLines([last], width))
  return { lines: [...asked, ...answer], anchor: asked.length - news.length }
}

function callLines(call: MsgOf<'model-called'>, width: number): Line[] {
  return [
    ...systemLines(call, width),
    ...toolLines(call, width),
    ...turnLines(call.messages, width),
  ]
}

function systemLines(call: MsgOf<'model-called'>, width: number): Line[] {
  return call.messages
    .filter(({ role }) => role === 'system')
    .flatMap((message) => messageLines(message, width, 'system'))
}

function messageLines({ role, parts }: ModelMessage, width: number, tone: Tone): Line[] {
  const content = parts.flatMap((part) => partLines(part, width))
  return [heading(role, width, '', tone), ...content, blank]
}

function toolLines(call: MsgOf<'model-called'>, width: number): Line[] {
  if (call.tools.length === 0) return []
  const nameWidth = Math.min(28, Math.max(...call.tools.map(({ name }) => name.length)))
  return [
    heading(`tools (${call.tools.length})`, width, '', 'tool'),
    ...call.tools.map(({ name, description }) =>
      clipLine(
        [
          span(`  ${safeLine(name, 128).padEnd(nameWidth)}`),
          span(`  ${safePreview(description ?? '')}`, 'dim'),
        ],
        width,
      ),
    ),
    blank,
  ]
}

function turnLines(messages: readonly ModelMessage[], width: number): Line[] {
  return messages
    .filter(({ role }) => role !== 'system')
    .flatMap((message) => messageLines(message, width, roleTone(message.role)))
}

function roleTone(role: string): Tone {
  if (role === 'user') return 'user'
  if (role === 'assistant' || role === 'model') return 'assistant'
  return role === 'tool' ? 'tool' : 'system'
}

function partLines(part: Part, width: number): Line[] {
  switch (part.type) {
    case 'text':
      return textLines(part.text, width)
    case 'reasoning':
      return textLines(part.text, width, 'dim')
    case 'tool-call':
      return toolCallLines(part.name, part.arguments, width)
    case 'tool-result':
      return [heading('  ⤷ result', width, part.id ?? '', 'tool'), ...textLines(part.text, width)]
    case 'media':
      return textLines(`[${describeMedia(part)}]`, width, 'dim')
    case 'other':
      return [heading(`  ${part.name}`, width), ...textLines(part.text, width, 'dim')]
  }
}

function toolCallLines(name: string, args: string, width: number): Line[] {
  const compact = args.length <= width - 8 - name.length ? args : ''
  const first = heading(`  ⚙ ${name}`, width, compact, 'tool')
  return compact === '' && args !== '' ? [first, ...textLines(prettyJson(args), width)] : [first]
}

function answerLines(row: Row, width: number, cache: BlockCache): Line[] {
  const { detail } = row
  const answered = detail?.answered
  if (answered !== undefined) {
    return [
      ...cache.lines(answered, width, () => answeredLines(answered, width)),
      ...placeLines(detail?.link, width, cache),
      ...problem(row, width),
    ]
  }
  const lines: Line[] = [heading('answer', width, waitingText(row), 'assistant')]
  for (const part of detail?.live ?? []) {
    if (part.type === 'tool-call') {
      lines.push(heading(`  ⚙ ${part.name ?? 'tool call'}`, width, '', 'tool'))
    }
    if (part.text === '') continue
    const tone = part.type === 'reasoning' ? 'dim' : 'plain'
    for (const line of cache.growing(part, part.text, width, tone)) lines.push(line)
  }
  if (detail?.live.length === 0 && detail.merged !== undefined) {
    const { merged } = detail
    return [
      ...lines,
      ...cache.lines(merged, width, () => textLines(merged.text, width)),
      ...problem(row, width),
    ]
  }
  return [...lines, ...problem(row, width)]
}

function placeLines(link: CallLink | undefined, width: number, cache: BlockCache): readonly Line[] {
  if (link === undefined) return []
  return cache.lines(link, width, () => [blank, ...linkLines(link, width)])
}

function waitingText(row: Row): string {
  if (row.phase !== 'running') return ''
  return row.detail?.live.length === 0 ? 'waiting …' : 'streaming …'
}

function problem(row: Row, width: number): Line[] {
  if (row.problem === undefined) return []
  return [blank, heading('error', width, '', 'bad'), ...textLines(row.problem, width, 'bad')]
}

function answeredLines(answered: MsgOf<'model-answered'>, width: number): Line[] {
  const listed = new Set(
    answered.output.flatMap((part) => (part.type === 'tool-call' ? [callKey(part)] : [])),
  )
  const others = answered.toolCalls.filter((call) => !listed.has(callKey(call)))
  const cutShort = answered.complete || answered.output.length === 0 ? '' : ' (incomplete)'
  return [
    heading('answer', width, `${answered.finishReason ?? ''}${cutShort}`.trim(), 'assistant'),
    ...answered.output.flatMap((part) => partLines(part, width)),
    ...others.flatMap((call) => toolCallLines(call.name, call.arguments, width)),
    blank,
    ...usageLines(answered, width),
  ]
}

function callKey(call: { readonly name: string; readonly arguments: string }): string {
  return JSON.stringify([call.name, call.arguments])
}

function usageLines(answered: MsgOf<'model-answered'>, width: number): Line[] {
  const { usage, cost } = answered
  const lines: Line[] = [heading('usage', width, usageAside(answered))]
  lines.push(...textLines(usage === undefined ? 'not reported' : usageText(usage), width))
  if (cost === undefined) return lines
  return [...lines, blank, heading('cost', width, costAside(cost)), ...costLines(cost, width)]
}

function usageAside({
  usage,
  ttftMs,
  durationMs,
  tokensPerSecond,
}: MsgOf<'model-answered'>): string {
  return [
    usage?.source === 'estimated' ? 'estimated' : '',
    ttftMs === undefined ? '' : `first token after ${formatDuration(ttftMs)}`,
    `done after ${formatDuration(durationMs)}`,
    tokensPerSecond === undefined ? '' : `${tokensPerSecond.toFixed(1)} tokens/s`,
  ]
    .filter((piece) => piece !== '')
    .join(' · ')
}

function usageText(usage: Usage): string {
  const reasoning =
    usage.reasoningTokens > 0 ? ` (${formatCount(usage.reasoningTokens)} reasoning)` : ''
  return [
    `input ${formatCount(usage.inputTokens)}`,
    `cache read ${formatCount(usage.cacheReadTokens)}`,
    `cache write ${formatCount(usage.cacheWriteTokens)}`,
    `output ${formatCount(usage.outputTokens)}${reasoning}`,
    `total ${formatCount(usage.totalTokens)}`,
  ].join(' · ')
}

function costAside(cost: Cost): string {
  const source = [cost.priceSource, cost.priceDate].filter((piece) => piece !== undefined).join(' ')
  return [cost.confidence, source === '' ? '' : `prices: ${source}`]
    .filter((piece) => piece !== '')
    .join(' · ')
}

function costLines(cost: Cost, width: number): Line[] {
  const nameWidth = Math.max(5, ...cost.lines.map(({ bucket }) => Math.min(24, bucket.length)))
  const rows = cost.lines.map(({ bucket, tokens, usdPerMillion, usd }) =>
    clipLine(
      [
        span(`  ${safeLine(bucket, 24).padEnd(nameWidth)}`),
        span(` ${formatCount(tokens).padStart(11)} × $${String(usdPerMillion)} / M`, 'dim'),
        span(` = ${formatUsd(usd)}`),
      ],
      width,
    ),
  )
  const total =
    cost.usd === undefined ? '? (the price of this model is not known)' : formatCost(cost)
  return [
    ...rows,
    clipLine([span(`  ${'total'.padEnd(nameWidth)} `), span(total, 'strong')], width),
  ]
}

/** An operation with its facts, or a call of a tool with its arguments and its result. */
function operationLines(row: Row, width: number): Line[] {
  const { operation, asked, replied } = row.detail ?? {}
  const lines = otherLines(row, width)
  if (operation !== undefined) {
    const facts = operation.facts.flatMap(({ name, value }) =>
      fieldLines(name, value, width, 'user'),
    )
    lines.push(blank, heading(operation.operation, width, operation.subjects.join(' ')), ...facts)
  }
  if (asked !== undefined) {
    lines.push(blank, heading(asked.method, width, asked.name ?? '', 'tool'))
    lines.push(...textLines(prettyJson(asked.arguments ?? ''), width))
  }
  if (replied !== undefined) {
    lines.push(blank, heading('result', width, formatDuration(replied.durationMs), 'assistant'))
    lines.push(...replied.result.flatMap((part) => partLines(part, width)))
  }
  return [...lines, ...problem(row, width)]
}

function summaryLines(row: Row, width: number): Line[] {
  return [
    [span('  The details of this call were dropped to make room; the capture has them.', 'warn')],
    blank,
    heading('user', width, '', 'user'),
    ...textLines(row.prompt, width),
    blank,
    heading('answer', width, row.finishReason ?? '', 'assistant'),
    ...textLines(row.answer, width),
    ...problem(row, width),
  ].map((line) => clipLine(line, width))
}

/** What is known of a row that is no model call, and what the user can do to see more. */
const hints: Readonly<Record<string, string>> = {
  'not-allowlisted':
    'This host is not on the allowlist: its bytes passed through unread. Name it with --allow to see inside.',
  'client-rejects-ca':
    'The client does not trust the certificate authority, so its bytes passed through unread. porthole doctor says what it needs.',
  'ca-unavailable':
    'No certificate could be made for this host, so its bytes passed through unread. porthole ca status says what the CA can vouch for.',
}

function otherLines(row: Row, width: number): Line[] {
  const titles = {
    http: 'not a model call',
    api: 'operation of the provider',
    mcp: 'Model Context Protocol',
    call: 'model call',
    tunnel: 'tunnel',
    refused: 'refused connection',
    tls: 'TLS handshake failed',
  } as const
  // What is reported may be called as anything is that every object has.
  const problem = row.problem ?? ''
  const hint = Object.hasOwn(hints, problem) ? hints[problem] : undefined
  const notes = row.detail?.notes ?? []
  return [
    heading(titles[row.kind], width),
    ...textLines(describeRow(row), width, row.phase === 'failed' ? 'bad' : 'plain'),
    ...(hint === undefined ? [] : [blank, ...textLines(hint, width, 'warn')]),
    ...(notes.length > 0 ? [blank] : []),
    ...notes.flatMap((note) => textLines(note.text, width, note.isProblem ? 'warn' : 'plain')),
  ]
}
