import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import { keyMaps } from '../../../src/tui/keys.ts'
import type { Action } from '../../../src/tui/keys.ts'
import { layoutFor } from '../../../src/tui/layout.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import type { RowList } from '../../../src/tui/row-list.ts'
import type { Row } from '../../../src/tui/row.ts'
import { listTop, selectedIndex } from '../../../src/tui/screens/selection.ts'
import type { UiContext, UiState } from '../../../src/tui/ui.ts'
import { initialUi, reduceTyping, reduceUi } from '../../../src/tui/ui.ts'
import { callStart, wholeCall } from './sample-messages.ts'

function rowListOf(rows: readonly Row[]): RowList {
  return {
    rows,
    followIndex: rows.length - 1,
    indexOf: (id) => rows.findIndex((row) => row.id === id),
  }
}

function rowsOf(count: number, last: 'done' | 'running' = 'done'): RowList {
  const state = createViewState()
  for (let index = 0; index < count; index += 1) {
    const call = { id: `x${index}` }
    const isRunning = index === count - 1 && last === 'running'
    for (const msg of isRunning ? callStart(call) : wholeCall(call)) applyMessage(state, msg, 'p')
  }
  return rowListOf(state.rows)
}

function contextOf(list: RowList): UiContext {
  return {
    list,
    layout: layoutFor(120, false),
    listHeight: 10,
    detailHeight: 10,
    helpLines: 40,
    helpHeight: 10,
    detail: undefined,
    sessions: undefined,
    session: undefined,
  }
}

function press(ui: UiState, context: UiContext, ...actions: readonly Action[]): UiState {
  return actions.reduce((state, action) => reduceUi(state, action, context), ui)
}

describe('the list', () => {
  it('follows the newest row until the user moves up', () => {
    const rows = rowsOf(30)
    const context = contextOf(rows)

    expect(selectedIndex(initialUi, rows)).toBe(29)
    const moved = press(initialUi, context, 'up')
    expect(selectedIndex(moved, rows)).toBe(28)
    const more = rowsOf(40)
    expect(selectedIndex(moved, more)).toBe(28)
    expect(selectedIndex(press(moved, contextOf(more), 'last'), more)).toBe(39)
  })

  it('keeps what is on screen where it is when rows come and old ones go', () => {
    const rows = rowsOf(30)
    const moved = press(initialUi, contextOf(rows), 'up', 'up', 'up')
    const firstShown = rows.rows[listTop(moved, rows, 10)]?.id

    const later = rowListOf(rowsOf(60).rows.slice(15))

    expect(later.rows[listTop(moved, later, 10)]?.id).toBe(firstShown)
    expect(later.rows[selectedIndex(moved, later)]?.id).toBe('x26')
  })

  it('moves by pages, half pages and to both ends', () => {
    const rows = rowsOf(30)
    const context = contextOf(rows)

    expect(selectedIndex(press(initialUi, context, 'first'), rows)).toBe(0)
    expect(selectedIndex(press(initialUi, context, 'first', 'page-down'), rows)).toBe(9)
    expect(selectedIndex(press(initialUi, context, 'first', 'half-down'), rows)).toBe(5)
    expect(selectedIndex(press(initialUi, context, 'page-up', 'half-up'), rows)).toBe(15)
    expect(selectedIndex(press(initialUi, context, 'first', 'up'), rows)).toBe(0)
  })

  it('falls back to the oldest row when the selected one is gone', () => {
    const rows = rowsOf(5)
    const moved = press(initialUi, contextOf(rows), 'first')

    expect(selectedIndex(moved, rowListOf(rows.rows.slice(2)))).toBe(0)
  })

  it('finds the next and the previous error', () => {
    const rows = rowsOf(6)
    for (const at of [1, 4]) {
      const row = rows.rows[at]
      if (row !== undefined) row.phase = 'failed'
    }
    const context = contextOf(rows)

    const first = press(initialUi, context, 'first', 'next-error')
    expect(selectedIndex(first, rows)).toBe(1)
    expect(selectedIndex(press(first, context, 'next-error'), rows)).toBe(4)
    expect(selectedIndex(press(first, context, 'next-error', 'next-error'), rows)).toBe(4)
    expect(selectedIndex(press(first, context, 'next-error', 'previous-error'), rows)).toBe(1)
  })

  it('survives being empty', () => {
    const context = contextOf(rowListOf([]))
    const ui = press(initialUi, context, 'up', 'page-down', 'open', 'next-error', 'first', 'last')

    expect(ui.screen).toBe('list')
    expect(listTop(ui, rowListOf([]), 10)).toBe(0)
    expect(selectedIndex(ui, rowListOf([]))).toBe(-1)
  })
})

describe('the detail', () => {
  it('walks through the tabs both ways round', () => {
    const context = contextOf(rowsOf(1))
    const open = press(initialUi, context, 'open')

    expect(press(open, context, 'next-tab').detail.tab).toBe('Request')
    expect(press(open, context, 'previous-tab').detail.tab).toBe('Raw')
    expect(press(open, context, 'previous-tab', 'next-tab').detail.tab).toBe('Conversation')
  })

  it('goes to the call before and after without closing', () => {
    const rows = rowsOf(4)
    const context = contextOf(rows)
    const open = press(initialUi, context, 'first', 'open', 'next-match')

    expect(open).toMatchObject({ screen: 'detail', list: { selectedId: 'x1' } })
    expect(press(open, context, 'previous-row', 'previous-row').list.selectedId).toBe('x0')
    expect(press(open, context, 'back').screen).toBe('list')
  })

  it('keeps following after a look at the newest call', () => {
    const context = contextOf(rowsOf(4))

    expect(press(initialUi, context, 'open', 'back').list.isFollowing).toBe(true)
    expect(press(initialUi, context, 'up', 'open', 'back').list.isFollowing).toBe(false)
  })
})

describe('help, tunnels and filter', () => {
  it('shows help over any screen and hides it again', () => {
    const context = contextOf(rowsOf(2))
    const help = press(initialUi, context, 'open', 'help')

    expect(help.overlay).toBe('help')
    expect(press(help, context, 'back')).toMatchObject({ overlay: undefined, screen: 'detail' })
    expect(press(help, context, 'down', 'down', 'up').helpTop).toBe(1)
    expect(press(help, context, 'last', 'down').helpTop).toBe(30)
    expect(press(help, context, 'open')).toBe(help)
  })

  it('toggles tunnels', () => {
    expect(press(initialUi, contextOf(rowListOf([])), 'toggle-tunnels').list.showTunnels).toBe(
      false,
    )
  })

  it('edits the filter key by key, keeps it on enter and restores it on escape', () => {
    const context = contextOf(rowListOf([]))
    const type = (ui: UiState, ...keys: readonly string[]): UiState =>
      keys.reduce((state, key) => reduceTyping(state, key, () => context) ?? state, ui)
    const editing = type(press(initialUi, context, 'filter'), 'a', 'space', '日', 'x', 'backspace')

    expect(editing.list).toMatchObject({ filter: 'a 日', typing: { before: '' } })
    const kept = type(editing, 'enter')
    expect(kept.list).toMatchObject({ filter: 'a 日', typing: undefined })
    const again = type(press(kept, context, 'filter'), 'ctrl-u', 'z', 'pagedown')
    expect(again.list.filter).toBe('z')
    expect(type(again, 'esc').list).toMatchObject({ filter: 'a 日', typing: undefined })
    expect(press(kept, context, 'back').list.filter).toBe('')
  })
})

const actions = Object.values(keyMaps).flatMap((map) => map.map(({ action }) => action))
test.prop([
  fc.array(fc.constantFrom(...actions), { maxLength: 40 }),
  fc.nat({ max: 25 }),
  fc.integer({ min: 1, max: 12 }),
])('stays within the rows and the lines, whatever is pressed', (pressed, count, height) => {
  const rows = rowsOf(count)
  let ui = initialUi
  for (const action of pressed) {
    ui = reduceUi(ui, action, {
      ...contextOf(rows),
      listHeight: height,
      detailHeight: height,
    })
    const index = selectedIndex(ui, rows)
    const first = listTop(ui, rows, height)

    expect(index).toBeGreaterThanOrEqual(count === 0 ? -1 : 0)
    expect(index).toBeLessThan(Math.max(1, count))
    expect(first).toBeGreaterThanOrEqual(0)
    if (count > 0 && ui.screen === 'list') {
      expect(index).toBeGreaterThanOrEqual(first)
      expect(index).toBeLessThan(first + height)
    }
  }
})
