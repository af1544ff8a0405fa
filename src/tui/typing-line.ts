/** The filter while it is typed: the text, the place of a mistake in it, and what the mistake is. */
import { displayWidth, safeLine, truncateEnd, truncateStart } from './format.ts'
import type { Line, Span } from './line.ts'
import { clipLine, lineWidth, span, spreadLine } from './line.ts'
import type { FilterTyping } from './screens/filter-typing.ts'

const keys = 'enter keep  esc cancel  ↑ earlier'

export function typingLine(typing: FilterTyping, width: number): Line {
  const { text, problem } = typing
  if (problem === undefined) {
    const shown = truncateStart(safeLine(text), Math.max(1, width - 2))
    return spreadLine([span('/', 'strong'), span(shown), cursor], [span(keys, 'dim')], width)
  }
  const told = truncateEnd(safeLine(problem.text, 256), Math.max(0, Math.floor(width / 2)))
  const room = Math.max(8, width - displayWidth(told) - 4)
  return spreadLine(
    [span('/', 'strong'), ...markedText(text, problem.at, room)],
    [span(told, 'bad')],
    width,
  )
}

const cursor: Span = span('▏', 'strong')

/** The text around the mistake, which stands out; at the end of the text it is the cursor's place. */
function markedText(text: string, at: number, room: number): Line {
  const place = Math.min(at, text.length)
  const [wrong = ''] = Array.from(text.slice(place))
  const before = safeLine(text.slice(0, place))
  const after = safeLine(text.slice(place + wrong.length))
  const mark = wrong === '' ? cursor : span(safeLine(wrong), 'bad-mark')
  const tail: Line =
    wrong === '' ? [mark] : [mark, span(truncateEnd(after, Math.floor(room / 3))), cursor]
  const left = truncateStart(before, Math.max(1, room - lineWidth(tail)))
  return clipLine([span(left), ...tail], room)
}
