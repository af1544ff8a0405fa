/**
 * What a capture shows of the traffic that rules would have to let pass: requests with the models
 * they name, tunnels, and the peaks of what rates and budgets count, by the meters that count it.
 */
import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { forecastCall } from '../../analyzers/providers/forecast.ts'
import { readRequestNames } from '../../analyzers/providers/request-names.ts'
import { meteredOf, methodsOf } from '../../analyzers/wire/rule-subject.ts'
import type { RuleFields } from '../config/rule-fields.ts'
import { BudgetMeter } from '../ledger/budget-meter.ts'
import type { BudgetRule } from '../ledger/budget-meter.ts'
import { SpendSums } from '../ledger/spend.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import { splitTarget } from '../policy/request-path.ts'
import type { RequestNames } from '../policy/rules/match-rule.ts'
import { createSlidingWindow, exactRequests } from '../policy/rules/sliding-window.ts'
import type { RecordedAsker, RecordedRequest } from './recorded-requests.ts'
import { RecordedRequests } from './recorded-requests.ts'
import { suggestRules } from './suggest-rules.ts'
import type { ObservedRequest, SuggestedRules } from './suggest-rules.ts'

const windowMs = 60_000

export class CaptureObserver {
  readonly #requests = new RecordedRequests()
  readonly #seen = new Map<string, ObservedRequest>()
  /** By exchange: it may still turn out that they were refused. */
  readonly #asked = new Map<string, ObservedRequest>()
  readonly #tunnels = new Map<string, { readonly host: string; readonly port: number }>()
  /** As they are where no rule asks for models, and where one does. */
  readonly #budgets: readonly BudgetMeter[]
  readonly #keeper: BudgetKeeper
  /** As a limit within what is counted exactly is counted, and one beyond. */
  readonly #peaks = [exactRequests, Infinity].map((limit) => ({
    window: createSlidingWindow(windowMs, limit),
    most: 0,
  }))
  #now = 0
  #count = 0
  #refused = 0
  readonly #most = { usd: 0, tokens: 0 }
  /** What nobody knows to have been spent is no reason for a budget. */
  readonly #hasSpent = new Set<'usd' | 'tokens'>()
  /** A tunnel that would have been read: no budget can let it pass. */
  #hasUnreadable = false

  constructor() {
    const clock = { now: () => this.#now }
    this.#budgets = [false, true].map(
      () => new BudgetMeter({ clock, book: new SpendSums(), forecast: forecastCall }),
    )
    this.#keeper = new BudgetKeeper({
      answered: (id, call) => this.#budgets.forEach((meter) => meter.answered(id, call)),
      ended: (id) => this.#budgets.forEach((meter) => meter.ended(id)),
    })
  }

  /** Requests and tunnels so far that were let pass. */
  get count(): number {
    return this.#count
  }

  /** Requests that were refused when they were recorded: nothing is suggested for them. */
  get refusedCount(): number {
    return this.#refused
  }

  async take(msg: AnalysisMsg): Promise<void> {
    this.#now = Math.max(this.#now, msg.at)
    const asker = this.#requests.take(msg)
    if (asker !== undefined) await this.#see(asker)
    this.#settle(msg)
    this.#keeper.onMessage(msg)
  }

  /** No more messages come. */
  async end(): Promise<SuggestedRules> {
    for (const asker of this.#requests.end()) await this.#see(asker)
    for (const id of this.#asked.keys()) this.#admit(id)
    const { rules, notes } = suggestRules({
      requests: [...this.#seen.values()],
      tunnels: [...this.#tunnels.values()],
    })
    return { rules: [...rules, ...this.#amounts()], notes }
  }

  #settle({ kind, exchangeId = '' }: AnalysisMsg): void {
    if (kind === 'request-refused' && this.#asked.delete(exchangeId)) this.#refused += 1
    else if (kind === 'exchange-completed' || kind === 'exchange-failed') this.#admit(exchangeId)
  }

  #admit(exchangeId: string): void {
    const seen = this.#asked.get(exchangeId)
    if (seen === undefined) return
    this.#asked.delete(exchangeId)
    this.#count += 1
    this.#seen.set(JSON.stringify(seen), seen)
  }

  async #see(asker: RecordedAsker): Promise<void> {
    for (const peak of this.#peaks) {
      peak.most = Math.max(peak.most, peak.window.count(this.#now) + 1)
      peak.window.add(this.#now)
    }
    if (asker.type === 'request') {
      const names = await namesOf(asker)
      this.#measure(asker, names)
      this.#asked.set(asker.exchangeId, observed(asker, names))
      return
    }
    this.#count += 1
    const { host, port, fate } = asker.connection
    this.#hasUnreadable ||= fate !== 'not-allowlisted'
    this.#tunnels.set(`${host} ${port}`, { host, port })
  }

  #measure({ request }: RecordedRequest, names: RequestNames): void {
    for (const [index, meter] of this.#budgets.entries()) {
      const metered = meteredOf(request, index === 0 ? undefined : names)
      for (const unit of ['usd', 'tokens'] as const) {
        const { spent, expected } = meter.level(probe(unit), metered)
        if (spent > 0) this.#hasSpent.add(unit)
        this.#most[unit] = Math.max(this.#most[unit], spent + expected)
        meter.consume(probe(unit), metered)
      }
    }
  }

  /** More than what was reached before any call: a budget that is reached is spent. */
  #amounts(): RuleFields[] {
    const [exact = 0, beyond = 0] = this.#peaks.map(({ most }) => most)
    const peak = exact <= exactRequests ? exact : beyond
    const rate: RuleFields = { action: 'rate', limit: `${peak}/1m`, scope: 'global' }
    const budget = { action: 'budget', per: 'day', scope: 'global' } as const
    if (this.#count === 0) return []
    if (this.#hasUnreadable) return [rate]
    const { usd, tokens } = this.#most
    if (this.#hasSpent.has('usd')) {
      return [rate, { ...budget, amount: `$${(Math.floor(usd * 100 + 1) / 100).toFixed(2)}` }]
    }
    if (!this.#hasSpent.has('tokens')) return [rate]
    return [rate, { ...budget, amount: `${Math.floor(tokens) + 1}tokens` }]
  }
}

async function namesOf({ request, body }: RecordedRequest): Promise<RequestNames> {
  const { host, path, isUpgrade } = request
  const headers = request.headers.pairs()
  return readRequestNames({ host, path, headers }, isUpgrade === true ? undefined : body)
}

function observed({ request }: RecordedRequest, names: RequestNames): ObservedRequest {
  const { scheme, host, port, method, path } = request
  return {
    scheme,
    host,
    port,
    methods: methodsOf(method, request.headers.pairs()),
    path: splitTarget(path).path,
    models: names.isCertain ? names.models : undefined,
  }
}

const probes = new Map<'usd' | 'tokens', BudgetRule>()

/** A budget that nothing uses up: what it has come to is what was spent. */
function probe(unit: 'usd' | 'tokens'): BudgetRule {
  const known = probes.get(unit)
  if (known !== undefined) return known
  const match = {
    hosts: undefined,
    path: undefined,
    methods: undefined,
    agents: undefined,
    models: undefined,
    tools: undefined,
  }
  const rule: BudgetRule = {
    id: unit,
    name: unit,
    origin: 'file',
    mode: 'enforce',
    match,
    createdAt: 0,
    action: 'budget',
    budget: { unit, amount: Infinity, per: 'day', scope: 'global' },
  }
  probes.set(unit, rule)
  return rule
}
