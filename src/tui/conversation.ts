/**
 * The Conversation tab: what was said to the model, message by message, and the answer, live while
 * it streams. A row that is no model call says what it is instead, and why nothing of it can be read.
 */
import type { ModelMessage, MsgOf } from '../messages/schema.ts'
import type { TabView } from './block.ts'
import { fieldLines, foldBlock, heading, solidBlock, spacer, textLines } from './block.ts'
import { messageText, partBlock, roleTone } from './conversation-parts.ts'
import { costText } from './cost-tab.ts'
import { describeRow } from './describe-row.ts'
import type { Block, Document } from './document.ts'
import { documentOf, plainBlock } from './document.ts'
import { formatCount, formatDuration, formatTokens, safeLine, safePreview } from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import { linkLines } from './link-lines.ts'
import { prettyJson } from './pretty-json.ts'
import type { LivePart, Row } from './row.ts'

const blank: Line = []
/** Characters of a system prompt that stands open. */
const shortSystem = 600

export function conversation(row: Row, view: TabView): Document {
  const { detail } = row
  if (row.kind === 'mcp' || row.kind === 'api') return documentOf(operationBlocks(row, view))
  if (row.kind !== 'call') return documentOf([plainBlock('what', otherLines(row, view.width))])
  if (detail === undefined)
    return documentOf([plainBlock('summary', summaryLines(row, view.width))])
  const answer = answerBlocks(row, view)
  const { call } = detail
  if (call === undefined) return documentOf(answer)
  const asked = callBlocks(call, view)
  // Agents resend all that was said before: what is new begins with the last message.
  const last = asked.findLastIndex(({ id }) => /^m\d+$/u.test(id))
  return documentOf([...asked, ...answer], Math.max(0, last))
}

function callBlocks(call: MsgOf<'model-called'>, view: TabView): Block[] {
  const isSystem = ({ role }: ModelMessage): boolean => role === 'system'
  const numbered = call.messages.map((message, at) => ({ message, at }))
  const blocks: Block[] = []
  for (const { message, at } of numbered.filter((entry) => isSystem(entry.message))) {
    blocks.push(...messageBlocks(message, `s${at}`, view))
  }
  if (call.tools.length > 0) blocks.push(toolsBlock(call, view), spacer('after-tools'))
  for (const { message, at } of numbered.filter((entry) => !isSystem(entry.message))) {
    blocks.push(...messageBlocks(message, `m${at}`, view))
  }
  return blocks
}

function messageBlocks(message: ModelMessage, id: string, view: TabView): Block[] {
  const text = (): string => messageText(message)
  const isLong = message.role === 'system' && messageLength(message) > shortSystem
  const head = foldBlock(
    {
      id,
      title: [span(safeLine(message.role, 128), roleTone(message.role))],
      preview: text,
      isOpenByDefault: !isLong,
      body: () => [],
      text,
    },
    view,
  )
  if (!head.isOpen) return [head, spacer(`${id}-end`)]
  const parts = message.parts.map((part, at) => partBlock(part, `${id}-${at}`, view))
  return [head, ...parts, spacer(`${id}-end`)]
}

function messageLength({ parts }: ModelMessage): number {
  return parts.reduce((sum, part) => sum + ('text' in part ? part.text.length : 0), 0)
}

function toolsBlock(call: MsgOf<'model-called'>, view: TabView): Block {
  const { tools } = call
  return foldBlock(
    {
      id: 'tools',
      title: [span(`tools (${formatCount(tools.length)})`, 'tool')],
      preview: () =>
        tools
          .slice(0, 32)
          .map(({ name }) => name.slice(0, 64))
          .join(' '),
      isOpenByDefault: false,
      body: () => view.cache.lines(tools, view.width, () => toolLines(call, view.width)),
      text: () => tools.map(({ name, description = '' }) => `${name}  ${description}`).join('\n'),
    },
    view,
  )
}

function toolLines({ tools }: MsgOf<'model-called'>, width: number): Line[] {
  const nameWidth = tools.reduce((most, { name }) => Math.min(28, Math.max(most, name.length)), 0)
  return tools.map(({ name, description }) =>
    clipLine(
      [
        span(`  ${safeLine(name, 128).padEnd(nameWidth)}`),
        span(`  ${safePreview(description ?? '')}`, 'dim'),
      ],
      width,
    ),
  )
}

function answerBlocks(row: Row, view: TabView): Block[] {
  const { width, cache } = view
  // What the proxy refused is no call: nobody answered, and it has no place in a conversation.
  if (row.isRefused) {
    return [plainBlock('problem', problemLines(row.problem ?? 'refused', width))]
  }
  const answered = row.detail?.answered
  const blocks = answered === undefined ? liveBlocks(row, view) : answeredBlocks(answered, view)
  const link = row.detail?.link
  if (link !== undefined) {
    const lines = cache.lines(link, width, () => linkLines(link, width))
    blocks.push(spacer('before-place'), plainBlock('place', lines))
  }
  return [...blocks, ...problemBlocks(row, width)]
}

function answeredBlocks(answered: MsgOf<'model-answered'>, view: TabView): Block[] {
  const { width, cache } = view
  const listed = new Set(
    answered.output.flatMap((part) => (part.type === 'tool-call' ? [callKey(part)] : [])),
  )
  const others = answered.toolCalls.filter((call) => !listed.has(callKey(call)))
  const cutShort = answered.complete || answered.output.length === 0 ? '' : ' (incomplete)'
  const aside = `${answered.finishReason ?? ''}${cutShort}`.trim()
  const parts = [
    ...answered.output,
    ...others.map((call) => cache.derived(call, () => ({ ...call, type: 'tool-call' as const }))),
  ]
  const text = (): string => messageText({ parts })
  return [
    solidBlock('answer', [heading('answer', width, aside, 'assistant')], text),
    ...parts.map((part, at) => partBlock(part, `answer-${at}`, view, true)),
    spacer('before-usage'),
    plainBlock(
      'usage',
      cache.lines(answered, width, () => usageLines(answered, width)),
    ),
  ]
}

function liveBlocks(row: Row, view: TabView): Block[] {
  const { detail } = row
  const { width, cache } = view
  const live = detail?.live ?? []
  const head = [heading('answer', width, waitingText(row), 'assistant')]
  const blocks = [solidBlock('answer', head, () => live.map(({ text }) => text).join('\n'))]
  for (const [at, part] of live.entries()) {
    blocks.push(solidBlock(`live-${at}`, liveLines(part, view), () => part.text))
  }
  const merged = detail?.merged
  if (live.length === 0 && merged !== undefined) {
    const lines = cache.lines(merged, width, () => textLines(merged.text, width), 'text')
    blocks.push(solidBlock('merged', lines, () => merged.text))
  }
  return blocks
}

function liveLines(part: LivePart, { width, cache }: TabView): readonly Line[] {
  if (part.type === 'text') return cache.growingMarkdown(part, part.text, width)
  const tone = part.type === 'reasoning' ? 'dim' : 'plain'
  const lines = part.text === '' ? [] : cache.growing(part, part.text, width, tone)
  if (part.type === 'reasoning') return lines
  return [heading(`  ⚙ ${part.name ?? 'tool call'}`, width, '', 'tool'), ...lines]
}

function waitingText(row: Row): string {
  if (row.phase !== 'running') return ''
  return row.detail?.live.length === 0 ? 'waiting …' : 'streaming …'
}

function problemBlocks(row: Row, width: number): Block[] {
  if (row.problem === undefined) return []
  return [spacer('before-problem'), plainBlock('problem', problemLines(row.problem, width))]
}

function problemLines(problem: string, width: number): Line[] {
  return [heading('error', width, '', 'bad'), ...textLines(problem, width, 'bad')]
}

function callKey(call: { readonly name: string; readonly arguments: string }): string {
  return JSON.stringify([call.name, call.arguments])
}

/** In one line each; the arithmetic is in the Cost tab. */
function usageLines(answered: MsgOf<'model-answered'>, width: number): Line[] {
  const { usage, cost, ttftMs, durationMs, tokensPerSecond } = answered
  const aside = [
    usage?.source === 'estimated' ? 'estimated' : '',
    ttftMs === undefined ? '' : `first token after ${formatDuration(ttftMs)}`,
    `done after ${formatDuration(durationMs)}`,
    tokensPerSecond === undefined ? '' : `${tokensPerSecond.toFixed(1)} tokens/s`,
  ]
  const counts =
    usage === undefined
      ? 'not reported'
      : [
          `input ${formatTokens(usage.inputTokens)}`,
          `cache read ${formatTokens(usage.cacheReadTokens)}`,
          `cache write ${formatTokens(usage.cacheWriteTokens)}`,
          `output ${formatTokens(usage.outputTokens)}`,
        ].join(' · ')
  return [
    heading('usage', width, aside.filter((piece) => piece !== '').join(' · ')),
    ...textLines(counts, width),
    ...(cost === undefined ? [] : textLines(`cost ${costText(cost)}`, width)),
  ]
}

/** An operation with its facts, or a call of a tool with its arguments and its result. */
function operationBlocks(row: Row, view: TabView): Block[] {
  const { width } = view
  const { operation, asked, replied } = row.detail ?? {}
  const blocks = [plainBlock('what', otherLines(row, width))]
  if (operation !== undefined) {
    const facts = operation.facts.flatMap(({ name, value }) =>
      fieldLines(name, value, width, 'user'),
    )
    const head = heading(operation.operation, width, operation.subjects.join(' '))
    blocks.push(plainBlock('operation', [blank, head, ...facts]))
  }
  if (asked !== undefined) {
    const body = asked.arguments === undefined ? [] : textLines(prettyJson(asked.arguments), width)
    const head = heading(asked.method, width, asked.name ?? '', 'tool')
    blocks.push(solidBlock('asked', [blank, head, ...body], () => asked.arguments ?? asked.method))
  }
  if (replied !== undefined) {
    const head = heading('result', width, formatDuration(replied.durationMs), 'assistant')
    blocks.push(
      solidBlock('replied', [blank, head], () => messageText({ parts: replied.result })),
      ...replied.result.map((part, at) => partBlock(part, `replied-${at}`, view, true)),
    )
  }
  return [...blocks, ...problemBlocks(row, width)]
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
    ...(row.problem === undefined ? [] : [blank, ...problemLines(row.problem, width)]),
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
