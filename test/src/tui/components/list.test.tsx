import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { List } from '../../../../src/tui/components/list.tsx'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'
import {
  callStart,
  plainExchange,
  sampleStart,
  stamp,
  tunnel,
  wholeCall,
} from '../sample-messages.ts'

afterEach(cleanup)

const size = { columns: 90, rows: 12 }

function openStore(): ViewerStore {
  return new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: () => undefined,
  })
}

function draw(store: ViewerStore): string[] {
  const list = <List frame={store.frame(size)} width={90} height={9} theme={plainTheme} />
  return withoutColors(render(list).lastFrame() ?? '').split('\n')
}

it('draws one line for each row under the titles, and the selected one marked', () => {
  const store = openStore()
  for (const msg of [...wholeCall({ id: 'x1' }), ...callStart({ id: 'x2' })]) store.apply(msg, 'p')
  store.press(['g'], size)

  const lines = draw(store)

  expect(lines).toHaveLength(10)
  expect(lines[0]).toMatch(/^ {2}time +model/u)
  expect(lines[1]).toMatch(/^› 12:34:56/u)
  expect(lines[2]).toMatch(/^ ●12:34:56/u)
})

it('draws no more rows than it has lines for', () => {
  const store = openStore()
  for (let index = 0; index < 100; index += 1) {
    for (const msg of plainExchange(`x${index}`, `/${index}.`)) store.apply(msg, 'p')
  }

  const lines = draw(store)

  expect(lines).toHaveLength(10)
  expect(lines[1]).toContain('/91.')
  expect(lines[9]).toContain('/99.')
})

it('says how far the programs came, and what to do, until a call is seen', () => {
  const store = openStore()
  store.apply(stamp({ kind: 'connection-opened', clientAddress: '::1', clientPort: 1 }), 'p')
  expect(draw(store).join(' ')).toContain('a program has connected, but asked for nothing yet')

  for (const msg of wholeCall({ id: 'x1' })) store.apply(msg, 'p')
  store.press(['z', 'y'], size)
  expect(draw(store)[1]).toContain('cleared; waiting for the next call')
})

it('says why it is empty', () => {
  const store = openStore()
  expect(draw(store)[1]).toContain('waiting for the first call')

  for (const msg of tunnel('x1')) store.apply(msg, 'p')
  store.press(['t'], size)
  expect(draw(store)[1]).toContain('only tunnels so far')
  store.press(['t', '/', 'z', 'enter'], size)
  expect(draw(store)[1]).toContain('nothing matches "z"')
})
