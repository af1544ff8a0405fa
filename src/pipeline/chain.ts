/**
 * The walk of messages through the analyzers: a message visits every analyzer; then each message
 * it caused visits the analyzers after its emitter, depth first. A message gets its number when
 * its turn comes. The walk can be done in steps, for analyzers with much to do; the order of
 * messages is the same then, for nothing overtakes.
 */
import { describeError } from '../base/errors.ts'
import { attachBytes, detachBytes } from '../messages/body-bytes.ts'
import type { BodyBytes } from '../messages/body-bytes.ts'
import { messageVersion } from '../messages/message-kind.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import type { Analyzer, Work } from './analyzer.ts'
import { echoOf, idsOf, isMerged, KnownSecrets, maskEmitted } from './message-masking.ts'
import type { ValueGuard } from './value-guard.ts'

interface Start {
  /** The number of the first message, where it is not to be the next one. */
  readonly seq?: number | undefined
  /** What the body of the message was made from. */
  readonly bytes?: BodyBytes | undefined
}

interface Pending {
  readonly draft: AnalysisMsgDraft
  readonly at: number
  /** The first analyzer to visit. */
  readonly from: number
  readonly bytes?: BodyBytes | undefined
  /** Where an analyzer emitted it: the message that it inherits from. */
  readonly cause?: AnalysisMsg | undefined
  /** The analyzer that emitted it. */
  readonly by?: string | undefined
}

/** A message on its way. */
interface Visit {
  readonly msg: AnalysisMsg
  readonly route: Route
  /** Undefined until there is one. */
  caused: Pending[] | undefined
  /** The analyzer to visit next. */
  index: number
  /** What the analyzer before has still to do, and which it is. */
  work: Work | undefined
  working: Analyzer | undefined
}

/** More kinds than there are: analyzers may be anybody's code, and emit what they like. */
const maxRoutes = 256

/** For messages of one kind: at `i`, the first analyzer from `i` on that wants to see them. */
type Route = readonly number[]

interface ChainOptions {
  /** The number of the first message (a replay starts at its first recorded one). */
  readonly firstSeq?: number
  /** What is masked in content that analyzers put together from pieces. */
  readonly redaction?: ContentRedaction
  /** Secrets that are masked in it whatever they look like. */
  readonly known?: KnownSecrets
  /** Keeps the values of stored secrets out of every message; none where there is no vault. */
  readonly guard?: ValueGuard | undefined
}

export class Chain {
  readonly #analyzers: readonly Analyzer[]
  readonly #deliver: (msg: AnalysisMsg) => void
  readonly #redaction: ContentRedaction
  readonly #known: KnownSecrets
  readonly #guard: ValueGuard | undefined
  readonly #routes = new Map<string, Route>()
  #seq: number
  /** The next one last. */
  readonly #pending: Pending[] = []
  #visit: Visit | undefined

  constructor(
    analyzers: readonly Analyzer[],
    deliver: (msg: AnalysisMsg) => void,
    { firstSeq = 0, redaction = 'secrets', known = new KnownSecrets(), guard }: ChainOptions = {},
  ) {
    this.#analyzers = analyzers
    this.#deliver = deliver
    this.#redaction = redaction
    this.#known = known
    this.#guard = guard
    this.#seq = firstSeq
  }

  /** The number that the next message gets. */
  get seq(): number {
    return this.#seq
  }

  /** Whether a message, or one that it caused, is still on its way. */
  get isBusy(): boolean {
    return this.#visit !== undefined || this.#pending.length > 0
  }

  /** Gives `draft` the next number, or another one, and walks it and what it causes to the end. */
  run(draft: AnalysisMsgDraft, at: number, start: Start = {}): void {
    this.begin(draft, at, start)
    while (this.isBusy) this.advance()
  }

  /** As `run`, but what is long is left for `advance`. Only where the chain is not busy. */
  begin(draft: AnalysisMsgDraft, at: number, { seq, bytes }: Start = {}): void {
    if (seq !== undefined) this.#seq = seq
    this.#pending.push({ draft, at, from: 0, bytes, cause: undefined, by: undefined })
    this.advance()
  }

  /** Goes on until all is done, or one step of long work is. */
  advance(): void {
    for (;;) {
      const visit = this.#visit ?? this.#next()
      if (visit === undefined) return
      if (!this.#visitAll(visit)) return
      this.#visit = undefined
      this.#deliver(visit.msg)
      detachBytes(visit.msg)
      const { caused } = visit
      if (caused === undefined) continue
      for (let pending = caused.pop(); pending !== undefined; pending = caused.pop()) {
        this.#pending.push(pending)
      }
    }
  }

  #next(): Visit | undefined {
    const next = this.#pending.pop()
    if (next === undefined) return undefined
    let msg = messageOf(next, this.#seq)
    let notes: Pending[] | undefined
    if (this.#guard !== undefined) {
      const ids = idsOf(msg)
      msg = this.#guard.cleaned(msg, (note) => {
        notes ??= []
        notes.push({ draft: { ...ids, ...note }, at: next.at, from: 0 })
      }) as AnalysisMsg
    }
    if (next.bytes !== undefined) attachBytes(msg, next.bytes)
    this.#seq += 1
    const route = this.#routes.get(msg.kind) ?? this.#addRoute(msg.kind)
    this.#visit = {
      msg,
      route,
      caused: notes,
      index: next.from,
      work: undefined,
      working: undefined,
    }
    return this.#visit
  }

  #addRoute(kind: AnalysisMsg['kind']): Route {
    const route: number[] = []
    for (let index = 0; index < this.#analyzers.length; index += 1) {
      const analyzer = this.#analyzers[index]
      if (analyzer?.onMessage === undefined || analyzer.kinds?.includes(kind) === false) continue
      while (route.length <= index) route.push(index)
    }
    if (this.#routes.size < maxRoutes) this.#routes.set(kind, route)
    return route
  }

  /** False after a step of long work, with more to come. */
  #visitAll(visit: Visit): boolean {
    for (;;) {
      // The one whose work it is, or the next one.
      const analyzer = visit.working ?? this.#nextAnalyzer(visit)
      if (analyzer === undefined) return true
      try {
        if (visit.work === undefined) this.#show(visit, analyzer)
        else if (visit.work.next().done !== true) return false
        else visit.work = undefined
      } catch (error) {
        visit.work = undefined
        this.#tellFailure(visit, analyzer, error)
      }
      visit.working = visit.work === undefined ? undefined : analyzer
    }
  }

  #nextAnalyzer({ route, index }: Visit): Analyzer | undefined {
    const next = index < route.length ? route[index] : undefined
    return next === undefined ? undefined : this.#analyzers[next]
  }

  #show(visit: Visit, analyzer: Analyzer): void {
    const { msg } = visit
    const from = (visit.route[visit.index] ?? 0) + 1
    visit.index = from
    const { name: by } = analyzer
    const emit = (emitted: AnalysisMsgDraft): void => {
      visit.caused ??= []
      if (!isMerged(emitted)) {
        visit.caused.push({ draft: emitted, at: msg.at, from, bytes: undefined, cause: msg, by })
        return
      }
      // Pieces of a secret that came in several events are whole again in what is merged of them.
      const { known, concealed } = this.#known.of(emitted.exchangeId ?? msg.exchangeId)
      const notes: AnalysisMsgDraft[] = []
      const draft = maskEmitted(emitted, this.#redaction, known, (range) => {
        const echo = echoOf(range, concealed, 'body')
        if (echo !== undefined) notes.push(echo)
      })
      visit.caused.push({ draft, at: msg.at, from, bytes: undefined, cause: msg, by })
      for (const note of notes) {
        visit.caused.push({ draft: { ...idsOf(msg), ...note }, at: msg.at, from })
      }
    }
    visit.work = workOf(analyzer.onMessage?.(msg, emit))
  }

  #tellFailure(visit: Visit, { name }: Analyzer, error: unknown): void {
    const { msg, index } = visit
    const draft = { kind: 'analyzer-failed', analyzer: name, error: describeError(error) } as const
    visit.caused ??= []
    // Its own failure is not shown to it again: that would fail without end.
    visit.caused.push({ draft, at: msg.at, from: index, cause: msg })
  }
}

/** Analyzers may be anybody's code: what is no work is no work, whatever else was returned. */
function workOf(returned: unknown): Work | undefined {
  if (typeof returned !== 'object' || returned === null || !('next' in returned)) return undefined
  return typeof returned.next === 'function' ? (returned as Work) : undefined
}

/**
 * With its number, and what it inherits; spelled out, for there is one for every event. Not spread,
 * which takes twice as long behind other fields.
 */
function messageOf({ draft, at, cause, by }: Pending, seq: number): AnalysisMsg {
  const v: typeof messageVersion = messageVersion
  if (cause === undefined) return Object.assign({ v, seq, at }, draft)
  const { connectionId, exchangeId, agent } = cause
  if (connectionId !== undefined && exchangeId !== undefined && by !== undefined) {
    return agent === undefined
      ? Object.assign({ v, seq, at, connectionId, exchangeId, by }, draft)
      : Object.assign({ v, seq, at, connectionId, exchangeId, agent, by }, draft)
  }
  return {
    v,
    seq,
    at,
    ...(connectionId === undefined ? {} : { connectionId }),
    ...(exchangeId === undefined ? {} : { exchangeId }),
    ...(agent === undefined ? {} : { agent }),
    ...(by === undefined ? {} : { by }),
    ...draft,
  }
}
