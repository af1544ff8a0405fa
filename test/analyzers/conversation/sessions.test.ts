import { describe, expect, test } from 'vitest'

import type { NewCall } from '../../../analyzers/conversation/branches.ts'
import type { Place } from '../../../analyzers/conversation/sessions.ts'
import { Sessions } from '../../../analyzers/conversation/sessions.ts'
import { ToolCalls } from '../../../analyzers/conversation/tool-calls.ts'
import { keptBranches, keptDigests, keptSessions } from '../../../analyzers/wire/bounds.ts'

/** The call of a number; its history is like no other's. */
function callOf(number: number, messages: number): NewCall {
  const chain = new BigUint64Array(messages).fill(BigInt(number + 1))
  const prompt = { system: '', tools: '', hasTools: false, chain, count: messages, systemCount: 0 }
  return {
    msg: {
      v: 1,
      seq: number,
      at: number,
      exchangeId: `x${number}`,
      kind: 'model-called',
      provider: 'p',
      operation: 'chat',
      streaming: false,
      messages: [],
      tools: [],
    },
    scope: 'p',
    prompt,
    lane: undefined,
    isSubAgent: false,
    isProbe: false,
    isContinuation: false,
  }
}

function placed(sessions: Sessions, call: NewCall, session?: string): Place {
  const ids = session === undefined ? {} : { session }
  const place = sessions.place(call, { isSubAgent: false }, ids)
  sessions.setLast(place.branch, {
    exchangeId: call.msg.exchangeId,
    startedAt: 0,
    model: undefined,
    prompt: call.prompt,
    total: call.prompt.count,
    cache: {},
    base: undefined,
  })
  return place
}

const isKnown = (sessions: Sessions, { session, branch }: Place): boolean =>
  sessions.recall(session.id, branch.id) !== undefined

describe('what is remembered', () => {
  test('is a bounded number of conversations, the most recently used', () => {
    const sessions = new Sessions(new ToolCalls())
    const places = Array.from({ length: keptSessions * 2 }, (_, index) =>
      placed(sessions, callOf(index, 1)),
    )

    expect(places.filter((place) => isKnown(sessions, place))).toHaveLength(keptSessions)
    expect(places.slice(-keptSessions).every((place) => isKnown(sessions, place))).toBe(true)
  })

  test('is a bounded number of message digests', () => {
    const sessions = new Sessions(new ToolCalls())
    const places = Array.from({ length: 500 }, (_, index) => placed(sessions, callOf(index, 4_096)))
    const known = places.filter((place) => isKnown(sessions, place))

    expect(known).toHaveLength(keptDigests / 4_096)
    expect(known.at(-1)).toBe(places.at(-1))
  })

  test('is a bounded number of histories of one conversation', () => {
    const sessions = new Sessions(new ToolCalls())
    const places = Array.from({ length: keptBranches * 3 }, (_, index) =>
      placed(sessions, callOf(index, 1), 's1'),
    )

    expect(new Set(places.map(({ session }) => session)).size).toBe(1)
    expect(places[0]?.session.branches.size).toBe(keptBranches)
  })

  test('lets what was replaced no longer count', () => {
    const sessions = new Sessions(new ToolCalls())
    const first = placed(sessions, callOf(0, 4_096))
    for (let round = 0; round < 1_000; round += 1) {
      const { prompt } = callOf(round, 4_096)
      sessions.setLast(first.branch, {
        exchangeId: `x${round}`,
        startedAt: 0,
        model: undefined,
        prompt,
        total: prompt.count,
        cache: {},
        base: undefined,
      })
    }
    placed(sessions, callOf(1_001, 4_096))

    expect(isKnown(sessions, first)).toBe(true)
  })
})
