import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { Detail } from '../../../../src/tui/components/detail.tsx'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'
import { plainExchange, sampleStart, wholeCall } from '../sample-messages.ts'

afterEach(cleanup)

const size = { columns: 100, rows: 12 }

function openRow(keys: readonly string[] = []): ViewerStore {
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: () => undefined,
  })
  for (const msg of [...plainExchange('x1', '/left-pad'), ...wholeCall({ id: 'x2' })]) {
    store.apply(msg, 'p')
  }
  store.press(['enter', ...keys], size)
  return store
}

function draw(store: ViewerStore): string[] {
  const detail = <Detail frame={store.frame(size)} width={100} height={8} theme={plainTheme} />
  return withoutColors(render(detail).lastFrame() ?? '').split('\n')
}

it('draws a summary, the tabs, and as many lines as it has', () => {
  const lines = draw(openRow(['g']))

  expect(lines).toHaveLength(10)
  expect(lines[0]).toBe(
    'claude-sonnet-4-5-20250929 · 200 · 2.3s · 11.2k in 321 out · $0.0123 · ttft 345ms',
  )
  expect(lines[1]).toMatch(/^ Conversation +Headers +Events +Raw$/u)
  expect(lines[2]).toBe('tools (1)')
})

it('draws the part that is scrolled to', () => {
  expect(draw(openRow(['g', 'j', 'j', 'j']))[2]).toBe('user')
  expect(draw(openRow(['G'])).at(-1)).toContain('total')
})

it('names a row that is no model call by its request', () => {
  const lines = draw(openRow(['p']))

  expect(lines[0]).toBe('GET registry.example.com/left-pad · 200 · 12ms · 12:34:56')
  expect(lines[2]).toBe('not a model call')
})
