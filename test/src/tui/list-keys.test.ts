/** What the keys of the list do, beyond moving: filter, marks, order, columns, clearing. */
import { describe, expect, it } from 'vitest'

import type { Preferences } from '../../../src/tui/preferences.ts'
import type { StoreOptions } from '../../../src/tui/store-options.ts'
import { ViewerStore } from '../../../src/tui/store.ts'
import { plainExchange, sampleStart, tunnel, wholeCall } from './sample-messages.ts'

const size = { columns: 120, rows: 24 }

function openStore(options: Partial<StoreOptions> = {}): ViewerStore {
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: (task) => void setImmediate(task),
    ...options,
  })
  const messages = [
    ...wholeCall({ id: 'x1', durationMs: 900 }),
    ...plainExchange('x2', '/left-pad', 404),
    ...wholeCall({ id: 'x3', durationMs: 300, model: 'gpt-5' }),
    ...tunnel('x4'),
  ]
  for (const msg of messages) store.apply(msg, 'proxy 1')
  return store
}

function press(store: ViewerStore, ...keys: readonly string[]): void {
  store.press(
    keys.flatMap((key) => (key.startsWith('"') ? Array.from(key.slice(1), spelled) : [key])),
    size,
  )
}

const spelled = (character: string): string => (character === ' ' ? 'space' : character)
const shown = (store: ViewerStore): string[] => store.frame(size).list.rows.map(({ id }) => id)

describe('the filter', () => {
  it('narrows the list with every key, and stays with the last good one after a mistake', () => {
    const store = openStore()

    press(store, 'f', '"~model gpt')
    expect(shown(store)).toEqual(['x3'])
    press(store, '" & (')
    expect(shown(store)).toEqual(['x3'])
    expect(store.frame(size).ui.list.typing?.problem).toMatchObject({ at: 14 })
    press(store, 'enter')
    expect(store.frame(size).ui.list.typing?.text).toBe('~model gpt & (')
    press(store, 'esc')
    expect(shown(store)).toHaveLength(4)
  })

  it('offers what was used before, the newest first', () => {
    const store = openStore()
    press(store, 'f', '"~e', 'enter', 'f', 'ctrl-u', '"gpt', 'enter')
    press(store, 'f', 'up')
    expect(store.frame(size).ui.list.typing?.text).toBe('gpt')
    press(store, 'up', 'up')
    expect(store.frame(size).ui.list.typing?.text).toBe('~e')
    expect(shown(store)).toEqual(['x2'])
    press(store, 'down', 'down')
    expect(store.frame(size).ui.list.typing?.text).toBe('gpt')
  })

  it('may be in force from the start', () => {
    expect(shown(openStore({ initialFilter: '~e' }))).toEqual(['x2'])
    expect(shown(openStore({ initialFilter: '~nonsense(' }))).toHaveLength(4)
  })
})

describe('marks and order', () => {
  it('marks rows, shows only those, and forgets them', () => {
    const store = openStore()
    press(store, 'g', 'm', 'j', 'j', 'm', 'M')
    expect(shown(store)).toEqual(['x1', 'x3'])
    press(store, 'm')
    expect(shown(store)).toEqual(['x1'])
    press(store, 'U')
    expect(shown(store)).toHaveLength(4)
    press(store, 'M')
    expect(shown(store)).toHaveLength(4)
  })

  it('sorts, reverses, and keeps the selected row selected', () => {
    const store = openStore()
    press(store, 'g')
    press(store, 'o')
    expect(shown(store)).toEqual(['x4', 'x1', 'x3', 'x2'])
    const { list } = store.frame(size)
    expect(list.rows[list.selectedIndex]?.id).toBe('x1')
    press(store, 'v')
    expect(shown(store)).toEqual(['x2', 'x3', 'x1', 'x4'])
    const after = store.frame(size).list
    expect(after.rows[after.selectedIndex]?.id).toBe('x1')
  })

  it('follows the newest at the top where the order is reversed', () => {
    const store = openStore()
    press(store, 'v')
    expect(store.frame(size).list.selectedIndex).toBe(0)
    for (const msg of wholeCall({ id: 'x5' })) store.apply(msg, 'proxy 1')
    const { list, ui } = store.frame(size)
    expect(ui.list.isFollowing).toBe(true)
    expect(list.rows[list.selectedIndex]?.id).toBe('x5')
  })

  it('clears the list when that is confirmed, and takes up what comes after', () => {
    const store = openStore()
    press(store, 'z', 'n')
    expect(shown(store)).toHaveLength(4)
    press(store, 'z', 'y')
    expect(shown(store)).toEqual([])
    expect(store.frame(size).state).toMatchObject({ calls: 2, droppedRows: 0 })
    for (const msg of wholeCall({ id: 'x5' })) store.apply(msg, 'proxy 1')
    expect(shown(store)).toEqual(['x5'])
  })
})

describe('columns', () => {
  it('are shown, hidden, moved and set back', () => {
    const store = openStore()
    const columns = (): string[] => store.frame(size).list.layout.columns.map(({ id }) => id)
    const before = columns()

    press(store, 'C', 'space')
    expect(columns()).not.toContain('time')
    press(store, 'space')
    expect(columns()[0]).toBe('time')
    press(store, 'J')
    expect(store.frame(size).ui.list.choice.order[1]).toBe('time')
    press(store, 'D', 'esc')
    expect(columns()).toEqual(before)
    expect(store.frame(size).ui.overlay).toBeUndefined()
  })

  it('are kept with order, tunnels and filters, when one of them changes', () => {
    const kept: Preferences[] = []
    const store = openStore({ onPreferences: (preferences) => void kept.push(preferences) })
    press(store, 'j', 'k', 'm')
    expect(kept).toEqual([])

    press(store, 'o')
    press(store, 't')
    press(store, 'f', '"~e', 'enter')

    expect(kept.at(-1)).toMatchObject({
      order: { by: 'duration', isReversed: true },
      showTunnels: false,
      filters: ['~e'],
    })
    const again = openStore({ preferences: kept.at(-1) })
    expect(shown(again)).toEqual(['x1', 'x3', 'x2'])
  })
})

describe('allowing the host of a tunnel', () => {
  it('asks the proxy that the tunnel goes through, and shows its answer', async () => {
    const asked: string[][] = []
    const store = openStore({
      allow: async (...args) => {
        asked.push(args)
        return await Promise.resolve('statsig.example.com is decrypted\u001b[2J from now on')
      },
    })

    press(store, 'G', 'a')

    expect(asked).toEqual([['proxy 1', 'statsig.example.com']])
    await expect
      .poll(() => store.frame(size).notice, { timeout: 15_000 })
      .toBe(String.raw`statsig.example.com is decrypted\x1b[2J from now on`)
    press(store, 'k')
    expect(store.frame(size).notice).toBe('')
  })

  it('shows why it was not done', async () => {
    const store = openStore({
      allow: async () => await Promise.reject(new Error('no such proxy')),
    })
    press(store, 'G', 'a')
    await expect
      .poll(() => store.frame(size).notice, { timeout: 15_000 })
      .toContain('no such proxy')
  })

  it('says what to do where nobody can be asked, and what it is for', () => {
    const store = openStore()
    press(store, 'G', 'a')
    expect(store.frame(size).notice).toBe('to see it, start with --allow statsig.example.com')
    press(store, 'k', 'a')
    expect(store.frame(size).notice).toBe('only the host of a tunnel can be allowed')
  })
})
