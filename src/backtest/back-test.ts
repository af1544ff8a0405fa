/**
 * What rules would have made of recorded traffic: the enforcer and the meters of live traffic are
 * asked, in the order of the capture and by its clock. Rates count from its messages, budgets what
 * its calls took; what would have been refused takes nothing.
 */
import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { forecastCall } from '../../analyzers/providers/forecast.ts'
import { RuleEnforcer } from '../../analyzers/rule-enforcer.ts'
import { BudgetMeter } from '../ledger/budget-meter.ts'
import { SpendSums } from '../ledger/spend.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'
import type { Refusal } from '../pipeline/analyzer.ts'
import type { RuleSource } from '../policy/rules/rule.ts'
import type { RecordedAsker } from './recorded-requests.ts'
import { RecordedRequests } from './recorded-requests.ts'

export interface RuleDecision {
  /** Name of the rule. */
  readonly rule: string
  readonly decision: string
  readonly mode: 'enforce' | 'observe'
}

/** What became of one request or tunnel. */
export interface Tested {
  readonly type: 'request' | 'tunnel'
  /** Epoch milliseconds, in the time of the recording. */
  readonly at: number
  /** Of a tunnel, that of its connection. */
  readonly id: string
  readonly agent: string | undefined
  readonly method: string
  readonly host: string
  readonly port: number
  /** With its query, as it was recorded; empty for a tunnel. */
  readonly path: string
  readonly refusal: Refusal | undefined
  readonly decisions: readonly RuleDecision[]
}

export class BackTest {
  readonly #requests = new RecordedRequests()
  readonly #enforcer: RuleEnforcer
  readonly #keeper: BudgetKeeper
  /** Epoch milliseconds of the newest message; never goes back. */
  #now = 0

  constructor(rules: RuleSource) {
    const clock = { now: () => this.#now }
    const budgets = new BudgetMeter({ clock, book: new SpendSums(), forecast: forecastCall })
    this.#enforcer = new RuleEnforcer(rules, { now: clock.now, budgets })
    this.#keeper = new BudgetKeeper(budgets)
  }

  /** Takes in the next message of the capture; what was decided by it, if anything was. */
  async take(msg: AnalysisMsg): Promise<Tested | undefined> {
    this.#now = Math.max(this.#now, msg.at)
    const asker = this.#requests.take(msg)
    const tested = asker === undefined ? undefined : await this.#ask(asker)
    this.#keeper.onMessage(msg)
    return tested
  }

  /** What had not been decided when the capture ended. */
  async end(): Promise<Tested[]> {
    const tested: Tested[] = []
    for (const asker of this.#requests.end()) tested.push(await this.#ask(asker))
    return tested
  }

  async #ask(asker: RecordedAsker): Promise<Tested> {
    const decisions: RuleDecision[] = []
    const emit = (draft: AnalysisMsgDraft): void => {
      if (draft.kind !== 'rule-matched' && draft.kind !== 'budget-exceeded') return
      const { rule, decision, mode } = draft
      decisions.push({ rule, decision, mode })
    }
    if (asker.type === 'tunnel') {
      const { agent, host, port, connectionId } = asker.connection
      const refusal = this.#enforcer.onConnect({ ...asker.connection, emit }) ?? undefined
      const subject = { agent, host, port, method: 'CONNECT', path: '' }
      return { type: 'tunnel', at: asker.at, id: connectionId, ...subject, refusal, decisions }
    }
    const { agent, host, port, method, path } = asker.request
    const given = await this.#enforcer.onRequest({ ...asker.request, emit, conceal: () => {} })
    const subject = { agent, host, port, method, path }
    const refusal = given ?? undefined
    const { at, exchangeId: id } = asker
    return { type: 'request', at, id, ...subject, refusal, decisions }
  }
}
