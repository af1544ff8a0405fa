/**
 * Why a budget lets nothing more pass, in one line that says what to do; the name of the rule is put
 * before it by whoever tells it. Pure.
 */
import type { Budget, Rule } from '../policy/rules/rule.ts'
import { untilNextDayMs } from './spend.ts'

type BudgetRule = Extract<Rule, { readonly action: 'budget' }>

export interface ExhaustedState {
  readonly agent: string | undefined
  /** Epoch milliseconds. */
  readonly now: number
  /** In the unit of the budget. */
  readonly spent: number
  /** Calls that are not in it, for nobody knows what they took. */
  readonly unknown: number
  /** Set where it is not spent yet, but what is under way is taken to use up the rest. */
  readonly running: { readonly calls: number; readonly expected: number } | undefined
}

export function explainExhausted(rule: BudgetRule, state: ExhaustedState): string {
  const { name, budget, origin } = rule
  const { agent, spent, unknown, running, now } = state
  const whose = budget.scope === 'global' ? '' : ` for ${agent ?? 'nameless clients'}`
  const sums = `${formatAmount(budget, spent)} of ${formatAmount(budget, budget.amount)}`
  const sentences = [
    running === undefined
      ? `its budget is spent${whose}: ${sums} ${periods[budget.per]}`
      : `its budget has nothing left to begin another call with${whose}: ${sums} ${periods[budget.per]}, and ` +
        `${calls(running.calls)} under way ${running.calls === 1 ? 'is' : 'are'} expected to take ${formatAmount(budget, running.expected)}`,
    ...(unknown === 0
      ? []
      : [
          `${calls(unknown)} of unknown ${budget.unit === 'usd' ? 'cost' : 'size'} ${unknown === 1 ? 'is' : 'are'} not in it`,
        ]),
    `${remedy(budget, now, running !== undefined)}, or ${origin === 'file' ? 'change the rule in porthole.json' : `allow more: porthole rules set ${name} --amount AMOUNT`}`,
  ]
  return `${sentences.join('. ')}.`
}

const periods: Readonly<Record<Budget['per'], string>> = {
  run: 'in this run',
  day: 'today (UTC)',
  total: 'in all',
}

function remedy(budget: Budget, now: number, mayWait: boolean): string {
  if (mayWait) return 'Try again when they have ended'
  switch (budget.per) {
    case 'run':
      return 'Start a new run'
    case 'day':
      return `It begins anew at midnight UTC, in ${formatWait(untilNextDayMs(now))}`
    case 'total':
      return 'It does not begin anew by itself: make a new rule'
  }
}

/** `$4.5`, `$0.0021`, `120,000 tokens`. Rounded down: what is not spent must not look spent. */
export function formatAmount({ unit }: Pick<Budget, 'unit'>, amount: number): string {
  if (unit === 'tokens') return `${Math.floor(amount).toLocaleString('en-US')} tokens`
  const shown = Math.floor(amount * 1e4 + 1e-6) / 1e4
  return amount > 0 && shown === 0
    ? 'less than $0.0001'
    : `$${shown.toLocaleString('en-US', { maximumFractionDigits: 4 })}`
}

function formatWait(ms: number): string {
  const minutes = Math.ceil(ms / 60_000)
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes} min` : `${hours} h ${minutes % 60} min`
}

function calls(count: number): string {
  return count === 1 ? '1 call' : `${count.toLocaleString('en-US')} calls`
}
