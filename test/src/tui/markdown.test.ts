import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import { lineText } from '../../../src/tui/document.ts'
import { displayWidth } from '../../../src/tui/format.ts'
import { createMarkdown, markdownLines } from '../../../src/tui/markdown.ts'
import { findUnsafe, hostileTexts } from './hostile-text.ts'

const plain = (text: string, width = 40): string[] => markdownLines(text, width).map(lineText)
/** The spans of the first line, without the indent. */
const spans = (text: string) =>
  markdownLines(text, 60)[0]?.filter(({ text: shown }) => shown.trim() !== '')

describe('light Markdown', () => {
  it('draws bold and code in a line, and keeps the marks of code', () => {
    expect(spans('a **bold** and `code` b')).toEqual([
      { text: 'a ', tone: 'plain' },
      { text: 'bold', tone: 'strong' },
      { text: ' and ', tone: 'plain' },
      { text: '`code`', tone: 'code' },
      { text: ' b', tone: 'plain' },
    ])
  })

  it('draws headings strong, and fences as code with a gutter', () => {
    expect(spans('## Title')).toEqual([{ text: '  ## Title', tone: 'strong' }])
    expect(plain('```ts\nconst a = "**b**"\n```\nafter **x**')).toEqual([
      '  ```ts',
      '  │ const a = "**b**"',
      '  ```',
      '  after x',
    ])
  })

  it('hangs lists and quotes under their mark', () => {
    expect(plain('- one two three four five six seven eight', 24)).toEqual([
      '  - one two three four',
      '    five six seven eight',
    ])
    expect(plain('> said one two three four five', 22)).toEqual([
      '  > said one two three',
      '  > four five',
    ])
  })

  it('leaves alone what only looks like a mark', () => {
    expect(plain('2 ** 3 ** 4 and `open')).toEqual(['  2 ** 3 ** 4 and `open'])
  })

  it('keeps looks across a break of the line', () => {
    const lines = markdownLines('**one two three four** five', 14)

    expect(lines.map((line) => line.map(({ tone }) => tone))).toEqual([
      ['plain', 'strong'],
      ['plain', 'strong'],
      ['plain', 'plain'],
    ])
  })
})

const words = fc.constantFrom(
  'word',
  '**b**',
  '`c`',
  '\n',
  ' ',
  '```',
  '- ',
  '# ',
  '日本',
  '\r\n',
  ...hostileTexts.map((text) => text.slice(0, 60)),
)

// Two columns of indent, and a character that takes two.
const leastWidth = 4

test.prop([fc.array(words, { maxLength: 30 }), fc.integer({ min: leastWidth, max: 60 })])(
  'it is safe, within the width, and the same whether it came at once or in pieces',
  (pieces, width) => {
    const growing = createMarkdown()
    let text = ''
    for (const piece of pieces) {
      text += piece
      growing.render(text, width)
    }
    const lines = markdownLines(text, width)
    for (const line of lines.map(lineText)) {
      expect(findUnsafe(line)).toBeUndefined()
      expect(displayWidth(line)).toBeLessThanOrEqual(width)
    }
    expect(growing.render(text, width).map(lineText)).toEqual(lines.map(lineText))
  },
)
