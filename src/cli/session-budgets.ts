/**
 * The budgets of a session: the meter that its rules ask, the analyzer that tells it what calls took,
 * and the ledger that both share with other proxies of this folder.
 */
import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { forecastCall } from '../../analyzers/providers/forecast.ts'
import type { Clock } from '../base/clock.ts'
import { AppError } from '../base/errors.ts'
import { BudgetMeter } from '../ledger/budget-meter.ts'
import type { Held, Hold, HoldQuery } from '../ledger/holds.ts'
import { nothingHeld } from '../ledger/holds.ts'
import { ledgerPathIn } from '../ledger/ledger-path.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Charge, Spend, SpendBook, SpendQuery } from '../ledger/spend.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'

export interface SessionBudgets {
  readonly meter: BudgetMeter
  readonly keeper: BudgetKeeper
  close(): void
}

interface BudgetsPlan {
  readonly home: string
  readonly clock: Pick<Clock, 'now'>
  /** Whether there may be rules with budgets: the database is then loaded before it is asked. */
  readonly isExpected: boolean
  /** What must stand in nothing that is kept. */
  readonly values?: ValueFinder | undefined
  readonly tell: (line: string) => void
}

/** How long what is made of the end of an exchange may take, in ms; more than any body takes. */
const settleMs = 10_000

/** Makes no ledger: the first question that needs one does. */
export async function openSessionBudgets(plan: BudgetsPlan): Promise<SessionBudgets> {
  const book = new LazyBook(plan)
  if (plan.isExpected) await book.load()
  const later = (task: () => void): void => void setTimeout(task, settleMs).unref()
  const meter = new BudgetMeter({ clock: plan.clock, book, forecast: forecastCall })
  return { meter, keeper: new BudgetKeeper(meter, later), close: () => book.close() }
}

/** What a database takes to load is loaded by those who need one. */
class LazyBook implements SpendBook {
  readonly #plan: BudgetsPlan
  #ledger: Ledger | undefined
  #loading: Promise<void> | undefined

  constructor(plan: BudgetsPlan) {
    this.#plan = plan
  }

  load(): Promise<void> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  spent(query: SpendQuery): Spend {
    if (this.#ledger !== undefined) return this.#ledger.spent(query)
    void this.load()
    const path = ledgerPathIn(this.#plan.home)
    throw new AppError('ERR_LEDGER_UNUSABLE', { path, problem: 'it is being opened; try again' })
  }

  /** Only what `spent` has let pass is charged. */
  charge(charge: Charge): void {
    this.#ledger?.charge(charge)
  }

  held(query: HoldQuery): Held {
    return this.#ledger?.held(query) ?? nothingHeld
  }

  hold(hold: Hold): void {
    this.#ledger?.hold(hold)
  }

  release(hold: Hold): void {
    this.#ledger?.release(hold)
  }

  close(): void {
    this.#ledger?.close()
  }

  async #load(): Promise<void> {
    const { Ledger: Opened } = await import('../ledger/ledger.ts')
    const { home, clock, values, tell } = this.#plan
    this.#ledger = new Opened({
      path: ledgerPathIn(home),
      now: () => clock.now(),
      values,
      onUnwritable: ({ message }) =>
        tell(`${message}; budgets count in memory until it can be written`),
    })
  }
}
