import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Deadlines } from '../../../src/proxy/deadlines.ts'
import type { DeadlineBounds, Expiry, WaitState } from '../../../src/proxy/deadlines.ts'

const bounds: DeadlineBounds = {
  answerTimeoutMs: 60_000,
  idleTimeoutMs: 20_000,
  requestProgressMs: 10_000,
  requestProgressBytes: 100,
  tunnelIdleTimeoutMs: 40_000,
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

interface Watching {
  readonly state: { -readonly [K in keyof WaitState]: WaitState[K] }
  readonly told: Expiry[]
  readonly stop: () => void
}

function watch(
  phase: WaitState['phase'],
  over: Partial<DeadlineBounds> = {},
  isHeldBack = false,
  now: () => number = () => performance.now(),
): Watching {
  const state = { phase, bytesUp: 0, bytesDown: 0, signs: 0, isHeldBack }
  const told: Expiry[] = []
  const deadlines = new Deadlines({ ...bounds, ...over }, now)
  const stop = deadlines.watch({
    state: () => ({ ...state }),
    expired: (expiry) => told.push(expiry),
  })
  return { state, told, stop }
}

describe.each([
  ['waiting', 60_000, { by: 'upstream', phase: 'waiting', code: 'answer-timeout', status: 504 }],
  ['response', 20_000, { by: 'upstream', phase: 'response', code: 'idle-timeout', status: 504 }],
  ['relay', 40_000, { code: 'idle-timeout' }],
  ['request', 10_000, { by: 'client', phase: 'request', code: 'request-too-slow', status: 408 }],
] as const)('in the phase %s', (phase, boundMs, wanted) => {
  test('what does not move is told once, soon after its bound and not before', () => {
    const { told } = watch(phase)

    vi.advanceTimersByTime(boundMs - 1)
    expect(told).toEqual([])
    vi.advanceTimersByTime(boundMs / 4 + 1)
    expect(told).toMatchObject([wanted])
    vi.advanceTimersByTime(boundMs * 10)
    expect(told).toHaveLength(1)
    expect(told[0]?.message).toMatch(/; --limit [a-z-]+=TIME allows more$/u)
  })

  test('what moves has no deadline in all', () => {
    const { state, told } = watch(phase)

    for (let moves = 0; moves < 100; moves += 1) {
      vi.advanceTimersByTime(boundMs * 0.6)
      if (phase === 'request') state.bytesUp += 100
      else state.bytesDown += 1
    }

    expect(told).toEqual([])
  })

  test('time that the process itself did not get is held against nobody', () => {
    let stoppedMs = 0
    const { state, told } = watch(phase, {}, false, () => performance.now() + stoppedMs)
    vi.advanceTimersByTime(boundMs * 0.5)

    stoppedMs += boundMs * 10
    vi.advanceTimersByTime(boundMs * 0.25)
    expect(told).toEqual([])
    // What came meanwhile is read after the first look.
    if (phase === 'request') state.bytesUp += 100
    else state.bytesDown += 1
    vi.advanceTimersByTime(boundMs * 0.9)
    expect(told).toEqual([])

    vi.advanceTimersByTime(boundMs * 1.5)
    expect(told).toMatchObject([wanted])
  })

  test('what has ended is not looked at again', () => {
    const { stop, told } = watch(phase)

    stop()
    vi.advanceTimersByTime(boundMs * 10)

    expect(told).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('nothing is told where the deadline is off', () => {
    const off = {
      answerTimeoutMs: Infinity,
      idleTimeoutMs: Infinity,
      requestProgressMs: Infinity,
      tunnelIdleTimeoutMs: Infinity,
    }
    const { told } = watch(phase, off)

    vi.advanceTimersByTime(boundMs * 1000)

    expect(told).toEqual([])
  })
})

describe('a request body', () => {
  test('that trickles is told, however steadily it does', () => {
    const { state, told } = watch('request')

    for (let seconds = 0; seconds < 15; seconds += 1) {
      vi.advanceTimersByTime(1000)
      state.bytesUp += 5
    }

    expect(told).toMatchObject([{ code: 'request-too-slow' }])
    expect(told[0]?.message).toContain('less than 100B in 10s')
  })

  test('that an upstream does not read is held against that, by its own bound', () => {
    const { told } = watch('request', {}, true)

    vi.advanceTimersByTime(59_000)
    expect(told).toEqual([])
    vi.advanceTimersByTime(5000)
    expect(told).toMatchObject([{ by: 'upstream', phase: 'request', status: 504 }])
  })

  test('gets its whole time again once it is no longer held back', () => {
    const { state, told } = watch('request', {}, true)
    vi.advanceTimersByTime(30_000)

    state.isHeldBack = false
    vi.advanceTimersByTime(9000)

    expect(told).toEqual([])
  })
})

test('an answer that its client does not read is held against the client', () => {
  const { told } = watch('response', {}, true)

  vi.advanceTimersByTime(25_000)

  expect(told).toMatchObject([{ by: 'client', phase: 'response', code: 'idle-timeout' }])
})

test('the end of a request begins the wait for its answer anew', () => {
  const { state, told } = watch('request')
  vi.advanceTimersByTime(9000)

  state.phase = 'waiting'
  vi.advanceTimersByTime(58_000)

  expect(told).toEqual([])
})

test('a sign of life is as good as a byte', () => {
  const { state, told } = watch('waiting')
  vi.advanceTimersByTime(50_000)

  state.signs += 1
  vi.advanceTimersByTime(50_000)

  expect(told).toEqual([])
})
