/**
 * Rules as they stand in the database, and as they are read from it: every column is checked, and
 * what is not as Porthole writes it is an error, never a rule that is left out.
 */
import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import type { RuleDraft } from '../config/rule-fields.ts'
import { isRuleName } from '../config/rule-fields.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import type { Budget, RateLimit, Rule, RuleMatch } from '../policy/rules/rule.ts'
import type { RuleRow } from './schema.ts'

const names = z.array(z.string().min(1)).min(1).optional()
const matchShape = z.strictObject({
  hosts: names,
  path: z.string().startsWith('/').optional(),
  methods: names,
  agents: names,
  models: names,
  tools: names,
})
const scope = z.enum(['agent', 'global'])
const rateShape = z.strictObject({
  requests: z.int().positive(),
  windowMs: z.number().positive(),
  scope,
}) satisfies z.ZodType<RateLimit>
const budgetShape = z.strictObject({
  unit: z.enum(['usd', 'tokens']),
  amount: z.number().positive(),
  per: z.enum(['run', 'day', 'total']),
  scope,
}) satisfies z.ZodType<Budget>

/** Throws `ERR_VAULT_TAMPERED`. */
export function ruleOf(row: RuleRow): Rule {
  const what = `the rule ${row.name}`
  try {
    if (!isRuleName(row.name)) throw new Error('not a name')
    const { hosts, ...match } = matchShape.parse(JSON.parse(row.match))
    const common = {
      id: row.id,
      name: row.name,
      origin: 'vault' as const,
      mode: z.enum(['enforce', 'observe']).parse(row.mode),
      match: { ...noMatch, ...match, hosts: hosts?.map(parseHostPattern) },
      createdAt: row.created_at,
    }
    const amount: unknown = row.amount === null ? undefined : JSON.parse(row.amount)
    const { action } = row
    if (action === 'rate') return { ...common, action, rate: rateShape.parse(amount) }
    if (action === 'budget') return { ...common, action, budget: budgetShape.parse(amount) }
    if (amount !== undefined) throw new Error('an amount where none belongs')
    return { ...common, action: z.enum(['block', 'allow', 'observe']).parse(action) }
  } catch (error) {
    throw new AppError('ERR_VAULT_TAMPERED', { what }, error)
  }
}

const noMatch: RuleMatch = {
  hosts: undefined,
  path: undefined,
  methods: undefined,
  agents: undefined,
  models: undefined,
  tools: undefined,
}

/** The columns that say what a rule does. */
export function columnsOf(draft: RuleDraft): Pick<RuleRow, 'action' | 'mode' | 'match' | 'amount'> {
  const { action, mode, match } = draft
  const amount =
    draft.action === 'rate' ? draft.rate : draft.action === 'budget' ? draft.budget : undefined
  return {
    action,
    mode,
    match: JSON.stringify({ ...match, hosts: match.hosts?.map(({ text }) => text) }),
    amount: amount === undefined ? null : JSON.stringify(amount),
  }
}
