import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { AnalysisMsg, CallLink } from '../../../src/messages/schema.ts'
import { lineText } from '../../../src/tui/document.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import { addTallies, emptyTally } from '../../../src/tui/row.ts'
import { sessionSummary } from '../../../src/tui/session-line.ts'
import { callsOf, sessionItems } from '../../../src/tui/session-tree.ts'
import { Sessions, cacheRate, topNames } from '../../../src/tui/sessions.ts'
import { sampleStart, stamp, wholeCall } from './sample-messages.ts'
import { stateOf } from './tab-view.ts'

interface Placed extends Partial<CallLink> {
  readonly id: string
  readonly at?: number
}

function placed({ id, at = sampleStart, ...link }: Placed): AnalysisMsg[] {
  return [
    ...wholeCall({ id, at, prompt: `prompt of ${id}` }),
    stamp(
      {
        kind: 'call-linked',
        exchangeId: id,
        sessionId: 's1',
        sessionSource: 'header',
        turn: 1,
        branch: 'main',
        branchId: 'b1',
        changed: [],
        cache: { verdict: 'hit' },
        attempt: 1,
        toolResults: [],
        ...link,
      },
      at + 2345,
    ),
  ]
}

const subAgent = { branch: 'sub-agent', branchId: 'b2', parentExchangeId: 'x1' } as const

/** The items of the only session, in short. */
function drawn(messages: readonly AnalysisMsg[]): string[] {
  const [session] = stateOf(messages).sessions.list
  if (session === undefined) throw new Error('no session')
  return sessionItems(session).map((item) => {
    if (item.kind === 'turn') return `turn ${item.turn} (${item.calls})`
    const indent = '  '.repeat(item.depth)
    return item.kind === 'lane' ? `${indent}lane (${item.branch.calls})` : indent + item.row.id
  })
}

describe('a session', () => {
  it('adds up its calls', () => {
    const state = stateOf([
      ...placed({ id: 'x1' }),
      ...placed({ id: 'x2', turn: 2, at: sampleStart + 60_000 }),
      ...placed({ id: 'y1', sessionId: 's2' }),
    ])
    const [first, second] = state.sessions.list

    expect(first).toMatchObject({ id: 's1', calls: 2, turns: 2, errors: 0, firstAt: sampleStart })
    expect(first?.tally).toMatchObject({ inputTokens: 22_468, cachedTokens: 20_000, known: 2 })
    expect(first?.tally.usd).toBeCloseTo(0.0246)
    expect(second).toMatchObject({ id: 's2', calls: 1 })
    expect(sessionSummary(first as NonNullable<typeof first>, 200).map(lineText)[1]).toBe(
      '12:34:56–12:35:58 · 2 calls · 2 turns · 2.5k fresh · 20.0k cached · 642 out · cache rate 89% · $0.0246',
    )
  })

  it('is read turn by turn, the sub-agents under the call that started them', () => {
    expect(
      drawn([
        ...placed({ id: 'x1' }),
        ...placed({ id: 'y1', ...subAgent, at: sampleStart + 1 }),
        ...placed({ id: 'z1', ...subAgent, branchId: 'b3', parentExchangeId: 'y1' }),
        ...placed({ id: 'y2', ...subAgent, at: sampleStart + 2 }),
        ...placed({ id: 't1', branch: 'side', branchId: 'b4', turn: 9, at: sampleStart + 3 }),
        ...placed({ id: 'x2', at: sampleStart + 4 }),
        ...placed({ id: 'x3', turn: 2, at: sampleStart + 5 }),
      ]),
    ).toEqual([
      'turn 1 (3)',
      'x1',
      '  lane (2)',
      '  y1',
      '    lane (1)',
      '    z1',
      '  y2',
      't1',
      'x2',
      'turn 2 (1)',
      'x3',
    ])
  })

  it('keeps lanes whose caller is not known, and survives those that name each other', () => {
    expect(drawn(placed({ id: 'y1', ...subAgent, parentExchangeId: 'gone' }))).toEqual([
      '  lane (1)',
      '  y1',
    ])
    expect(
      drawn([
        ...placed({ id: 'y1', ...subAgent, parentExchangeId: 'z1' }),
        ...placed({ id: 'z1', ...subAgent, branchId: 'b3', parentExchangeId: 'y1' }),
      ]),
    ).toHaveLength(4)
  })

  it('keeps its sums when rows go, and forgets what can no longer be opened', () => {
    const limits = { ...createViewState().limits, maxRows: 1 }
    const state = createViewState(limits)
    for (const msg of [...placed({ id: 'x1' }), ...placed({ id: 'x2' })]) {
      applyMessage(state, msg, 'p')
    }
    const [session] = state.sessions.list

    expect(session).toMatchObject({ calls: 2 })
    expect([...(session?.kept.keys() ?? [])]).toEqual(['x2'])
    expect(state.sessions.ofRow('x1')).toBeUndefined()
  })

  it('gives its calls in the order in which they are read, for going from one to the next', () => {
    const [session] = stateOf([
      ...placed({ id: 'x1' }),
      ...placed({ id: 'x2', at: sampleStart + 9 }),
      ...placed({ id: 'y1', ...subAgent, at: sampleStart + 5 }),
    ]).sessions.list
    const calls = callsOf(session as NonNullable<typeof session>)

    expect(calls.rows.map(({ id }) => id)).toEqual(['x1', 'y1', 'x2'])
    expect(calls.indexOf('y1')).toBe(1)
  })
})

it('keeps as many sessions, names and branches as it may', () => {
  const sessions = new Sessions({ maxSessions: 2, maxNames: 1, maxBranches: 1 })
  const state = createViewState()
  for (const id of ['x1', 'x2', 'x3']) {
    for (const msg of placed({ id, sessionId: id })) {
      applyMessage(state, msg, 'p')
      const row = state.byId.get(id)
      if (row !== undefined) sessions.take(row, msg)
    }
  }

  expect(sessions.list.map(({ id }) => id)).toEqual(['x2', 'x3'])
  expect(sessions.dropped).toBe(1)
  expect(sessions.ofRow('x1')).toBeUndefined()
})

const anyPlace = fc.record({
  session: fc.constantFrom('s1', 's2', 's3'),
  branch: fc.constantFrom('main' as const, 'sub-agent' as const, 'side' as const),
  turn: fc.integer({ min: 1, max: 4 }),
  parent: fc.constantFrom('x0', 'x1', 'x2', undefined),
})

test.prop([fc.array(anyPlace, { maxLength: 20 })])(
  'sessions add up to their rows, and show each of them once',
  (places) => {
    const state = stateOf(
      places.flatMap(({ session, branch, turn, parent }, at) =>
        placed({
          id: `x${at}`,
          sessionId: session,
          branch,
          branchId: `${session} ${branch} ${turn}`,
          turn,
          parentExchangeId: parent,
        }),
      ),
    )
    const { list } = state.sessions
    const summed = list.reduce((sum, { tally }) => addTallies(sum, tally), emptyTally)

    expect(summed).toMatchObject({ ...state.totals, usd: expect.closeTo(state.totals.usd) })
    expect(list.reduce((sum, { calls }) => sum + calls, 0)).toBe(state.calls)
    expect(list.flatMap((session) => callsOf(session).rows.map(({ id }) => id)).toSorted()).toEqual(
      state.rows.map(({ id }) => id).toSorted(),
    )
  },
)

it('names what was used most, and a cache rate only where something was counted', () => {
  expect(
    topNames(
      new Map([
        ['a', 1],
        ['b', 3],
        ['c', 2],
      ]),
      2,
    ),
  ).toEqual([
    ['b', 3],
    ['c', 2],
  ])
  expect(cacheRate(emptyTally)).toBeUndefined()
  expect(cacheRate({ ...emptyTally, counted: true, inputTokens: 4, cachedTokens: 1 })).toBe(0.25)
})
