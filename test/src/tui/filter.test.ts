import { expect, it } from 'vitest'

import { createRowSelector } from '../../../src/tui/filter.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import { callStart, plainExchange, textEvent, tunnel, wholeCall } from './sample-messages.ts'

function mixedState() {
  const state = createViewState()
  const messages = [
    ...wholeCall({ id: 'x1', prompt: 'Tell me about Paris', answer: 'It has a tower.' }),
    ...wholeCall({ id: 'x2', model: 'gpt-5', provider: 'openai', answer: 'No idea.' }),
    ...plainExchange('x3', '/left-pad'),
    ...tunnel('x4'),
  ]
  for (const msg of messages) applyMessage(state, msg, 'p')
  return state
}

it.each([
  ['PARIS', ['x1']],
  ['tower', ['x1']],
  ['gpt-5', ['x2']],
  ['left-pad', ['x3']],
  ['registry.example', ['x3']],
  ['statsig', ['x4']],
  [' openai ', ['x2']],
  ['nothing like it', []],
  ['', ['x1', 'x2', 'x3', 'x4']],
])('finds rows by model, host, path, prompt and answer: %j', (text, ids) => {
  const { rows } = createRowSelector()(mixedState(), { text, showTunnels: true })

  expect(rows.map(({ id }) => id)).toEqual(ids)
})

it('hides tunnels and says how many', () => {
  const { rows, hiddenTunnels } = createRowSelector()(mixedState(), {
    text: '',
    showTunnels: false,
  })

  expect(rows.map(({ kind }) => kind)).toEqual(['call', 'call', 'http'])
  expect(hiddenTunnels).toBe(1)
})

it('looks again at a row that changed', () => {
  const state = createViewState()
  const select = createRowSelector()
  const filter = { text: 'roses', showTunnels: true }
  for (const msg of callStart({ id: 'x1' })) applyMessage(state, msg, 'p')

  expect(select(state, filter).rows).toHaveLength(0)
  applyMessage(state, textEvent({ id: 'x1' }, 0, 'Roses are red'), 'p')
  expect(select(state, filter).rows).toHaveLength(1)
})

it('gives the same rows without work while nothing changed', () => {
  const state = mixedState()
  const select = createRowSelector()
  const filter = { text: 'paris', showTunnels: true }

  expect(select(state, filter)).toBe(select(state, { ...filter }))
})
