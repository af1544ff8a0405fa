import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { HeaderLine } from '../../../../src/tui/components/header-line.tsx'
import type { ViewState } from '../../../../src/tui/model.ts'
import { applyMessage, createViewState } from '../../../../src/tui/model.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'
import { callStart, stamp, wholeCall } from '../sample-messages.ts'

afterEach(cleanup)

function draw(state: ViewState, width: number, title = 'run -- claude'): string {
  const line = <HeaderLine state={state} title={title} width={width} theme={plainTheme} />
  return withoutColors(render(line).lastFrame() ?? '')
}

function busyState(): ViewState {
  const state = createViewState()
  const messages = [
    ...wholeCall({ id: 'x1' }),
    ...wholeCall({ id: 'x2', cost: { confidence: 'unknown', lines: [] } }),
    ...callStart({ id: 'x3' }),
    stamp({ kind: 'messages-dropped', where: 'queue', count: 5, bytes: 9 }),
  ]
  for (const msg of messages) applyMessage(state, msg, 'p')
  return state
}

it('shows title, calls, running ones, tokens, spend and what was dropped', () => {
  expect(draw(busyState(), 100)).toMatch(
    /^Porthole run -- claude +3 calls │ ● 1 │ 22\.5k in 642 out │ \$0\.0123 \+ 1 unknown │ 5 dropped$/u,
  )
})

it('keeps what matters most where there is little room', () => {
  expect(draw(busyState(), 40)).toMatch(/^Porthole +3 calls │ ● 1 │ 5 dropped$/u)
  expect(draw(busyState(), 20)).toMatch(/^Porthole +5 dropped$/u)
})

it('shows neither tokens nor spend before there are any', () => {
  expect(draw(createViewState(), 60)).toMatch(/^Porthole run -- claude +0 calls$/u)
})

it('makes a hostile title visible', () => {
  expect(draw(createViewState(), 60, 'a\u001b[2J')).toContain(String.raw`a\x1b[2J`)
})
