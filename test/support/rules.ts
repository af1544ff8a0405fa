/** Rules for tests, written as users write them, and a source that a test can change. */
import type { RuleFields } from '../../src/config/rule-fields.ts'
import { parseRule } from '../../src/config/rule-fields.ts'
import type { Rule, RuleSet, RuleSource } from '../../src/policy/rules/rule.ts'

let made = 0

/** A rule as `porthole.json` has it; called by its action and a number unless it has a name. */
export function rule(fields: RuleFields): Rule {
  made += 1
  const draft = parseRule(fields, (field) => field)
  const name = draft.name ?? `${draft.action}-${made}`
  return { ...draft, name, id: `test:${made}`, origin: 'file', createdAt: 0 }
}

export function ruleSet(
  rules: readonly Rule[],
  fallback: 'allow' | 'block' = 'allow',
  agents: Readonly<Record<string, 'allow' | 'block'>> = {},
): RuleSet {
  return { rules, defaultAction: (agent) => agents[agent ?? ''] ?? fallback }
}

export interface TestRules extends RuleSource {
  /** What holds from now on; an error is thrown when it is asked. */
  set(now: RuleSet | Error): void
}

export function testRules(rules: readonly Rule[], fallback?: 'allow' | 'block'): TestRules {
  let now: RuleSet | Error = ruleSet(rules, fallback)
  return {
    current() {
      if (now instanceof Error) throw now
      return now
    },
    set(next) {
      now = next
    },
  }
}
