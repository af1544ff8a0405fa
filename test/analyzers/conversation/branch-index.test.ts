import { test } from '@fast-check/vitest'
import { array, boolean, constantFrom, nat, record, tuple } from 'fast-check'
import { expect } from 'vitest'

import { BranchIndex } from '../../../analyzers/conversation/branch-index.ts'
import type { Branch, CallRecord, NewCall } from '../../../analyzers/conversation/branches.ts'
import { matchBranch } from '../../../analyzers/conversation/branches.ts'
import type { Prompt } from '../../../analyzers/conversation/prompt.ts'
import { comparedMessages } from '../../../analyzers/wire/bounds.ts'

interface History {
  readonly scope: string
  readonly lane: string | undefined
  readonly words: readonly number[]
  /** Of the words, how many the first call had. */
  readonly first: number
}

/** Few words, so that histories begin alike; the digests of long ones are cut off, as those of calls. */
function promptOf(words: readonly number[]): Prompt {
  const compared = words.slice(0, comparedMessages)
  let state = 7n
  const digests = compared.map((word) => {
    state = BigInt.asUintN(64, (state + BigInt(word) + 1n) * 6_364_136_223_846_793_005n)
    return state
  })
  const chain = new BigUint64Array(digests)
  return {
    system: '',
    tools: '',
    hasTools: false,
    chain,
    count: words.length,
    systemCount: 0,
  }
}

function branchOf({ scope, lane, words, first }: History, index: number): Branch {
  const last: CallRecord = {
    exchangeId: `x${index}`,
    startedAt: 0,
    model: undefined,
    prompt: promptOf(words),
    total: words.length,
    cache: {},
    base: undefined,
  }
  return {
    id: String(index),
    scope,
    sessionId: 's',
    kind: 'main',
    lane,
    parent: undefined,
    firstCount: Math.min(first, words.length),
    last,
    waiting: [],
    used: index,
    isForgotten: false,
  }
}

function callOf({ scope, lane, words }: History): NewCall {
  const messages = words.map((word) => ({
    role: word === 0 ? 'assistant' : 'user',
    parts: [],
  }))
  return {
    msg: {
      v: 1,
      seq: 0,
      at: 0,
      kind: 'model-called',
      provider: 'p',
      operation: 'chat',
      streaming: false,
      messages,
      tools: [],
    },
    scope,
    prompt: promptOf(words),
    lane,
    isSubAgent: false,
    isProbe: false,
    isContinuation: false,
  }
}

const history = record({
  scope: constantFrom('p', 'p', 'q'),
  lane: constantFrom(undefined, undefined, 'l'),
  words: array(nat(2), { maxLength: 6 }),
  first: nat(6),
})

function indexed(branches: readonly Branch[]): BranchIndex {
  const index = new BranchIndex()
  for (const branch of branches) index.add(branch)
  return index
}

function found(index: BranchIndex, call: NewCall): ReturnType<typeof matchBranch> {
  return matchBranch(
    index.candidates(call).toSorted((a, b) => a.used - b.used),
    call,
  )
}

test.prop([array(history, { maxLength: 40 }), history])(
  'what it leaves out matches no call',
  (histories, called) => {
    const branches = histories.map(branchOf)
    const call = callOf(called)

    expect(found(indexed(branches), call)).toEqual(matchBranch(branches, call))
  },
)

test.prop([
  array(history, { minLength: 1, maxLength: 20 }),
  array(tuple(nat(), array(nat(2), { maxLength: 3 }), boolean())),
  history,
])('follows histories that grow and those that are forgotten', (histories, changes, called) => {
  const branches = histories.map(branchOf)
  const index = indexed(branches)
  const forgotten = new Set<Branch>()
  for (const [number, added, isForgotten] of changes) {
    const branch = branches[number % branches.length]
    if (branch?.last === undefined || forgotten.has(branch)) continue
    index.remove(branch)
    if (isForgotten) {
      forgotten.add(branch)
      continue
    }
    const words = [...(histories[number % branches.length]?.words ?? []), ...added]
    branch.last = { ...branch.last, prompt: promptOf(words) }
    index.add(branch)
  }
  const kept = branches.filter((branch) => !forgotten.has(branch))
  const call = callOf(called)

  expect(found(index, call)).toEqual(matchBranch(kept, call))
})

test('histories longer than what is compared are found by all that is', () => {
  const long = Array.from({ length: comparedMessages }, (_, number) => number % 3)
  const plain = { scope: 'p', lane: undefined }
  const branches = [comparedMessages + 5, 3].map((first, number) =>
    branchOf({ ...plain, words: [...long, 1, 2, 0, 1, 2], first }, number),
  )
  for (const added of [[], [1], [1, 2, 0, 1, 2, 0]]) {
    const call = callOf({ ...plain, words: [...long, ...added], first: 1 })
    const match = found(indexed(branches), call)

    expect(match).toEqual(matchBranch(branches, call))
    expect(match?.branch).toBe(branches[1])
  }
})

test('the same question asked again and again makes no candidates', () => {
  const asked = { scope: 'p', lane: undefined, words: [1, 2], first: 2 }
  const branches = Array.from({ length: 100 }, (_, number) => branchOf(asked, number))
  const index = indexed(branches)

  expect(index.candidates(callOf(asked))).toEqual([])
  expect(index.candidates(callOf({ ...asked, words: [1, 2, 0] }))).toHaveLength(100)
})
