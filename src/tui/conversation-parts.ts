/**
 * Parts of prompts and answers as blocks: text as light Markdown, tool calls and results folded,
 * pictures and sounds in a line of their own.
 */
import type { ModelMessage, Part } from '../messages/schema.ts'
import type { TabView } from './block.ts'
import { bounded, foldBlock, solidBlock, textLines } from './block.ts'
import type { Block } from './document.ts'
import { displayWidth, formatCount, safeLine } from './format.ts'
import type { Line, Tone } from './line.ts'
import { clipLine, span } from './line.ts'
import { markdownLines } from './markdown.ts'
import { describeMedia } from './media-text.ts'
import { prettyJson } from './pretty-json.ts'

/** Characters of a result that is short enough to stand open. */
const shortResult = 160
/** Characters of the arguments of an answer's own tool calls that stand open. */
const shortArguments = 800

/** `isNew` says that this is what the call adds: the answer, whose tool calls stand open. */
export function partBlock(part: Part, id: string, view: TabView, isNew = false): Block {
  switch (part.type) {
    case 'text':
      return textBlock(part, id, view)
    case 'reasoning':
      return reasoningBlock(part, id, view)
    case 'tool-call':
      return toolCallBlock(part, id, view, isNew)
    case 'tool-result':
      return toolResultBlock(part, id, view)
    case 'media':
      return solidBlock(
        id,
        view.cache.lines(part, view.width, () =>
          textLines(`[${describeMedia(part)}]`, view.width, 'dim'),
        ),
        () => describeMedia(part),
      )
    case 'other':
      return foldBlock(
        {
          id,
          indent: 2,
          title: [span(safeLine(part.name, 128), 'heading')],
          preview: () => part.text,
          isOpenByDefault: part.text.length <= shortResult,
          body: () => cachedText(part, part.text, view, 'dim'),
          text: () => part.text,
        },
        view,
      )
  }
}

function textBlock(part: Part & { type: 'text' }, id: string, view: TabView): Block {
  const { width, cache } = view
  const lines = cache.lines(part, width, () => {
    const { shown, rest } = bounded(part.text)
    return [...markdownLines(shown, width), ...rest.map((line) => clipLine(line, width))]
  })
  return solidBlock(id, lines, () => part.text)
}

function reasoningBlock(part: Part & { type: 'reasoning' }, id: string, view: TabView): Block {
  return foldBlock(
    {
      id,
      indent: 2,
      title: [span('reasoning', 'dim')],
      preview: () => part.text,
      isOpenByDefault: true,
      body: () => cachedText(part, part.text, view, 'dim'),
      text: () => part.text,
    },
    view,
  )
}

function toolCallBlock(
  part: Part & { type: 'tool-call' },
  id: string,
  view: TabView,
  isNew: boolean,
): Block {
  const name = safeLine(part.name, 128)
  const compact = safeLine(part.arguments, view.width * 2)
  const text = (): string => `${part.name} ${prettyJson(part.arguments)}`
  const isOneLine = displayWidth(name) + displayWidth(compact) + 5 <= view.width
  if (isOneLine) {
    const line = [span(`  ⚙ ${name}`, 'tool'), span(compact === '' ? '' : ` ${compact}`, 'dim')]
    return solidBlock(id, [line], text)
  }
  return foldBlock(
    {
      id,
      indent: 2,
      title: [span(`⚙ ${name}`, 'tool')],
      preview: () => part.arguments,
      isOpenByDefault: isNew && part.arguments.length <= shortArguments,
      body: () => cachedText(part, prettyJson(part.arguments), view),
      text,
    },
    view,
  )
}

function toolResultBlock(part: Part & { type: 'tool-result' }, id: string, view: TabView): Block {
  const size = `${formatCount(part.text.length)} characters`
  const words = ['⤷ result', part.id === undefined ? '' : safeLine(part.id, 128)]
  return foldBlock(
    {
      id,
      indent: 2,
      title: [
        span(words.filter((word) => word !== '').join(' '), 'tool'),
        span(part.text.length > shortResult ? ` ${size}` : '', 'dim'),
      ],
      preview: () => part.text,
      isOpenByDefault: part.text.length <= shortResult,
      body: () => cachedText(part, part.text, view),
      text: () => part.text,
    },
    view,
  )
}

function cachedText(
  key: object,
  text: string,
  view: TabView,
  tone: Tone = 'plain',
): readonly Line[] {
  return view.cache.lines(key, view.width, () => textLines(text, view.width, tone))
}

/** What a part says, as raw text. */
export function partText(part: Part): string {
  switch (part.type) {
    case 'tool-call':
      return `${part.name} ${part.arguments}`
    case 'media':
      return `[${describeMedia(part)}]`
    default:
      return part.text
  }
}

export function messageText({ parts }: Pick<ModelMessage, 'parts'>): string {
  return parts.map(partText).join('\n')
}

export function roleTone(role: string): Tone {
  if (role === 'user') return 'user'
  if (role === 'assistant' || role === 'model') return 'assistant'
  return role === 'tool' ? 'tool' : 'system'
}
