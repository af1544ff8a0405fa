import { describe, expect, test } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { ViewState } from '../../../src/tui/model.ts'
import { applyMessage, createViewState, pinRow } from '../../../src/tui/model.ts'
import { isIncomplete, restoreRows } from '../../../src/tui/restore-row.ts'
import type { Row } from '../../../src/tui/row.ts'
import { viewLimits } from '../../../src/tui/view-limits.ts'
import { plainExchange, tunnel, wholeCall } from './sample-messages.ts'

const bodies: ReadonlySet<string> = new Set(['request-body', 'response-body', 'http-parsed'])

function stateOf(messages: readonly AnalysisMsg[], maxDetails = viewLimits.maxDetails): ViewState {
  const state = createViewState({ ...viewLimits, maxDetails })
  for (const msg of messages) applyMessage(state, msg, 'file')
  return state
}

function rowOf(state: ViewState, id: string): Row {
  const row = state.byId.get(id)
  if (row === undefined) throw new Error(`no row ${id}`)
  return row
}

/** What every row accounts for is what the state says it keeps. */
function expectSound(state: ViewState): void {
  expect(state.keptBytes).toBe(state.rows.reduce((sum, row) => sum + row.keptBytes, 0))
  expect(state.details).toBe(state.rows.filter(({ detail }) => detail !== undefined).length)
}

describe('a row whose details were let go', () => {
  const first = wholeCall({ id: 'x1' })

  test('gets them back, and accounts for them', () => {
    const all = [...first, ...wholeCall({ id: 'x2' }), ...wholeCall({ id: 'x3' })]
    const state = stateOf(all, 1)
    const row = rowOf(state, 'x1')
    expect([row.detail, isIncomplete(row)]).toEqual([undefined, true])

    expect(restoreRows(state, [row], first)).toBe(true)

    const whole = rowOf(stateOf(first), 'x1')
    expect(row.detail).toEqual(whole.detail)
    expect(row.keptBytes).toBe(whole.keptBytes)
    expectSound(state)
  })

  test('lets them go again once something else is read', () => {
    const state = stateOf([...first, ...wholeCall({ id: 'x2' })], 1)
    const row = rowOf(state, 'x1')
    pinRow(state, 'x1')
    restoreRows(state, [row], first)
    for (const msg of wholeCall({ id: 'x4' })) applyMessage(state, msg, 'file')
    expect(row.detail).toBeDefined()
    pinRow(state, undefined)
    for (const msg of wholeCall({ id: 'x5' })) applyMessage(state, msg, 'file')
    expect(row.detail).toBeUndefined()
    expectSound(state)
  })
})

test('a row whose bodies were passed over gets them', () => {
  const messages = plainExchange('x1', '/v1/models')
  const state = stateOf(messages.filter(({ kind }) => !bodies.has(kind)))
  const row = rowOf(state, 'x1')
  expect(isIncomplete(row)).toBe(true)
  expect(restoreRows(state, [row], messages)).toBe(true)
  expect(row.detail?.response).toEqual(rowOf(stateOf(messages), 'x1').detail?.response)
})

test('nothing is made of messages that do not tell of it', () => {
  const state = stateOf(wholeCall({ id: 'x1' }))
  const before = rowOf(state, 'x1').detail
  expect(restoreRows(state, [rowOf(state, 'x1')], [])).toBe(false)
  expect(rowOf(state, 'x1').detail).toBe(before)
})

test('what runs, and what has no bodies, is complete', () => {
  const state = stateOf([...tunnel('t1'), ...wholeCall({ id: 'x1' }).slice(0, 2)])
  expect(state.rows.map(isIncomplete)).toEqual([false, false])
})
