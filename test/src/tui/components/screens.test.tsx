/** Whole screens as they stand, small and wide, in ASCII too: what a change does to them is read in its diff. */
import { render } from 'ink'
import { describe, expect, test, vi } from 'vitest'

import { App } from '../../../../src/tui/components/app.tsx'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { openFakeTerminal } from '../fake-terminal.ts'
import { withoutColors } from '../hostile-text.ts'
import {
  callStart,
  plainExchange,
  sampleStart,
  stamp,
  tunnel,
  wholeCall,
} from '../sample-messages.ts'

const sizes = [
  [80, 24],
  [160, 30],
] as const

const link = {
  kind: 'call-linked',
  by: 'conversations',
  sessionId: 's1',
  sessionSource: 'header',
  clientSessionId: 'client-session',
  turn: 1,
  attempt: 1,
  toolResults: [],
} as const

const links = [
  stamp({
    ...link,
    exchangeId: 'x1',
    branch: 'main',
    branchId: 'b1',
    changed: [],
    cache: { verdict: 'unknown', reason: 'first-call' },
  }),
  stamp({
    ...link,
    exchangeId: 'x4',
    branch: 'sub-agent',
    branchId: 'b2',
    parentExchangeId: 'x1',
    previousExchangeId: 'x1',
    sharedMessages: 0,
    changed: ['message'],
    changedMessage: 0,
    cache: { verdict: 'miss', reason: 'message-changed', expectedTokens: 10_000 },
  }),
]

/** The screen after `keys`, without what ends its lines. */
async function screenAfter(
  keys: readonly string[],
  [columns, rows]: readonly [number, number],
  isAscii = false,
): Promise<string> {
  const terminal = openFakeTerminal(columns, rows)
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: (task) => void setImmediate(task),
  })
  const { stdin, stdout } = terminal
  const instance = render(<App store={store} title="sample" theme={{ ...plainTheme, isAscii }} />, {
    stdin,
    stdout,
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  })
  const messages = [
    ...wholeCall({ id: 'x1' }),
    ...plainExchange('x2', '/left-pad'),
    ...tunnel('x3'),
    stamp({ kind: 'connection-refused', host: 'h', port: 80, status: 403, reason: 'rule' }),
    ...wholeCall({ id: 'x4', prompt: 'Write a poem' }),
    ...links,
    ...callStart({ id: 'x5', prompt: 'And another' }),
  ]
  for (const msg of messages) store.apply(msg, 'p')
  store.press(keys, { columns, rows })
  const screen = (): string => withoutColors(terminal.frame()).replaceAll(/ +$/gmu, '')
  let before = ''
  await vi.waitFor(
    () => {
      const now = screen()
      const isSettled = now === before && now.includes('Porthole')
      before = now
      expect(isSettled).toBe(true)
    },
    { timeout: 60_000, interval: 50 },
  )
  instance.unmount()
  return before
}

describe.each(sizes)('at %i by %i', (...size) => {
  test('what changed in the second call', async () => {
    expect(await screenAfter(['G', 'k', 'enter', '7'], size)).toMatchSnapshot()
  })

  test('the list', async () => {
    expect(await screenAfter([], size)).toMatchSnapshot()
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('tab %i of a call', async (tab) => {
    expect(await screenAfter(['g', 'enter', String(tab)], size)).toMatchSnapshot()
  })

  test('the sessions, and one that is open', async () => {
    expect(await screenAfter(['S'], size)).toMatchSnapshot()
    expect(await screenAfter(['S', 'enter'], size)).toMatchSnapshot()
  })

  test('the help', async () => {
    expect(await screenAfter(['?'], size)).toMatchSnapshot()
  })
})

test('in ASCII alone', async () => {
  const screens = await Promise.all(
    [[], ['g', 'enter'], ['g', 'enter', '5'], ['S']].map((keys) =>
      screenAfter(keys, [80, 24], true),
    ),
  )
  expect(screens.join('\n')).toMatch(/^[\n\x20-\x7e]*$/u)
  expect(screens).toMatchSnapshot()
})
