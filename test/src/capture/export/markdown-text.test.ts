import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { visibleLine, visibleText } from '../../../../src/base/visible-text.ts'
import { fenced, inCode } from '../../../../src/capture/export/markdown-text.ts'
import { readBlocks } from '../../../support/markdown-blocks.ts'

const tricky = fc.string({
  unit: fc.constantFrom('`', '```', '\n', ' ', 'a', '#', '~~~', '\u001b'),
})

describe('a code block', () => {
  property.prop([fc.oneof(tricky, fc.string({ unit: 'binary' }))])(
    'holds any text as it is, and ends with it',
    (text) => {
      const { prose, code, isClosed } = readBlocks(`${fenced(text, 'json')}after`)
      const safe = visibleText(text)

      expect(code).toEqual([safe.endsWith('\n') ? safe.slice(0, -1) : safe])
      expect(prose).toEqual(['after'])
      expect(isClosed).toBe(true)
    },
  )

  test('is as long as it must be', () => {
    expect(fenced('a')).toBe('```\na\n```\n')
    expect(fenced('````', 'text')).toBe('`````text\n````\n`````\n')
    expect(fenced('')).toBe('```\n```\n')
  })
})

describe('a code span', () => {
  property.prop([tricky])('holds any text on one line', (text) => {
    const span = inCode(text)
    const [, mark = ''] = /^(`+)/u.exec(span) ?? []
    const inner = span.slice(mark.length, -mark.length)

    expect(span).not.toContain('\n')
    // No run within it is as long as its marks.
    expect((inner.match(/`+/gu) ?? []).map((run) => run.length)).not.toContain(mark.length)
    expect(inner.trim()).toBe(visibleLine(text).trim())
  })

  test('is cut, and needs no space where there is no backtick', () => {
    expect(inCode('gpt-5')).toBe('`gpt-5`')
    expect(inCode('`a`')).toBe('`` `a` ``')
    expect(inCode('')).toBe('`  `')
    expect(inCode('abcdef', 3)).toBe('`abc…`')
  })
})
