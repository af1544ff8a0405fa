/** Rules from several places as one set: together they hold, and none takes anything from another. */
import type { Rule, RuleSet, RuleSource } from './rule.ts'

/** What one place has; another object as soon as anything in it has changed. */
export interface RulePart {
  readonly rules: readonly Rule[]
  /** Of an agent that has one of its own. */
  defaultAction?(agent: string | undefined): 'allow' | 'block' | undefined
}

/** Throws, when it is asked, what a part throws. */
export function combineRules(
  parts: ReadonlyArray<() => RulePart>,
  fallback: 'allow' | 'block',
): RuleSource {
  let known: readonly RulePart[] = []
  let set: RuleSet | undefined
  return {
    current() {
      const now = parts.map((part) => part())
      if (set !== undefined && now.every((part, index) => part === known[index])) return set
      known = now
      set = {
        rules: now.flatMap(({ rules }) => rules),
        defaultAction: (agent) =>
          now.map((part) => part.defaultAction?.(agent)).find((action) => action !== undefined) ??
          fallback,
      }
      return set
    },
  }
}
