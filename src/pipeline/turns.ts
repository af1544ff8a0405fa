/**
 * When analysis gets the event loop, and for how long: after what has just come has gone out, and
 * in short turns. Only where much waits does it insist. It knows nothing of what is done in a turn.
 */

/** Work for one turn; each turn does at least one step. */
export interface TurnLimits {
  readonly bytes: number
  readonly messages: number
  readonly ms: number
}

/** So that a burst delays traffic by little; the first of them. */
const turnLimits: TurnLimits = { bytes: 256 * 1024, messages: 128, ms: 3 }
/** What waits, in bytes, from which on analysis takes every turn of the loop. */
const muchBytes = 1024 * 1024
/** Turns of the loop in a row that are left to others while each of them brings something new. */
const mostLeftOut = 4

export interface TurnWork {
  /** Works within the limits; false when nothing is left. */
  readonly take: (limits: TurnLimits) => boolean
  readonly waitingBytes: () => number
}

export class Turns {
  readonly #work: TurnWork
  #isScheduled = false
  #hasNews = false
  #leftOut = 0

  constructor(work: TurnWork) {
    this.#work = work
  }

  /** To be called for whatever comes; there will be turns until all of it is worked off. */
  announce(): void {
    this.#hasNews = true
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#leavesOut() || this.#take()) this.#schedule()
    })
  }

  /**
   * Whoever told us something in this turn of the loop mostly has something to send as well, and
   * what it has put off to the end of the turn would come after us.
   */
  #leavesOut(): boolean {
    if (!this.#hasNews || this.#leftOut >= mostLeftOut || this.#isMuch()) return false
    this.#hasNews = false
    this.#leftOut += 1
    return true
  }

  #take(): boolean {
    this.#hasNews = false
    this.#leftOut = 0
    return this.#work.take(turnLimits)
  }

  #isMuch(): boolean {
    return this.#work.waitingBytes() > muchBytes
  }
}
