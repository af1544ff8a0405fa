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
  expect(lines[1]).toBe(
    ' 1 Conversation  2 Request  3 Response  4 Events  5 Timing  6 Cost  7 Diff  8 Raw',
  )
  expect(lines[2]).toBe('›▸ tools (1) get_weather')
})

it('draws the mark of the cursor where the keys take it', () => {
  expect(draw(openRow(['g', 'j', 'j']))[4]).toBe('›▾ user')
  expect(draw(openRow(['G'])).at(-1)).toBe('›  cost $0.0123 (exact)')
})

it('opens and closes what the cursor is in', () => {
  expect(draw(openRow(['g', 'enter'])).slice(2, 4)).toEqual([
    '›▾ tools (1)',
    '   get_weather  Reads the weather of a city.',
  ])
  expect(draw(openRow(['z', 'z', 'g'])).slice(2, 5)).toEqual([
    '›▸ tools (1) get_weather',
    '',
    ' ▸ user What is the weather?',
  ])
})

it('marks what is searched for, and goes from one match to the next', () => {
  const store = openRow(['g', '/', ...Array.from('WEATHER'), 'enter'])
  const first = store.frame(size).detail?.line
  store.press(['n'], size)
  const second = store.frame(size).detail?.line
  store.press(['N'], size)

  expect([first, second, store.frame(size).detail?.line]).toEqual([1, 4, 1])
  const detail = <Detail frame={store.frame(size)} width={100} height={8} theme={plainTheme} />
  expect(render(detail).lastFrame()).toContain('weather')
  store.press(['/', ...Array.from('nowhere'), 'enter'], size)
  expect(store.frame(size).ui.detail.note).toBe('not found')
})

it('names a row that is no model call by its request', () => {
  const lines = draw(openRow(['p']))

  expect(lines[0]).toBe('GET registry.example.com/left-pad · 200 · 12ms · 12:34:56')
  expect(lines[2]).toBe('›not a model call')
})

it('shows the current tab on a narrow terminal', () => {
  const store = openRow(['8'])
  const small = { columns: 30, rows: 12 }
  const detail = <Detail frame={store.frame(small)} width={30} height={8} theme={plainTheme} />
  const [, tabs] = withoutColors(render(detail).lastFrame() ?? '').split('\n')

  expect(tabs).toContain(' Raw')
})
