/**
 * Deadlines on what should move: answers that do not come, streams that fall silent, request bodies
 * that trickle, tunnels that nobody uses. Streams have no total deadline. One timer looks at all of
 * them now and then, so that bytes on their way cost nothing here; an end may come a quarter late.
 * Time that this process did not get, on a busy machine or while it was stopped, does not count:
 * what came meanwhile has to be read before anybody can be said to be silent.
 */
import { formatDuration, formatSize } from '../base/units.ts'
import type { EngineLimits } from './engine-limits.ts'
import type { FailurePhase } from './exchange-report.ts'

export type DeadlineBounds = Pick<
  EngineLimits,
  | 'answerTimeoutMs'
  | 'idleTimeoutMs'
  | 'requestProgressMs'
  | 'requestProgressBytes'
  | 'tunnelIdleTimeoutMs'
>

/** What is waited for now, and what has moved so far. */
export interface WaitState {
  /** `request`: the body is coming. `waiting`: for an answer. `relay`: a tunnel or WebSocket. */
  readonly phase: 'request' | 'waiting' | 'response' | 'relay'
  readonly bytesUp: number
  readonly bytesDown: number
  /** Anything else that is a sign of life, such as interim answers. */
  readonly signs: number
  /** True where the side that should send is held back by the one that does not read. */
  readonly isHeldBack: boolean
}

export interface Expiry {
  readonly by: 'client' | 'upstream'
  readonly phase: FailurePhase
  readonly code: 'answer-timeout' | 'idle-timeout' | 'request-too-slow'
  /** One line, with the limit to raise. */
  readonly message: string
  /** What the client is told, if it has heard nothing yet. */
  readonly status: 408 | 504
}

export interface Watched {
  state(): WaitState
  /** Called at most once. */
  expired(expiry: Expiry): void
}

interface Watch {
  readonly watched: Watched
  last: WaitState
  /** When anything last moved. */
  movedMs: number
  /** Begin of the stretch of time in which a request body must make its progress. */
  stretchMs: number
  stretchBytes: number
}

/** How often to look, at the shortest bound; and the limits of that, in ms. */
const looksPerBound = 4
const shortestLookMs = 10
const longestLookMs = 5000
/** The most that counts as past between two looks, in looks. */
const countedLooks = 1.5

export class Deadlines {
  readonly #bounds: DeadlineBounds
  readonly #now: () => number
  readonly #watches = new Set<Watch>()
  readonly #lookMs: number
  #timer: NodeJS.Timeout | undefined
  #lookedMs = 0
  /** What counts as past at the last look, in milliseconds; watches are measured by it. */
  #countedMs = 0

  /** `now` is monotonic, in milliseconds. */
  constructor(bounds: DeadlineBounds, now: () => number) {
    this.#bounds = bounds
    this.#now = now
    const shortest = Math.min(
      bounds.answerTimeoutMs,
      bounds.idleTimeoutMs,
      bounds.requestProgressMs,
      bounds.tunnelIdleTimeoutMs,
    )
    this.#lookMs = Math.min(longestLookMs, Math.max(shortestLookMs, shortest / looksPerBound))
  }

  /** Watches until the returned function is called, or the deadline was told. */
  watch(watched: Watched): () => void {
    if (this.#timer === undefined) {
      this.#lookedMs = this.#now()
      this.#timer = setInterval(() => this.#look(), this.#lookMs).unref()
    }
    const now = this.#countedNow()
    const last = watched.state()
    const watch = { watched, last, movedMs: now, stretchMs: now, stretchBytes: last.bytesUp }
    this.#watches.add(watch)
    return () => this.#forget(watch)
  }

  #forget(watch: Watch): void {
    this.#watches.delete(watch)
    if (this.#watches.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #countedNow(): number {
    const sinceMs = this.#now() - this.#lookedMs
    return this.#countedMs + Math.min(sinceMs, this.#lookMs * countedLooks)
  }

  #look(): void {
    const now = this.#countedNow()
    this.#countedMs = now
    this.#lookedMs = this.#now()
    for (const watch of this.#watches) {
      const expiry = this.#judge(watch, now)
      if (expiry === undefined) continue
      this.#forget(watch)
      watch.watched.expired(expiry)
    }
  }

  #judge(watch: Watch, now: number): Expiry | undefined {
    const state = watch.watched.state()
    const { last } = watch
    watch.last = state
    if (hasMoved(last, state)) watch.movedMs = now
    const silentMs = now - watch.movedMs
    if (state.phase === 'request' && !state.isHeldBack) return this.#judgeProgress(watch, now)
    watch.stretchMs = now
    watch.stretchBytes = state.bytesUp
    switch (state.phase) {
      case 'request':
      case 'waiting':
        return silentMs < this.#bounds.answerTimeoutMs ? undefined : this.#unanswered(state)
      case 'response':
        return silentMs < this.#bounds.idleTimeoutMs ? undefined : this.#silent(state)
      case 'relay':
        return silentMs < this.#bounds.tunnelIdleTimeoutMs ? undefined : this.#unused()
    }
  }

  /** Not a total bound: a body may be as long as it likes while it keeps coming. */
  #judgeProgress(watch: Watch, now: number): Expiry | undefined {
    const { requestProgressMs, requestProgressBytes } = this.#bounds
    if (now - watch.stretchMs < requestProgressMs) return undefined
    const came = watch.last.bytesUp - watch.stretchBytes
    watch.stretchMs = now
    watch.stretchBytes = watch.last.bytesUp
    if (came >= requestProgressBytes) return undefined
    const least = formatSize(requestProgressBytes)
    return {
      by: 'client',
      phase: 'request',
      code: 'request-too-slow',
      message: `the request body brought less than ${least} in ${formatDuration(requestProgressMs)}; --limit request-progress=TIME allows more`,
      status: 408,
    }
  }

  #unanswered({ phase }: WaitState): Expiry {
    const within = formatDuration(this.#bounds.answerTimeoutMs)
    const what = phase === 'request' ? 'read none of the request' : 'sent no answer'
    return {
      by: 'upstream',
      phase: phase === 'request' ? 'request' : 'waiting',
      code: 'answer-timeout',
      message: `the upstream ${what} within ${within}; --limit answer-timeout=TIME allows more`,
      status: 504,
    }
  }

  #silent({ isHeldBack }: WaitState): Expiry {
    const within = formatDuration(this.#bounds.idleTimeoutMs)
    const what = isHeldBack ? 'the client read no byte' : 'the upstream sent no byte'
    return {
      by: isHeldBack ? 'client' : 'upstream',
      phase: 'response',
      code: 'idle-timeout',
      message: `${what} of the answer for ${within}; --limit idle-timeout=TIME allows more`,
      status: 504,
    }
  }

  #unused(): Expiry {
    const within = formatDuration(this.#bounds.tunnelIdleTimeoutMs)
    return {
      by: 'upstream',
      phase: 'response',
      code: 'idle-timeout',
      message: `no byte went either way for ${within}; --limit tunnel-idle-timeout=TIME allows more`,
      status: 504,
    }
  }
}

function hasMoved(last: WaitState, now: WaitState): boolean {
  return (
    last.phase !== now.phase ||
    last.bytesUp !== now.bytesUp ||
    last.bytesDown !== now.bytesDown ||
    last.signs !== now.signs
  )
}
