/** Reads what was let go of a row again, where there is a place to read it from: once at a time. */
import type { AnalysisMsg } from '../messages/schema.ts'
import type { ViewState } from './model.ts'
import { exchangeOf } from './open-row.ts'
import { isIncomplete, restoreRows } from './restore-row.ts'
import type { Row } from './row.ts'

export type LoadExchange = (origin: string, exchangeId: string) => Promise<readonly AnalysisMsg[]>

export class ExchangeLoader {
  readonly #state: ViewState
  readonly #load: LoadExchange
  /** Asked for already: what cannot be found is not asked for again. */
  readonly #asked = new WeakSet<Row>()

  constructor(state: ViewState, load: LoadExchange) {
    this.#state = state
    this.#load = load
  }

  /**
   * Undefined where nothing is missing, or was asked for before. Else it resolves, once the row is
   * whole, with what there is to say: nothing, or that the capture lacks it too. Rejects as `load`.
   */
  load(row: Row): Promise<string> | undefined {
    if (!isIncomplete(row) || this.#asked.has(row)) return undefined
    this.#asked.add(row)
    return this.#restore(row)
  }

  async #restore(row: Row): Promise<string> {
    const exchangeId = exchangeOf(row)
    const messages = await this.#load(row.origin, exchangeId)
    const whole = this.#state.byId.get(exchangeId)
    const rows = whole === undefined || whole === row ? [row] : [row, whole]
    if (!restoreRows(this.#state, rows, messages)) return 'the capture has no more of it'
    // It may be let go once more.
    if (!isIncomplete(row)) this.#asked.delete(row)
    return ''
  }
}
