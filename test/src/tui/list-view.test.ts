import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import { ListView } from '../../../src/tui/list-view.ts'
import type { ListQuery } from '../../../src/tui/list-view.ts'
import type { ViewState } from '../../../src/tui/model.ts'
import { applyMessage, clearRows, createViewState } from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'
import { arrivalOrder, sortValue, sortings } from '../../../src/tui/sort.ts'
import { viewLimits } from '../../../src/tui/view-limits.ts'
import { anyMessage } from './any-message.ts'
import { callEnd, callStart, plainExchange, tunnel, wholeCall } from './sample-messages.ts'

const all: ListQuery = {
  passes: () => true,
  showTunnels: true,
  only: undefined,
  order: arrivalOrder,
}

function mixedState(): ViewState {
  const state = createViewState()
  const messages = [
    ...wholeCall({ id: 'x1', durationMs: 300 }),
    ...wholeCall({ id: 'x2', durationMs: 900 }),
    ...plainExchange('x3', '/left-pad'),
    ...tunnel('x4'),
  ]
  for (const msg of messages) applyMessage(state, msg, 'p')
  return state
}

function idsOf(state: ViewState, query: Partial<ListQuery> = {}): string[] {
  const view = new ListView(state)
  view.update({ ...all, ...query })
  return view.rows.map(({ id }) => id)
}

describe('the list', () => {
  it('stands in the order of arrival, or in reverse', () => {
    expect(idsOf(mixedState())).toEqual(['x1', 'x2', 'x3', 'x4'])
    expect(idsOf(mixedState(), { order: { by: 'time', isReversed: true } })).toEqual([
      'x4',
      'x3',
      'x2',
      'x1',
    ])
  })

  it('can be sorted, what is unknown first or last', () => {
    const order = { by: 'out', isReversed: true } as const

    expect(idsOf(mixedState(), { order: { by: 'duration', isReversed: false } })).toEqual([
      'x3',
      'x1',
      'x2',
      'x4',
    ])
    expect(idsOf(mixedState(), { order })).toEqual(['x2', 'x1', 'x4', 'x3'])
  })

  it('hides tunnels and says how many', () => {
    const view = new ListView(mixedState())
    view.update({ ...all, showTunnels: false })

    expect(view.rows.map(({ id }) => id)).toEqual(['x1', 'x2', 'x3'])
    expect(view.hiddenTunnels).toBe(1)
  })

  it('follows the newest row at its end, at its start where it is reversed', () => {
    const view = new ListView(mixedState())
    expect(view.followIndex).toBe(-1)
    view.update(all)
    expect(view.followIndex).toBe(3)
    view.update({ ...all, order: { by: 'time', isReversed: true } })
    expect(view.followIndex).toBe(0)
  })

  it('asks no row again that has not changed', () => {
    const state = mixedState()
    const view = new ListView(state)
    const asked: string[] = []
    const query = {
      ...all,
      passes: ({ id }: Row) => {
        asked.push(id)
        return true
      },
    }
    view.update(query)
    asked.length = 0

    view.update(query)
    for (const msg of callEnd({ id: 'x2' })) applyMessage(state, msg, 'p')
    view.update(query)

    expect(asked).toEqual(['x2'])
  })

  it('begins anew when it is cleared', () => {
    const state = mixedState()
    const view = new ListView(state)
    view.update(all)
    clearRows(state)
    for (const msg of callStart({ id: 'x9' })) applyMessage(state, msg, 'p')
    view.update(all)

    expect(view.rows.map(({ id }) => id)).toEqual(['x9'])
    expect(view.indexOf('x1')).toBe(-1)
  })
})

const queries: fc.Arbitrary<ListQuery> = fc.record({
  passes: fc.constantFrom<ListQuery['passes']>(
    () => true,
    ({ phase }) => phase === 'running',
    ({ kind }) => kind === 'call',
  ),
  showTunnels: fc.boolean(),
  only: fc.constant(undefined),
  order: fc.record({ by: fc.constantFrom(...sortings), isReversed: fc.boolean() }),
})

/** What the list is to show, the long way round. */
function expectedRows(state: ViewState, { passes, showTunnels, order }: ListQuery): string[] {
  const shown = state.rows.filter(
    (row) => passes(row) && (showTunnels || !['tunnel', 'refused', 'tls'].includes(row.kind)),
  )
  const sorted = shown.toSorted((a, b) => {
    const [x, y] = [sortValue(a, order.by), sortValue(b, order.by)]
    return x < y ? -1 : x > y ? 1 : a.ordinal - b.ordinal
  })
  return (order.isReversed ? sorted.toReversed() : sorted).map(({ id }) => id)
}

test.prop([
  fc.array(fc.array(anyMessage, { maxLength: 12 }), { maxLength: 20 }),
  fc.array(queries, { minLength: 1, maxLength: 3 }),
])('shows what a look at every row would, whatever came between', (batches, asked) => {
  const state = createViewState({ ...viewLimits, maxRows: 6 })
  const view = new ListView(state)
  for (const [at, batch] of batches.entries()) {
    for (const msg of batch) applyMessage(state, msg, 'p')
    const query = asked[Math.floor(at / 4) % asked.length] ?? all
    view.update(query)

    expect(view.rows.map(({ id }) => id)).toEqual(expectedRows(state, query))
    for (const [index, row] of view.rows.entries()) expect(view.indexOf(row.id)).toBe(index)
  }
})
