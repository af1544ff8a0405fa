/**
 * What the rules make of a request, in an order that no rule can change: every block rule; rates and
 * budgets, all checked before any is used up; an explicit allow; the default. Pure but for what the
 * meters count. `observe` tells what would have been, and decides nothing.
 */
import { matchRule, needsNames } from './match-rule.ts'
import type { Match, RuleSubject } from './match-rule.ts'
import type { Exhausted, Meter, MeteredRequest } from './meter.ts'
import type { Rule, RuleSet } from './rule.ts'

/** Something to tell: a rule that decided, or would have. */
export interface RuleNote {
  readonly rule: Rule
  /** `unread`: it would have to read what passes unread, and so does not hold. */
  readonly decision: 'block' | 'limit' | 'allow' | 'observe' | 'unread'
  readonly mode: Rule['mode']
}

export type RuleObjection =
  | {
      readonly by: 'rule'
      readonly rule: Rule
      /** It might concern it; who can tell? */ readonly isUncertain: boolean
    }
  | { readonly by: 'meter'; readonly rule: Rule; readonly exhausted: Exhausted }
  | { readonly by: 'default' }

export interface RuleVerdict {
  /** Undefined where the request may go on. */
  readonly objection: RuleObjection | undefined
  readonly notes: readonly RuleNote[]
}

export interface RuleQuestion {
  readonly rules: RuleSet
  readonly subject: RuleSubject
  readonly metered: MeteredRequest
  readonly meters: RuleMeters
  /** Whether rules that limit apply where it is unknown whether they concern it. */
  readonly unknownApplies: boolean
}

export interface RuleMeters {
  readonly rate: Meter
  /** Without one, budgets decide nothing. */
  readonly budget: Meter | undefined
}

/** The rules that may concern it, so that those of a thousand others cost it only one look. */
export function rulesFor(rules: RuleSet, subject: RuleSubject): RuleSet {
  return {
    rules: rules.rules.filter((rule) => matchRule(rule, subject) !== 'no'),
    defaultAction: (agent) => rules.defaultAction(agent),
  }
}

/** Decides, and counts what goes on. Throws what a meter throws. */
export function decide(question: RuleQuestion): RuleVerdict {
  const notes: RuleNote[] = []
  const matched = question.rules.rules.flatMap((rule) => {
    const match = matchRule(rule, question.subject)
    return applies(rule, match, question.unknownApplies) ? [{ rule, match }] : []
  })
  for (const { rule } of matched) {
    if (rule.action === 'observe') notes.push({ rule, decision: 'observe', mode: 'observe' })
    else if (rule.action === 'block' && rule.mode === 'observe') {
      notes.push({ rule, decision: 'block', mode: 'observe' })
    }
  }
  const blocking = strictest(matched.filter(({ rule }) => isEnforced(rule, 'block')))
  if (blocking !== undefined) {
    const { rule, match } = blocking
    notes.push({ rule, decision: 'block', mode: 'enforce' })
    return { objection: { by: 'rule', rule, isUncertain: match === 'unknown' }, notes }
  }
  const spending: Array<() => void> = []
  const exhausted = checkMeters(
    question,
    matched.map(({ rule }) => rule),
    { notes, spending },
  )
  if (exhausted !== undefined) return { objection: { by: 'meter', ...exhausted }, notes }
  if (
    !isAllowed(
      question,
      matched.map(({ rule }) => rule),
      notes,
    )
  ) {
    return { objection: { by: 'default' }, notes }
  }
  for (const consume of spending) consume()
  return { objection: undefined, notes }
}

/** The rule that blocks whatever is known of it; one that depends on more does not. */
export function blockedFor(rules: RuleSet, subject: RuleSubject): Rule | undefined {
  return rules.rules.find((rule) => isEnforced(rule, 'block') && matchRule(rule, subject) === 'yes')
}

/** Enforced rules on these very hosts that do not hold, since what goes there passes unread. */
export function blindRules(rules: RuleSet, subject: RuleSubject): readonly Rule[] {
  return rules.rules.filter((rule) => {
    const isLimit = rule.action !== 'observe' && rule.action !== 'allow'
    if (!isLimit || rule.mode === 'observe' || rule.match.hosts === undefined) return false
    const match = matchRule(rule, subject)
    return match === 'unknown' || (match === 'yes' && rule.action === 'budget')
  })
}

/** A rule that would have to read what is not going to be read in order to decide. */
export function undecidable(rules: RuleSet, subject: RuleSubject): Rule | undefined {
  return rules.rules.find((rule) => {
    if (rule.mode !== 'enforce') return false
    const match = matchRule(rule, subject)
    if (rule.action === 'budget') return match !== 'no'
    return (rule.action === 'block' || rule.action === 'rate') && match === 'unknown'
  })
}

/**
 * Whether the names that a request gives have to be read: for a decision, or only to tell. Not
 * where a rule blocks it without them.
 */
export function namesNeeded(rules: RuleSet, subject: RuleSubject): 'decide' | 'tell' | undefined {
  let needed: 'tell' | undefined
  let decides = false
  for (const rule of rules.rules) {
    const match = matchRule(rule, subject)
    if (match === 'no') continue
    if (!needsNames(rule)) {
      if (isEnforced(rule, 'block')) return undefined
      continue
    }
    const isOnlyTold = rule.mode === 'observe' || rule.action === 'observe'
    if (isOnlyTold) needed = 'tell'
    else if (rule.action !== 'allow' || rules.defaultAction(subject.agent) === 'block')
      decides = true
  }
  return decides ? 'decide' : needed
}

interface MatchedRule {
  readonly rule: Rule
  readonly match: Match
}

function applies({ action }: Rule, match: Match, unknownApplies: boolean): boolean {
  return match === 'yes' || (match === 'unknown' && unknownApplies && action !== 'allow')
}

/** One that is sure of it rather than one that may not concern it. */
function strictest(matched: readonly MatchedRule[]): MatchedRule | undefined {
  return matched.find(({ match }) => match === 'yes') ?? matched[0]
}

function isEnforced(rule: Rule, action: Rule['action']): boolean {
  return rule.action === action && rule.mode === 'enforce'
}

/** The first that has nothing left; what is to be counted where none has goes into `spending`. */
function checkMeters(
  { meters, metered }: RuleQuestion,
  matched: readonly Rule[],
  { notes, spending }: { readonly notes: RuleNote[]; readonly spending: Array<() => void> },
): { readonly rule: Rule; readonly exhausted: Exhausted } | undefined {
  let first: { readonly rule: Rule; readonly exhausted: Exhausted } | undefined
  for (const rule of matched) {
    const meter =
      rule.action === 'rate' ? meters.rate : rule.action === 'budget' ? meters.budget : undefined
    if (meter === undefined) continue
    const exhausted = meter.check(rule, metered)
    if (exhausted === undefined) {
      spending.push(() => meter.consume(rule, metered))
      continue
    }
    if (rule.mode === 'observe') notes.push({ rule, decision: 'limit', mode: 'observe' })
    else first ??= { rule, exhausted }
  }
  if (first !== undefined) notes.push({ rule: first.rule, decision: 'limit', mode: 'enforce' })
  return first
}

function isAllowed(
  { rules, subject }: RuleQuestion,
  matched: readonly Rule[],
  notes: RuleNote[],
): boolean {
  const allowing = matched.filter(({ action }) => action === 'allow')
  for (const rule of allowing) {
    if (rule.mode === 'observe') notes.push({ rule, decision: 'allow', mode: 'observe' })
  }
  if (rules.defaultAction(subject.agent) === 'allow') return true
  const rule = allowing.find(({ mode }) => mode === 'enforce')
  if (rule === undefined) return false
  notes.push({ rule, decision: 'allow', mode: 'enforce' })
  return true
}
