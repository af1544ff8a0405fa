import { describe, expect, it } from 'vitest'

import { columnIds } from '../../../src/tui/columns.ts'
import {
  applyPreferences,
  formatPreferences,
  parsePreferences,
  preferencesOf,
} from '../../../src/tui/preferences.ts'
import { initialUi } from '../../../src/tui/ui.ts'

const chosen = {
  ...initialUi,
  list: {
    ...initialUi.list,
    order: { by: 'cost', isReversed: true } as const,
    choice: {
      order: columnIds.toReversed(),
      off: ['time'] as const,
      pinned: ['cache'] as const,
    },
    showTunnels: false,
    history: ['~e'],
    filter: '~model opus',
  },
}

describe('what is kept between runs', () => {
  it('comes back as it was, but for the filter in force', () => {
    const text = formatPreferences(preferencesOf(chosen))
    const kept = parsePreferences(text)
    if (kept === undefined) throw new Error('not read')

    const { list } = applyPreferences(initialUi, kept)

    expect(list).toEqual({ ...chosen.list, filter: '' })
  })

  it.each([
    '',
    'null',
    '{',
    '[]',
    '{"columns":{"order":["nope"],"off":[],"pinned":[]}}',
    formatPreferences(preferencesOf(chosen)).replace('"cost"', '"mood"'),
    `${formatPreferences(preferencesOf(chosen))}${' '.repeat(200_000)}`,
  ])('is none where the file is damaged or foreign (%#)', (text) => {
    expect(parsePreferences(text)).toBeUndefined()
  })

  it('holds every column once, whatever the file names', () => {
    const kept = preferencesOf(initialUi)
    const order = ['cost', 'cost', 'time'] as const
    const { list } = applyPreferences(initialUi, {
      ...kept,
      columns: { ...kept.columns, order: [...order] },
    })

    expect(list.choice.order.slice(0, 2)).toEqual(['cost', 'time'])
    expect([...list.choice.order].toSorted()).toEqual([...columnIds].toSorted())
  })
})
