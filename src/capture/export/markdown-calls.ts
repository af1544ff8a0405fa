/**
 * Records as Markdown to read: a heading for each call with model, tokens and cost, then what was
 * said. A prompt that repeats what an earlier call of the same export said shows the rest alone.
 */
import type { MsgOf, Part } from '../../messages/schema.ts'
import { sentTokens } from '../../messages/sent-tokens.ts'
import type { ExchangeRecord, RecordedCall } from '../../recorded/exchange-record.ts'
import { isoTime } from './export-text.ts'
import { fenced, inCode } from './markdown-text.ts'

/** Exchanges whose number is remembered, so that later ones can name them; the oldest is forgotten. */
const rememberedCalls = 4096

export interface MarkdownWriter {
  /** The text of one record; empty for one that says nothing. */
  write(record: ExchangeRecord): string
}

/** One for each document. */
export function createMarkdownWriter(): MarkdownWriter {
  const numbers = new Map<string, number>()
  let count = 0
  const next = (): number => (count += 1)
  return {
    write: (record) => {
      if (record.calls.length === 0) return describeOther(record, next)
      return record.calls
        .map((call) => {
          const number = next()
          const text = describeCall(record, call, number, numbers)
          numbers.set(record.id, number)
          const [oldest] = numbers.keys()
          if (numbers.size > rememberedCalls && oldest !== undefined) numbers.delete(oldest)
          return text
        })
        .join('\n')
    },
  }
}

function describeCall(
  record: ExchangeRecord,
  call: RecordedCall,
  number: number,
  numbers: ReadonlyMap<string, number>,
): string {
  const { called, answered, merged } = call
  const known = answered ?? called
  const model = answered?.model ?? called?.model ?? 'unknown model'
  const operation =
    known === undefined ? '' : ` · ${inCode(`${known.provider} ${known.operation}`)}`
  return [
    `## ${number} · ${inCode(model)}${operation}\n`,
    `${factsOf(record, call).join(' · ')}\n`,
    ...describePrompt(call, numbers),
    '### answer\n',
    ...describeAnswer(answered, merged),
  ].join('\n')
}

function describePrompt(
  { called, link }: RecordedCall,
  numbers: ReadonlyMap<string, number>,
): string[] {
  const messages = called?.messages ?? []
  const systems = messages.filter(({ role }) => role === 'system')
  const others = messages.filter(({ role }) => role !== 'system')
  const before = numbers.get(link?.previousExchangeId ?? '')
  // Counted without system prompts, which may differ by themselves.
  const shared = before === undefined ? 0 : (link?.sharedMessages ?? 0)
  const blocks: string[] = []
  if (shared > 0) {
    const what =
      shared === 1 ? 'The first message is that' : `The first ${shared} messages are those`
    blocks.push(`*${what} of call ${before ?? 0}.*\n`)
  }
  const isSystemKnown = shared > 0 && link?.changed.includes('system') === false
  for (const { role, parts } of [...(isSystemKnown ? [] : systems), ...others.slice(shared)]) {
    blocks.push(`### ${inCode(role, 40)}\n`, ...parts.map(describePart))
  }
  return blocks
}

function factsOf(record: ExchangeRecord, { answered, link }: RecordedCall): string[] {
  const { usage, cost } = answered ?? {}
  const facts = [isoTime(record.startedAt).replace('T', ' ').replace('Z', ' UTC')]
  if (record.agent !== undefined) facts.push(`agent ${inCode(record.agent)}`)
  if (link !== undefined) {
    facts.push(`session ${inCode(link.sessionId)} turn ${link.turn} (${link.branch})`)
  }
  if (usage !== undefined) {
    const { cacheReadTokens, outputTokens } = usage
    const cached = cacheReadTokens === 0 ? '' : ` (${cacheReadTokens} from the cache)`
    const about = usage.source === 'estimated' ? 'about ' : ''
    facts.push(`${about}${sentTokens(usage)} tokens in${cached}, ${outputTokens} out`)
  }
  if (cost !== undefined) facts.push(costText(cost))
  if (answered !== undefined) facts.push(`${(answered.durationMs / 1000).toFixed(2)} s`)
  if (answered?.finishReason !== undefined)
    facts.push(`ended with ${inCode(answered.finishReason)}`)
  return facts
}

function costText({ usd, confidence }: NonNullable<MsgOf<'model-answered'>['cost']>): string {
  if (usd === undefined || confidence === 'unknown') return 'cost unknown'
  const amount =
    usd >= 1
      ? usd.toFixed(2)
      : usd.toLocaleString('en-US', { maximumSignificantDigits: 3, maximumFractionDigits: 20 })
  return `${confidence === 'estimated' ? 'about ' : ''}$${amount}`
}

function describeAnswer(
  answered: RecordedCall['answered'],
  merged: RecordedCall['merged'],
): string[] {
  if (answered === undefined) {
    return merged === undefined || merged.text === '' ? ['*none*\n'] : [fenced(merged.text)]
  }
  const blocks = answered.output.map(describePart)
  // Calls stand in the output too, where the format has them there.
  const told = new Set(answered.output.map((part) => (part.type === 'tool-call' ? part.id : '')))
  const isTold = answered.output.some(({ type }) => type === 'tool-call')
  for (const call of answered.toolCalls) {
    if (isTold && (call.id === undefined || told.has(call.id))) continue
    blocks.push(describePart({ type: 'tool-call', ...call }))
  }
  if (answered.error !== undefined) {
    blocks.push(`**error** ${inCode(answered.error.type)}\n`, fenced(answered.error.message))
  }
  if (!answered.complete) blocks.push('*incomplete*\n')
  return blocks.length === 0 ? ['*empty*\n'] : blocks
}

function describePart(part: Part): string {
  switch (part.type) {
    case 'text':
      return fenced(part.text)
    case 'reasoning':
      return `*reasoning*\n\n${fenced(part.text)}`
    case 'tool-call':
      return `**calls** ${inCode(part.name)}${idOf(part.id)}\n\n${fenced(part.arguments, 'json')}`
    case 'tool-result':
      return `**result**${idOf(part.id)}\n\n${fenced(part.text)}`
    case 'media':
      return `*${mediaText(part)}*\n`
    default:
      return `*${inCode(part.name)}*\n\n${fenced(part.text)}`
  }
}

function idOf(id: string | undefined): string {
  return id === undefined ? '' : ` (${inCode(id)})`
}

function mediaText(part: Extract<Part, { type: 'media' }>): string {
  const { bytes, width, height, durationMs } = part
  const facts = [
    bytes === undefined ? undefined : `${bytes} bytes`,
    width === undefined || height === undefined ? undefined : `${width} × ${height}`,
    durationMs === undefined ? undefined : `${(durationMs / 1000).toFixed(1)} s`,
  ].filter((fact) => fact !== undefined)
  return [inCode(part.mediaType), ...facts].join(', ')
}

/** What is no model call, in short. */
function describeOther(record: ExchangeRecord, next: () => number): string {
  const { started, operation, mcp, connection } = record
  const [asked] = mcp
  if (operation !== undefined) {
    const facts = operation.facts.map(({ name, value }) => `- ${name}: ${inCode(value)}\n`)
    const title = `## ${next()} · ${inCode(`${operation.provider} ${operation.operation}`)}\n`
    return [title, ...(facts.length === 0 ? [] : [facts.join('')]), ...endOf(record)].join('\n')
  }
  if (asked !== undefined) {
    const blocks = mcp.map((msg) =>
      msg.kind === 'mcp-called'
        ? fenced(msg.arguments ?? '', 'json')
        : ['*result*\n', ...msg.result.map(describePart)].join('\n'),
    )
    const title = `MCP ${asked.server} ${asked.method} ${asked.name ?? ''}`.trim()
    return [`## ${next()} · ${inCode(title)}\n`, ...blocks, ...endOf(record)].join('\n')
  }
  if (started !== undefined) {
    const title = `${started.method} ${started.url}`
    return [`## ${next()} · ${inCode(title)}\n`, ...endOf(record)].join('\n')
  }
  return `## ${next()} · ${inCode(`${record.type} ${connection?.host ?? ''}`.trim())}\n`
}

function endOf({ responseStarted, refused, end }: ExchangeRecord): string[] {
  if (refused !== undefined) return [`refused: ${inCode(refused.message ?? refused.reason)}\n`]
  if (end?.kind === 'exchange-failed') return [`failed: ${inCode(end.code)}\n`]
  return responseStarted === undefined ? [] : [`status ${responseStarted.status}\n`]
}
