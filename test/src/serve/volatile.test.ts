import { describe, expect, test } from 'vitest'

import { maskVolatileText } from '../../../src/serve/volatile.ts'

describe('in a system prompt', () => {
  test.each([
    ["Today's date: 2025-11-22.", "Today's date: 2026-01-02."],
    ['It is Sat Nov 22, 2025 at 10:15 AM.', 'It is Mon Dec 1, 2025 at 9:07 PM.'],
    ['Current date: November 22, 2025', 'Current date: March 3, 2026'],
    ['now 2025-11-22T10:15:00.123Z', 'now 2025-11-23T00:00:00+01:00'],
    [
      'session 0b8e6e3c-57a1-4c0b-9d59-3a8a1a0f7a11',
      'session 11111111-57a1-4c0b-9d59-3a8a1a0f7a11',
    ],
  ])('%j is the same as %j', (one, other) => {
    expect(maskVolatileText(one, true)).toBe(maskVolatileText(other, true))
  })

  test('words and amounts stay', () => {
    const text = 'You may marry a Sunday-school teacher; 3 of 1,024 cases; version 4.1.2.'

    expect(maskVolatileText(text, true)).toContain('3 of 1,024 cases; version 4.1.2.')
  })
})

describe('in the words of a user', () => {
  test('dates stay: they may be what is asked', () => {
    expect(maskVolatileText('What happened on 2025-11-22?', false)).toBe(
      'What happened on 2025-11-22?',
    )
  })

  test('what an agent tells of its surroundings is masked', () => {
    const text = (date: string) =>
      `<system-reminder>Today is ${date}.</system-reminder>\nWhat was on 2020-02-02?`

    const masked = maskVolatileText(text('2025-11-22'), false)

    expect(masked).toBe(maskVolatileText(text('2026-03-04'), false))
    expect(masked).toContain('What was on 2020-02-02?')
  })

  test('a block without an end is left as it is', () => {
    const text = '<env>2025-11-22'.repeat(3)

    expect(maskVolatileText(text, false)).toBe(text)
  })

  test('a value that is an id and nothing else is one', () => {
    expect(maskVolatileText('0b8e6e3c-57a1-4c0b-9d59-3a8a1a0f7a11', false)).toBe('<id>')
  })
})
