/** Charges and budgets for tests, each with what does not matter filled in. */
import type { Charge } from '../../src/ledger/spend.ts'
import type { MeteredRequest } from '../../src/policy/rules/meter.ts'
import type { Budget, Rule } from '../../src/policy/rules/rule.ts'

export function charge(over: Partial<Charge> = {}): Charge {
  return {
    at: 0,
    rule: 'r',
    agent: 'a',
    host: 'api.openai.com',
    model: 'gpt-5',
    exchange: 'x1',
    calls: 1,
    tokens: 0,
    nanoUsd: 0,
    unknownTokens: 0,
    unknownUsd: 0,
    ...over,
  }
}

/** Five dollars a day for each agent, unless told otherwise. */
export function budgetRule(
  budget: Partial<Budget> = {},
  over: Partial<Rule> = {},
): Extract<Rule, { readonly action: 'budget' }> {
  return {
    id: 'r',
    name: 'daily',
    origin: 'vault',
    mode: 'enforce',
    match: {
      hosts: undefined,
      path: undefined,
      methods: undefined,
      agents: undefined,
      models: undefined,
      tools: undefined,
    },
    createdAt: 0,
    ...over,
    action: 'budget',
    budget: { unit: 'usd', amount: 5, per: 'day', scope: 'agent', ...budget },
  }
}

export function metered(exchangeId: string, over: Partial<MeteredRequest> = {}): MeteredRequest {
  return {
    exchangeId,
    agent: 'a',
    host: 'api.openai.com',
    port: 443,
    method: 'POST',
    path: '/v1/responses',
    ...over,
  }
}
