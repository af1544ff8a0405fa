/**
 * Sessions of the viewer: what all calls of one conversation add up to, kept up to date message by
 * message. A call counts once its place is told (`call-linked`). Sums stay when rows are dropped;
 * the calls that can be opened go with their rows. Bounded in sessions, names and branches.
 */
import type { AnalysisMsg, CallLink, MsgOf } from '../messages/schema.ts'
import type { Row, Tally } from './row.ts'
import { addTallies, emptyTally, summaryOf, tallyOf } from './row.ts'

export interface SessionLimits {
  readonly maxSessions: number
  /** Of agents, models, tools and the like, in one session. */
  readonly maxNames: number
  /** In one session; calls of further ones count, but have no lane of their own. */
  readonly maxBranches: number
}

export const sessionLimits: SessionLimits = { maxSessions: 2000, maxNames: 128, maxBranches: 1024 }

/** How often each name was seen. */
export type NameCounts = ReadonlyMap<string, number>

export interface SessionCall {
  readonly row: Row
  readonly turn: number
  readonly branchId: string
}

export interface Branch {
  readonly id: string
  readonly kind: CallLink['branch']
  /** The exchange whose answer called the tool that it serves, and that call. */
  readonly parentExchangeId: string | undefined
  readonly parentToolCallId: string | undefined
  calls: number
}

export interface Session {
  readonly id: string
  /** As the client wrote it. */
  readonly clientId: string | undefined
  /** Rises with every change. */
  version: number
  firstAt: number
  lastAt: number
  calls: number
  errors: number
  turns: number
  tally: Tally
  readonly agents: Map<string, number>
  readonly providers: Map<string, number>
  readonly models: Map<string, number>
  readonly tools: Map<string, number>
  readonly branches: Map<string, Branch>
  /** Calls whose rows are still kept, by the id of their row, in the order in which they ended. */
  readonly kept: Map<string, SessionCall>
}

export class Sessions {
  readonly #limits: SessionLimits
  readonly #byId = new Map<string, Session>()
  readonly #byRow = new Map<string, Session>()
  /** Answers whose place is still to be told. */
  readonly #answers = new WeakMap<Row, MsgOf<'model-answered'>>()
  #list: readonly Session[] | undefined = []
  #dropped = 0
  #version = 0

  constructor(limits: SessionLimits = sessionLimits) {
    this.#limits = limits
  }

  /** Rises with every change of any session. */
  get version(): number {
    return this.#version
  }

  /** Sessions that had to go, the oldest first. */
  get dropped(): number {
    return this.#dropped
  }

  /** In the order in which they began to be seen; the same array until one comes or goes. */
  get list(): readonly Session[] {
    this.#list ??= [...this.#byId.values()]
    return this.#list
  }

  get(id: string | undefined): Session | undefined {
    return id === undefined ? undefined : this.#byId.get(id)
  }

  /** The session that the latest call of this row belongs to. */
  ofRow(rowId: string): Session | undefined {
    return this.#byRow.get(rowId)
  }

  /** Takes in what `msg`, which was applied to `row`, says of its session. */
  take(row: Row, msg: AnalysisMsg): void {
    if (row.isRefused) return
    if (msg.kind === 'model-answered') this.#answers.set(row, msg)
    else if (msg.kind === 'call-linked') this.#link(row, msg)
  }

  /** The row was dropped: its session keeps the sums. */
  forgetRow(rowId: string): void {
    const session = this.#byRow.get(rowId)
    if (session === undefined) return
    this.#byRow.delete(rowId)
    session.kept.delete(rowId)
    this.#changed(session)
  }

  #link(row: Row, link: CallLink): void {
    const session = this.#byId.get(link.sessionId) ?? this.#create(row, link)
    const answered = this.#answers.get(row)
    this.#answers.delete(row)
    session.calls += 1
    session.turns = Math.max(session.turns, link.turn)
    session.firstAt = Math.min(session.firstAt, row.startedAt)
    session.lastAt = Math.max(session.lastAt, link.at, row.lastAt)
    this.#name(session.agents, row.agent ?? row.client)
    this.#branch(session, link)
    if (answered !== undefined) this.#count(session, answered)
    this.#byRow.get(row.id)?.kept.delete(row.id)
    if (!row.isGone) {
      session.kept.set(row.id, { row, turn: link.turn, branchId: link.branchId })
      this.#byRow.set(row.id, session)
    }
    this.#changed(session)
  }

  #count(session: Session, answered: MsgOf<'model-answered'>): void {
    session.tally = addTallies(session.tally, tallyOf(answered))
    if (answered.error !== undefined || (answered.status ?? 0) >= 400) session.errors += 1
    this.#name(session.providers, answered.provider)
    this.#name(session.models, answered.model)
    for (const { name } of answered.toolCalls) this.#name(session.tools, name)
  }

  #branch(session: Session, link: CallLink): void {
    const known = session.branches.get(link.branchId)
    if (known !== undefined) {
      known.calls += 1
      return
    }
    if (session.branches.size >= this.#limits.maxBranches) return
    session.branches.set(link.branchId, {
      id: link.branchId,
      kind: link.branch,
      parentExchangeId: link.parentExchangeId,
      parentToolCallId: link.parentToolCallId,
      calls: 1,
    })
  }

  #name(counts: Map<string, number>, name: string | undefined): void {
    if (name === undefined || name === '') return
    const short = summaryOf(name, 128)
    const before = counts.get(short)
    if (before === undefined && counts.size >= this.#limits.maxNames) return
    counts.set(short, (before ?? 0) + 1)
  }

  #create(row: Row, link: CallLink): Session {
    const session: Session = {
      id: link.sessionId,
      clientId: link.clientSessionId,
      version: 0,
      firstAt: row.startedAt,
      lastAt: link.at,
      calls: 0,
      errors: 0,
      turns: 0,
      tally: emptyTally,
      agents: new Map(),
      providers: new Map(),
      models: new Map(),
      tools: new Map(),
      branches: new Map(),
      kept: new Map(),
    }
    this.#byId.set(session.id, session)
    this.#list = undefined
    const [oldest] = this.#byId.values()
    if (this.#byId.size > this.#limits.maxSessions && oldest !== undefined) this.#drop(oldest)
    return session
  }

  #drop(session: Session): void {
    this.#byId.delete(session.id)
    for (const rowId of session.kept.keys()) this.#byRow.delete(rowId)
    this.#dropped += 1
  }

  #changed(session: Session): void {
    session.version += 1
    this.#version += 1
  }
}

/** The most frequent names, each with its count where it is more than one. */
export function topNames(counts: NameCounts, most: number): Array<readonly [string, number]> {
  return [...counts].toSorted((a, b) => b[1] - a[1]).slice(0, most)
}

/** The share of the input that was read from a cache, from 0 to 1; undefined where none is known. */
export function cacheRate({ inputTokens, cachedTokens, counted }: Tally): number | undefined {
  return counted && inputTokens > 0 ? cachedTokens / inputTokens : undefined
}
