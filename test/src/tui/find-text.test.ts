import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { documentOf, lineText, plainBlock } from '../../../src/tui/document.ts'
import { findText, highlight } from '../../../src/tui/find-text.ts'
import { span } from '../../../src/tui/line.ts'

const documentFor = (...blocks: ReadonlyArray<readonly string[]>) =>
  documentOf(
    blocks.map((lines, at) =>
      plainBlock(
        `b${at}`,
        lines.map((line) => [span(line)]),
      ),
    ),
  )

it('finds every line with the text once, in both directions, and then the first again', () => {
  const document = documentFor(['x', 'no'], ['no'], ['x', 'X marks', 'no'])
  for (const [step, expected] of [
    [1, [3, 4, 0, 3]],
    [-1, [4, 3, 0, 4]],
  ] as const) {
    let line = 0
    const seen = expected.map(() => {
      const match = findText(document, 'x', { line, step })
      line =
        (document.blocks.at(document.blocks.indexOf(match?.id ?? ''))?.start ?? 0) +
        (match?.offset ?? 0)
      return line
    })
    expect(seen).toEqual(expected)
  }
})

it('finds the only match from where it stands, and nothing where there is none', () => {
  const document = documentFor(['a', 'x', 'b'])

  expect(findText(document, 'x', { line: 1, step: 1 })).toMatchObject({ offset: 1, isAround: true })
  expect(findText(document, 'y', { line: 1, step: 1 })).toBeUndefined()
  expect(findText(document, '', { line: 1, step: 1 })).toBeUndefined()
  expect(findText(documentOf([]), 'x', { line: 0, step: 1 })).toBeUndefined()
})

it('marks matches across the looks of a line', () => {
  const line = [span('ab', 'dim'), span('CDab', 'strong'), span('c')]

  expect(highlight(line, 'bc')).toEqual([
    span('a', 'dim'),
    span('b', 'match'),
    span('C', 'match'),
    span('Da', 'strong'),
    span('b', 'match'),
    span('c', 'match'),
  ])
  expect(highlight(line, 'zz')).toBe(line)
})

test.prop([fc.array(fc.string({ maxLength: 8 }), { maxLength: 5 }), fc.string({ maxLength: 3 })])(
  'a line reads the same with its matches marked',
  (texts, needle) => {
    const line = texts.map((text) => span(text))

    expect(lineText(highlight(line, needle))).toBe(lineText(line))
  },
)
