/**
 * Holds requests, and what asks to be tunnelled, to the rules: the first of the chain, so that what
 * a rule refuses gets no secret and uses nothing up. It reads a body only where a rule asks for the
 * model or the tools in it. Rules that cannot be had let nothing through.
 */
import { describeError } from '../src/base/errors.ts'
import { formatSize } from '../src/base/units.ts'
import type {
  Analyzer,
  Emit,
  OutgoingConnection,
  OutgoingRequest,
  Refusal,
} from '../src/pipeline/analyzer.ts'
import { BodyUnavailable } from '../src/pipeline/body-unavailable.ts'
import {
  blindRules,
  blockedFor,
  decide,
  namesNeeded,
  rulesFor,
  undecidable,
} from '../src/policy/rules/decide.ts'
import type {
  RuleMeters,
  RuleNote,
  RuleObjection,
  RuleVerdict,
} from '../src/policy/rules/decide.ts'
import type { RequestNames, RuleSubject } from '../src/policy/rules/match-rule.ts'
import type { Exhausted, Meter, MeteredRequest } from '../src/policy/rules/meter.ts'
import { RateMeter } from '../src/policy/rules/rate-meter.ts'
import type { Rule, RuleSet, RuleSource } from '../src/policy/rules/rule.ts'
import { inProvidersWords } from './providers/refusal-envelope.ts'
import { readRequestNames } from './providers/request-names.ts'
import { meteredOf, subjectOf, subjectOfConnection } from './wire/rule-subject.ts'

export interface RuleEnforcerOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  /** Longer bodies that a rule has to read are refused; default 32 MiB. */
  readonly maxBodyBytes?: number
  /** Counts for budgets; without it they decide nothing. */
  readonly budgets?: Meter
  /** What a client hears whose budget is used up; 403 in the usual form unless given. */
  readonly refuseBudget?: (rule: Rule, exhausted: Exhausted, request: OutgoingRequest) => Refusal
}

const defaultMaxBodyBytes = 32 * 1024 * 1024

export class RuleEnforcer implements Analyzer {
  readonly name = 'rule-enforcer'
  readonly #source: RuleSource
  readonly #options: RuleEnforcerOptions
  readonly #meters: RuleMeters

  constructor(source: RuleSource, options: RuleEnforcerOptions) {
    this.#source = source
    this.#options = options
    this.#meters = { rate: new RateMeter(options.now), budget: options.budgets }
  }

  onConnect(connection: OutgoingConnection): void | Refusal {
    try {
      const rules = this.#source.current()
      return connection.fate === 'intercepted'
        ? this.#judgeIntercepted(rules, connection)
        : this.#judgeUnread(rules, connection)
    } catch (error) {
      return unavailable(error)
    }
  }

  onRequest(request: OutgoingRequest): void | Refusal | Promise<void | Refusal> {
    const speak = (given: void | Refusal): void | Refusal =>
      given === undefined || given.reason === 'budget' ? given : inProvidersWords(given, request)
    const given = this.#ask(request)
    return given instanceof Promise ? given.then(speak) : speak(given)
  }

  #ask(request: OutgoingRequest): void | Refusal | Promise<void | Refusal> {
    try {
      const all = this.#source.current()
      if (all.rules.length === 0 && all.defaultAction(request.agent) === 'allow') return undefined
      const subject = subjectOf(request)
      const rules = rulesFor(all, subject)
      const needed = namesNeeded(rules, subject)
      if (needed !== undefined) return this.#judgeNamed(rules, subject, request, needed)
      return this.#judge(rules, subject, request)
    } catch (error) {
      return unavailable(error)
    }
  }

  /** Only what needs nothing but host and agent: requests are asked about one by one. */
  #judgeIntercepted(rules: RuleSet, connection: OutgoingConnection): Refusal | undefined {
    const rule = blockedFor(rules, subjectOfConnection(connection))
    if (rule === undefined) return undefined
    this.#tell([{ rule, decision: 'block', mode: 'enforce' }], connection.emit)
    return blocked(rule, false)
  }

  #judgeUnread(rules: RuleSet, connection: OutgoingConnection): Refusal | undefined {
    const { connectionId, agent, host, port, request, fate } = connection
    const subject = subjectOfConnection(connection)
    if (fate !== 'not-allowlisted') {
      // It would have been read: a client must not get around a rule by refusing our certificate.
      const rule = undecidable(rules, subject)
      if (rule !== undefined) {
        this.#tell([{ rule, decision: 'block', mode: 'enforce' }], connection.emit)
        return unreadable(rule)
      }
    }
    const metered: MeteredRequest = {
      exchangeId: connectionId,
      agent,
      host,
      port,
      method: request?.method ?? 'CONNECT',
      path: request?.path ?? '',
    }
    // What passes unread costs what nobody can count.
    const meters = { rate: this.#meters.rate, budget: undefined }
    const unknownApplies = request !== undefined
    const verdict = decide({ rules, subject, metered, meters, unknownApplies })
    const refusal = this.#answer(verdict, connection.emit)
    if (refusal === undefined && request === undefined) {
      const blind = blindRules(rules, subject)
      const notes = blind.map((rule) => ({ rule, decision: 'unread', mode: 'observe' }) as const)
      this.#tell(notes, connection.emit)
    }
    return refusal
  }

  async #judgeNamed(
    rules: RuleSet,
    subject: RuleSubject,
    request: OutgoingRequest,
    needed: 'decide' | 'tell',
  ): Promise<Refusal | undefined> {
    try {
      const names = await this.#namesOf(request)
      // Nobody would ever say that what it takes of a budget is free again.
      if (request.isOver?.() === true) return clientLeft
      return this.#judge(rules, { ...subject, names }, request)
    } catch (error) {
      if (!(error instanceof BodyUnavailable)) return unavailable(error)
      // What only watches refuses nothing; it is told as a rule that may have matched.
      if (needed === 'tell') return this.#judge(rules, subject, request)
      return this.#withoutBody(error)
    }
  }

  async #namesOf(request: OutgoingRequest): Promise<RequestNames> {
    const { host, path } = request
    const headers = request.headers.pairs()
    const maxBytes = this.#options.maxBodyBytes ?? defaultMaxBodyBytes
    // What is said on a WebSocket comes later, in frames.
    const body = request.isUpgrade === true ? undefined : await request.readBody(maxBytes)
    return readRequestNames({ host, path, headers }, body)
  }

  #withoutBody({ status, reason, message }: BodyUnavailable): Refusal {
    const limit = formatSize(this.#options.maxBodyBytes ?? defaultMaxBodyBytes)
    return {
      status,
      reason,
      message:
        status === 413
          ? `a rule on models or tools has to read the body, which is larger than ${limit}; --limit rule-body=SIZE allows more`
          : message,
      ...(status === 503 ? { retryAfterSeconds: 1 } : {}),
    }
  }

  #judge(rules: RuleSet, subject: RuleSubject, request: OutgoingRequest): Refusal | undefined {
    const metered = meteredOf(request, subject.names)
    const meters = this.#meters
    const verdict = decide({ rules, subject, metered, meters, unknownApplies: true })
    return this.#answer(verdict, request.emit, request)
  }

  #answer(
    { objection, notes }: RuleVerdict,
    emit: Emit,
    request?: OutgoingRequest,
  ): Refusal | undefined {
    this.#tell(notes, emit)
    return objection === undefined ? undefined : this.#refusal(objection, request)
  }

  #refusal(objection: RuleObjection, request: OutgoingRequest | undefined): Refusal {
    if (objection.by === 'default') return notAllowed
    const { rule } = objection
    if (objection.by === 'rule') return blocked(rule, objection.isUncertain)
    const { exhausted } = objection
    if (rule.action !== 'budget') return overRate(rule, exhausted)
    const { refuseBudget } = this.#options
    return refuseBudget === undefined || request === undefined
      ? overBudget(rule, exhausted)
      : refuseBudget(rule, exhausted, request)
  }

  #tell(notes: readonly RuleNote[], emit: Emit): void {
    for (const { rule, decision, mode } of notes) {
      const isBudget = rule.action === 'budget' && decision === 'limit'
      const kind = isBudget ? 'budget-exceeded' : 'rule-matched'
      emit({ kind, by: this.name, rule: rule.name, decision, mode })
    }
  }
}

function blocked({ name }: Rule, isUncertain: boolean): Refusal {
  const message = isUncertain
    ? `the rule ${name} may concern this request, which servers could read in different ways`
    : `the rule ${name} blocks this request`
  return { status: 403, reason: 'rule', message, rule: name }
}

function unreadable({ name }: Rule): Refusal {
  const message = `the rule ${name} has to read what goes to this host, and this would pass unread`
  return { status: 403, reason: 'rule', message, rule: name }
}

const clientLeft: Refusal = {
  status: 408,
  reason: 'client-aborted',
  message: 'the client left before its request was decided on',
}

const notAllowed: Refusal = {
  status: 403,
  reason: 'default-action',
  message: 'no rule allows this request, and what no rule allows is blocked',
}

function overRate({ name }: Rule, exhausted: Exhausted): Refusal {
  const { message, retryAfterSeconds = 1, limit = 0, resetSeconds } = exhausted
  return {
    status: 429,
    reason: 'rate-limit',
    message: `the rule ${name} refuses ${message}`,
    rule: name,
    retryAfterSeconds,
    headers: [
      // It may come again, when Retry-After says so.
      ['X-Should-Retry', 'true'],
      ['X-RateLimit-Limit', String(limit)],
      ['X-RateLimit-Remaining', '0'],
      ['X-RateLimit-Reset', String(resetSeconds ?? retryAfterSeconds)],
    ],
  }
}

function overBudget({ name }: Rule, { message }: Exhausted): Refusal {
  return { status: 403, reason: 'budget', message: `the rule ${name}: ${message}`, rule: name }
}

/** Nothing was sent, and nothing will be until the rules can be read again. */
function unavailable(error: unknown): Refusal {
  return {
    status: 503,
    reason: 'rules-unavailable',
    message: `porthole cannot tell what its rules allow: ${describeError(error)}`,
    retryAfterSeconds: 1,
  }
}
