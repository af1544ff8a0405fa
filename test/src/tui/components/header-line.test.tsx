import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../../src/messages/schema.ts'
import { HeaderLine } from '../../../../src/tui/components/header-line.tsx'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'
import { callStart, sampleStart, stamp, wholeCall } from '../sample-messages.ts'

afterEach(cleanup)

function openStore(messages: readonly AnalysisMsg[] = []): ViewerStore {
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: () => undefined,
  })
  for (const msg of messages) store.apply(msg, 'p')
  return store
}

function draw(store: ViewerStore, width: number, title = 'run -- claude'): string {
  const frame = store.frame({ columns: width, rows: 24 })
  const line = <HeaderLine frame={frame} title={title} width={width} theme={plainTheme} />
  return withoutColors(render(line).lastFrame() ?? '')
}

function busyStore(): ViewerStore {
  return openStore([
    ...wholeCall({ id: 'x1' }),
    ...wholeCall({ id: 'x2', cost: { confidence: 'unknown', lines: [] } }),
    ...callStart({ id: 'x3' }),
    stamp({ kind: 'messages-dropped', where: 'queue', count: 5, bytes: 9 }),
  ])
}

it('shows title, calls, running ones, tokens, spend and what was dropped', () => {
  expect(draw(busyStore(), 100)).toMatch(
    /^Porthole run -- claude +3 calls │ ● 1 │ 22\.5k in 642 out │ \$0\.0123 \+ 1 unknown │ 5 dropped$/u,
  )
})

it('keeps what matters most where there is little room', () => {
  expect(draw(busyStore(), 40)).toMatch(/^Porthole +3 calls │ ● 1 │ 5 dropped$/u)
  expect(draw(busyStore(), 20)).toMatch(/^Porthole +5 dropped$/u)
})

it('shows neither tokens nor spend before there are any', () => {
  expect(draw(openStore(), 60)).toMatch(/^Porthole run -- claude +0 calls$/u)
})

it('makes a hostile title visible', () => {
  expect(draw(openStore(), 60, 'a\u001b[2J')).toContain(String.raw`a\x1b[2J`)
})

it('shows calls and tokens of the last minute, and what today has cost, where there is room', () => {
  const store = openStore(wholeCall({ id: 'x1' }))
  store.setSpentToday({ usd: 1.5, known: 9, estimated: 9, unknown: 0 })

  expect(draw(store, 100)).toMatch(
    /1 call │ 1\/min 11\.6k tok\/min │ 11\.2k in 321 out │ \$0\.0123 │ ~\$1\.50 today$/u,
  )
})

it('does not show a day that has cost less than this session: it is behind', () => {
  const store = openStore(wholeCall({ id: 'x1' }))
  store.setSpentToday({ usd: 0.01, known: 1, estimated: 1, unknown: 0 })

  expect(draw(store, 100)).not.toContain('today')
})
