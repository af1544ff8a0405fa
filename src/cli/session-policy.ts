/** What a session holds its traffic to: rules, and the budgets that they ask for. */
import type { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { createSystemClock } from '../base/clock.ts'
import type { Settings } from '../config/settings.ts'
import type { Meter } from '../policy/rules/meter.ts'
import type { RuleSource } from '../policy/rules/rule.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import { openSessionBudgets } from './session-budgets.ts'
import { openSessionRules } from './session-rules.ts'
import type { SessionVault } from './session-vault.ts'

export interface SessionPolicy {
  readonly rules: RuleSource
  readonly budgets: Meter
  /** Stands after those that make calls of exchanges. */
  readonly keeper: BudgetKeeper
  close(): void
}

interface PolicyPlan {
  readonly settings: Settings
  readonly home: string
  /** Without a configuration file there are no rules, as in the demo. */
  readonly configPath?: string | undefined
  readonly vault?: SessionVault | undefined
  /** What must stand in nothing that is kept. */
  readonly values?: ValueFinder | undefined
  readonly tell: (line: string) => void
}

/** Throws as `openSessionRules` does, and what the vault does. */
export async function openSessionPolicy(plan: PolicyPlan): Promise<SessionPolicy | undefined> {
  const { settings, home, configPath, values, tell } = plan
  if (configPath === undefined) return undefined
  const vault = plan.vault?.vault
  const rules = openSessionRules({ settings, home, configPath, vault, tell })
  const isExpected = vault !== undefined || settings.rules.some(({ action }) => action === 'budget')
  const clock = createSystemClock()
  const budgets = await openSessionBudgets({ home, clock, isExpected, values, tell })
  return {
    rules: rules.source,
    budgets: budgets.meter,
    keeper: budgets.keeper,
    close: () => {
      rules.close()
      budgets.close()
    },
  }
}
