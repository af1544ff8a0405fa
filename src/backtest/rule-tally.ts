/** What rules decided over many requests, added up for each of them, and for the default. Pure. */
import type { Rule, RuleSet } from '../policy/rules/rule.ts'
import type { Tested } from './back-test.ts'

export interface TalliedRule {
  readonly name: string
  readonly action: Rule['action'] | 'default'
  readonly mode: Rule['mode']
  /** How often, by what was decided. */
  readonly decisions: Readonly<Record<string, number>>
  /** The same in words. */
  readonly told: string
}

interface Counted {
  readonly rule: Rule
  readonly decisions: Map<string, number>
}

export class RuleTally {
  readonly #rules = new Map<string, Counted>()
  #tested = 0
  #refused = 0
  #byDefault = 0
  #unreadable = 0

  constructor({ rules }: RuleSet) {
    for (const rule of rules) this.#rules.set(rule.name, { rule, decisions: new Map() })
  }

  get tested(): number {
    return this.#tested
  }

  get refused(): number {
    return this.#refused
  }

  add({ refusal, decisions }: Tested): void {
    this.#tested += 1
    if (refusal !== undefined) {
      this.#refused += 1
      if (refusal.reason === 'default-action') this.#byDefault += 1
      else if (refusal.rule === undefined) this.#unreadable += 1
    }
    for (const { rule, decision } of decisions) {
      const counted = this.#rules.get(rule)?.decisions
      counted?.set(decision, (counted.get(decision) ?? 0) + 1)
    }
  }

  /** In the order in which the rules came; the default, where it decided, last. */
  get rules(): TalliedRule[] {
    const tallied = Array.from(this.#rules.values(), ({ rule, decisions }) => ({
      name: rule.name,
      action: rule.action,
      mode: rule.mode,
      decisions: Object.fromEntries(decisions),
      told: tell(rule, decisions),
    }))
    return [
      ...tallied,
      ...defaultRow('(default)', 'block', this.#byDefault),
      ...defaultRow('(unreadable)', 'refuse', this.#unreadable),
    ]
  }
}

function defaultRow(name: string, decision: string, count: number): TalliedRule[] {
  if (count === 0) return []
  const told = `refused ${count}`
  return [{ name, action: 'default', mode: 'enforce', decisions: { [decision]: count }, told }]
}

const words: Readonly<Record<string, string>> = {
  block: 'refused',
  limit: 'refused',
  allow: 'allowed',
  observe: 'told of',
}

function tell({ mode, action }: Rule, decisions: ReadonlyMap<string, number>): string {
  const told = Array.from(
    decisions,
    ([decision, count]) => `${words[decision] ?? decision} ${count}`,
  )
  if (told.length === 0)
    return action === 'rate' || action === 'budget' ? 'let all pass' : 'decided nothing'
  return mode === 'observe' && action !== 'observe'
    ? `${told.join(', ')}, if it were enforced`
    : told.join(', ')
}
