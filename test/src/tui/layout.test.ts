import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import { columnIds } from '../../../src/tui/columns.ts'
import type { ColumnChoice } from '../../../src/tui/layout.ts'
import { defaultChoice, headingLine, layoutFor } from '../../../src/tui/layout.ts'
import { lineWidth } from '../../../src/tui/line.ts'

const textOf = (width: number, choice = defaultChoice): string =>
  headingLine(layoutFor(width, true, choice))
    .map(({ text }) => text)
    .join('')

describe('the titles', () => {
  it('say what has no room, as far as there is room to say it', () => {
    expect(textOf(80)).toMatch(/prompt →9 hidden$/u)
    expect(textOf(110)).toMatch(/prompt → answer +→ \d hidden(: \S.*)?$/u)
    expect(textOf(300)).toMatch(/prompt → answer$/u)
  })

  it('mark the column by which the list is sorted', () => {
    const heading = headingLine(layoutFor(100, false), { by: 'cost', isReversed: true })

    expect(heading.map(({ text }) => text).join('')).toContain('-cost')
  })
})

describe('the choice of columns', () => {
  it('shows what was asked for before what is useful', () => {
    const choice: ColumnChoice = { ...defaultChoice, pinned: ['cache'] }

    expect(layoutFor(80, true).columns.map(({ id }) => id)).not.toContain('cache')
    expect(layoutFor(80, true, choice).columns.map(({ id }) => id)).toContain('cache')
  })

  it('leaves out what was switched off, and gives its room to others', () => {
    const choice: ColumnChoice = { ...defaultChoice, off: ['time', 'model'] }
    const shown = layoutFor(80, true, choice).columns.map(({ id }) => id)

    expect(shown).not.toContain('time')
    expect(shown).toContain('ttft')
  })

  it('stands in the order that was chosen', () => {
    const choice: ColumnChoice = { ...defaultChoice, order: columnIds.toReversed() }
    const shown = layoutFor(300, true, choice).columns.map(({ id }) => id)

    expect(shown).toEqual(columnIds.toReversed())
  })
})

const ids = fc.uniqueArray(fc.constantFrom(...columnIds))
test.prop([fc.integer({ min: 1, max: 320 }), fc.boolean(), ids, ids])(
  'fits any width, and loses no column that is wanted',
  (width, hasAgents, off, pinned) => {
    const layout = layoutFor(width, hasAgents, { order: columnIds, off, pinned })
    const known = [...layout.columns, ...layout.squeezed].map(({ id }) => id)
    const wanted = columnIds.filter(
      (id) => !off.includes(id) && (hasAgents || id !== 'agent' || pinned.includes('agent')),
    )

    expect(lineWidth(headingLine(layout))).toBeLessThanOrEqual(width)
    expect(known.toSorted()).toEqual(wanted.toSorted())
  },
)
