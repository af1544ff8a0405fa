/**
 * What an analyzer remembers of the exchanges under way. The pipeline ends every exchange, but a
 * damaged capture may not: so the number is bounded, and the oldest gives way.
 */

/** Far above the connections that the proxy accepts at a time. */
const liveExchanges = 4_096

export class ExchangeStates<S> {
  readonly #states = new Map<string, S>()

  get(exchangeId: string | undefined): S | undefined {
    return exchangeId === undefined ? undefined : this.#states.get(exchangeId)
  }

  /** The exchange that gave way, if one did. */
  set(exchangeId: string, state: S): string | undefined {
    this.#states.delete(exchangeId)
    this.#states.set(exchangeId, state)
    if (this.#states.size <= liveExchanges) return undefined
    const oldest = this.#states.keys().next()
    if (oldest.done === true) return undefined
    this.#states.delete(oldest.value)
    return oldest.value
  }

  /** Removes a state and returns it. */
  take(exchangeId: string | undefined): S | undefined {
    const state = this.get(exchangeId)
    if (exchangeId !== undefined) this.#states.delete(exchangeId)
    return state
  }
}
