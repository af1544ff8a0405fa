/**
 * The Diff tab: how a call differs from the one before it in its branch: model, tools, system
 * prompt, the first message that is not the same, and what was appended. Bounded in size.
 */
import type { CallLink, ModelMessage, MsgOf } from '../messages/schema.ts'
import type { TabView } from './block.ts'
import { foldBlock, heading, spacer, textLines } from './block.ts'
import { messageText, partBlock, roleTone } from './conversation-parts.ts'
import type { Block, Document } from './document.ts'
import { documentOf, plainBlock, plainDocument } from './document.ts'
import { formatCount, safeLine } from './format.ts'
import { diffHunks } from './line-diff.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import { droppedDocument } from './message-tabs.ts'
import type { Row } from './row.ts'

type Called = MsgOf<'model-called'>

/** Lines around a change. */
const contextLines = 3
/** Characters of each text that are compared, and lines of a difference that are shown. */
const maxCompared = 262_144
const maxShownLines = 400
/** Names of tools that are listed, and appended messages that are shown. */
const maxNames = 100
const maxAppended = 500

/** `previous` is the row of the call before, if it is still kept. */
export function diffTab(row: Row, previous: Row | undefined, view: TabView): Document {
  const { detail } = row
  const { width } = view
  if (detail === undefined) return droppedDocument(width)
  const { link, call } = detail
  if (link === undefined || call === undefined) {
    const text =
      row.kind === 'call' ? 'not known yet: the answer has not ended' : 'not a model call'
    return plainDocument(textLines(text, width, 'dim'))
  }
  if (link.previousExchangeId === undefined) {
    const text = 'the first call of its branch: there is none to compare it with'
    return plainDocument(textLines(text, width, 'dim'))
  }
  const title = titleLines(link, width)
  const before = previous?.detail?.call
  if (before === undefined) {
    const text = 'That call is not kept any more; the capture has it. It was compared when it was.'
    return plainDocument([...title, [], ...textLines(text, width, 'warn')])
  }
  const sections: Array<readonly [string, () => readonly Line[]]> = [
    ['model', () => modelLines(before, call, width)],
    ['tools', () => toolLines(before, call, { link, width })],
    ['system', () => systemLines(before, call, width)],
    ['message', () => changedMessageLines(before, call, { link, width })],
  ]
  const lines = view.cache.lines(
    link,
    width,
    () => sections.flatMap(([, make]) => withSpace(make())),
    'diff',
  )
  return documentOf([
    plainBlock('title', title),
    plainBlock('changes', lines),
    spacer('before-appended'),
    ...appendedBlocks(before, call, link, view),
  ])
}

function withSpace(lines: readonly Line[]): readonly Line[] {
  return lines.length === 0 ? [] : [[], ...lines]
}

function titleLines(link: CallLink, width: number): Line[] {
  const { previousExchangeId = '', sharedMessages, sharedTokens, changed } = link
  const shared =
    sharedMessages === undefined
      ? ''
      : `shares ${formatCount(sharedMessages)} messages${
          sharedTokens === undefined ? '' : ` (${formatCount(sharedTokens)} tokens)`
        }`
  const what = changed.length === 0 ? 'nothing else changed' : `changed: ${changed.join(', ')}`
  return [
    heading('against the call before', width, previousExchangeId),
    ...textLines([shared, what].filter((text) => text !== '').join(' · '), width),
  ]
}

function modelLines(before: Called, call: Called, width: number): Line[] {
  if (before.model === call.model) return []
  return [
    heading('model', width),
    removedLine(before.model ?? 'not named', width),
    addedLine(call.model ?? 'not named', width),
  ]
}

function toolLines(
  before: Called,
  call: Called,
  { link, width }: { readonly link: CallLink; readonly width: number },
): Line[] {
  const old = new Map(before.tools.map((tool) => [tool.name, tool.description ?? '']))
  const fresh = new Map(call.tools.map((tool) => [tool.name, tool.description ?? '']))
  const removed = [...old.keys()].filter((name) => !fresh.has(name))
  const added = [...fresh.keys()].filter((name) => !old.has(name))
  const changed = [...fresh].filter(([name, text]) => old.has(name) && old.get(name) !== text)
  const lines = [
    ...removed.map((name) => removedLine(name, width)),
    ...added.map((name) => addedLine(name, width)),
    ...changed.map(([name]) =>
      clipLine([span(`  ~ ${safeLine(name, 128)}`, 'warn'), span(' description changed')], width),
    ),
  ]
  if (lines.length === 0 && !link.changed.includes('tools')) return []
  const counts = `${formatCount(before.tools.length)} → ${formatCount(call.tools.length)}`
  const same = lines.length === 0 ? textLines('their order or parameters changed', width) : []
  return [heading('tools', width, counts), ...shortened(lines, maxNames, width), ...same]
}

function systemLines(before: Called, call: Called, width: number): Line[] {
  const old = systemText(before)
  const fresh = systemText(call)
  if (old === fresh) return []
  return [heading('system prompt', width), ...textDiff(old, fresh, width)]
}

function systemText({ messages }: Called): string {
  return messages
    .filter(({ role }) => role === 'system')
    .map(messageText)
    .join('\n')
}

function changedMessageLines(
  before: Called,
  call: Called,
  { link, width }: { readonly link: CallLink; readonly width: number },
): Line[] {
  if (!link.changed.includes('message')) return []
  const old = spoken(before)
  const fresh = spoken(call)
  const at = firstDifferent(old, fresh, call, link)
  const [was, is] = [old[at], fresh[at]]
  const role = safeLine((is ?? was)?.role ?? '', 64)
  const number = `message ${formatCount(at + 1)} of ${formatCount(old.length)}`
  if (is === undefined) return [heading('message gone', width, `${number}, ${role}`)]
  return [
    heading('first message that differs', width, `${number}, ${role}`),
    ...(was === undefined ? [] : textDiff(messageText(was), messageText(is), width)),
  ]
}

/** Its place among the messages that are no system prompt. */
function firstDifferent(
  old: readonly ModelMessage[],
  fresh: readonly ModelMessage[],
  call: Called,
  { changedMessage, sharedMessages }: CallLink,
): number {
  if (changedMessage !== undefined) {
    return spoken({ messages: call.messages.slice(0, changedMessage) }).length
  }
  if (sharedMessages !== undefined) return sharedMessages
  let at = 0
  while (at < old.length && at < fresh.length && sameMessage(old[at], fresh[at])) at += 1
  return at
}

function sameMessage(a: ModelMessage | undefined, b: ModelMessage | undefined): boolean {
  return a?.role === b?.role && JSON.stringify(a?.parts) === JSON.stringify(b?.parts)
}

function spoken({ messages }: Pick<Called, 'messages'>): ModelMessage[] {
  return messages.filter(({ role }) => role !== 'system')
}

function appendedBlocks(before: Called, call: Called, link: CallLink, view: TabView): Block[] {
  const fresh = spoken(call)
  const from = link.changed.includes('message')
    ? Math.min(fresh.length, spoken(before).length)
    : Math.min(fresh.length, link.sharedMessages ?? spoken(before).length)
  const appended = fresh.slice(from)
  if (appended.length === 0) return []
  const count = `${formatCount(appended.length)} ${appended.length === 1 ? 'message' : 'messages'}`
  const blocks = [plainBlock('appended', [heading('appended', view.width, count)])]
  for (const [at, message] of appended.slice(0, maxAppended).entries()) {
    const id = `a${at}`
    const head = foldBlock(
      {
        id,
        title: [span(`+ ${safeLine(message.role, 64)}`, roleTone(message.role))],
        preview: () => messageText(message),
        isOpenByDefault: false,
        body: () => [],
        text: () => messageText(message),
      },
      view,
    )
    blocks.push(head)
    if (!head.isOpen) continue
    blocks.push(...message.parts.map((part, index) => partBlock(part, `${id}-${index}`, view)))
  }
  return blocks
}

function textDiff(before: string, after: string, width: number): Line[] {
  const hunks = diffHunks(linesOf(before), linesOf(after), contextLines)
  const lines: Line[] = []
  for (let at = 0; at < hunks.length; at += 1) {
    const line = hunks[at]
    const next = hunks[at + 1]
    if (line === undefined) lines.push([span('  …', 'dim')])
    else if (line.kind === 'same') {
      lines.push(clipLine([span(`    ${shown(line.text)}`, 'dim')], width))
    } else if (line.kind === 'removed' && next?.kind === 'added') {
      const from = focusOf(line.text, next.text, width)
      lines.push(removedLine(fromFocus(line.text, from), width))
      lines.push(addedLine(fromFocus(next.text, from), width))
      at += 1
    } else if (line.kind === 'removed') lines.push(removedLine(line.text, width))
    else lines.push(addedLine(line.text, width))
  }
  if (lines.length === 0) {
    const text =
      Math.max(before.length, after.length) > maxCompared
        ? `the same in its first ${formatCount(maxCompared)} characters`
        : 'its text is the same; what differs is no text'
    return textLines(text, width, 'dim')
  }
  return shortened(lines, maxShownLines, width)
}

/** Where two long lines that begin alike are shown from, so that their difference is on screen. */
function focusOf(before: string, after: string, width: number): number {
  let same = 0
  while (same < before.length && same < after.length && before[same] === after[same]) same += 1
  return same < width / 2 ? 0 : same - Math.floor(width / 4)
}

function fromFocus(text: string, from: number): string {
  return from === 0 ? text : `…${text.slice(from)}`
}

function linesOf(text: string): string[] {
  return text.slice(0, maxCompared).split('\n')
}

function shortened(lines: readonly Line[], most: number, width: number): Line[] {
  if (lines.length <= most) return [...lines]
  const rest = `  … ${formatCount(lines.length - most)} more lines`
  return [...lines.slice(0, most), clipLine([span(rest, 'dim')], width)]
}

/** The marks say it without colours. */
function removedLine(text: string, width: number): Line {
  return clipLine([span(`  - ${shown(text)}`, 'bad')], width)
}

function addedLine(text: string, width: number): Line {
  return clipLine([span(`  + ${shown(text)}`, 'good')], width)
}

function shown(text: string): string {
  return safeLine(text.replaceAll('\t', '  ').replace(/\r$/u, ''), 2048)
}
