/** Rules as users read them: what one concerns, and how much of it may pass. Pure. */
import { describeRate } from './rate-meter.ts'
import type { Rule, RuleKind } from './rule.ts'

/** `POST api.openai.com /v1/*, model gpt-4*`; `everything` where it names nothing. */
export function describeMatch({ match }: Pick<Rule, 'match'>): string {
  const { hosts, path, methods, agents, models, tools } = match
  const place = [methods?.join('|'), hosts?.map(({ text }) => text).join('|'), path]
    .filter((part) => part !== undefined)
    .join(' ')
  const parts = [
    place,
    named('model', models),
    named('tool', tools),
    named('agent', agents),
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'everything' : parts.join(', ')
}

/** `100 requests in 1m, each agent`; empty for a rule without an amount. */
export function describeAmount(rule: RuleKind): string {
  if (rule.action === 'rate') return `${describeRate(rule.rate)}, ${scopeText(rule.rate.scope)}`
  if (rule.action !== 'budget') return ''
  const { unit, amount, per, scope } = rule.budget
  const sum = unit === 'usd' ? dollars(amount) : `${amount} tokens`
  const period = per === 'total' ? 'in all' : `a ${per}`
  return `${sum} ${period}, ${scopeText(scope)}`
}

/** `$5`, `$0.10`, `$0.0000025`. */
function dollars(amount: number): string {
  const minimumFractionDigits = Number.isInteger(amount) ? 0 : 2
  return `$${amount.toLocaleString('en-US', { minimumFractionDigits, maximumFractionDigits: 20, useGrouping: false })}`
}

function scopeText(scope: 'agent' | 'global'): string {
  return scope === 'agent' ? 'each agent' : 'all together'
}

function named(what: string, names: readonly string[] | undefined): string {
  return names === undefined ? '' : `${what} ${names.join('|')}`
}
