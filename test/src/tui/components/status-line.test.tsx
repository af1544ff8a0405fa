import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { StatusLine } from '../../../../src/tui/components/status-line.tsx'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'
import { sampleStart, tunnel, wholeCall } from '../sample-messages.ts'

afterEach(cleanup)

const size = { columns: 95, rows: 24 }

function openStore(): ViewerStore {
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: () => undefined,
  })
  for (const msg of [...wholeCall({ id: 'x1' }), ...tunnel('x2')]) store.apply(msg, 'p')
  return store
}

function draw(store: ViewerStore): string {
  const frame = store.frame(size)
  const line = <StatusLine frame={frame} width={95} theme={plainTheme} />
  return withoutColors(render(line).lastFrame() ?? '')
}

it('shows following, source, filter and hidden tunnels, and the keys', () => {
  const store = openStore()
  store.setSourceStatus('attached to 1 proxy')
  store.press(['t', '/', 'c', 'enter'], size)

  expect(draw(store)).toMatch(
    /^following · attached to 1 proxy · \/c · 1 tunnels hidden +enter open .* q quit$/u,
  )
})

it('shows the place in the list once it does not follow', () => {
  const store = openStore()
  store.press(['k'], size)

  expect(draw(store)).toMatch(/^1\/2 +enter open/u)
})

it('shows the filter while it is typed', () => {
  const store = openStore()
  store.press(['/', 'a', 'b'], size)

  expect(draw(store)).toMatch(/^\/ab▏ +enter keep {2}esc cancel {2}↑ earlier$/u)
})

it('shows the place in an open call', () => {
  const store = openStore()
  store.press(['k', 'enter', 'g'], size)

  expect(draw(store)).toMatch(/^line 1 of 11 +esc back/u)
})

it('leaves room for the keys beside a long status', () => {
  const store = openStore()
  store.setSourceStatus('x'.repeat(300))

  expect(draw(store)).toMatch(/^following · x+… +enter open .* q quit$/u)
})
