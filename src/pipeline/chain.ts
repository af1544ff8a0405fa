/**
 * The walk of messages through the analyzers: a message visits every analyzer; then each message
 * it caused visits the analyzers after its emitter, depth first. A message gets its number when
 * its turn comes. The walk can be done in steps, for analyzers with much to do; the order of
 * messages is the same then, for nothing overtakes.
 */
import { describeError } from '../base/errors.ts'
import { attachBytes, detachBytes } from '../messages/body-bytes.ts'
import type { BodyBytes } from '../messages/body-bytes.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'
import { messageVersion } from '../messages/schema.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import type { Analyzer, Work } from './analyzer.ts'
import { echoOf, idsOf, KnownSecrets, maskEmitted } from './message-masking.ts'
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
}

/** A message on its way. */
interface Visit {
  readonly msg: AnalysisMsg
  readonly caused: Pending[]
  /** The analyzer to visit next. */
  index: number
  /** What the analyzer before has still to do. */
  work: Work | undefined
}

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
    this.#pending.push({ draft, at, from: 0, bytes })
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
      for (const pending of visit.caused.toReversed()) this.#pending.push(pending)
    }
  }

  #next(): Visit | undefined {
    const next = this.#pending.pop()
    if (next === undefined) return undefined
    const { at } = next
    const caused: Pending[] = []
    const draft = this.#guard?.cleaned(next.draft, (note) => {
      caused.push({ draft: { ...idsOf(next.draft), ...note }, at, from: 0 })
    })
    const msg = { v: messageVersion, seq: this.#seq, at, ...(draft ?? next.draft) } as AnalysisMsg
    if (next.bytes !== undefined) attachBytes(msg, next.bytes)
    this.#seq += 1
    this.#visit = { msg, caused, index: next.from, work: undefined }
    return this.#visit
  }

  /** False after a step of long work, with more to come. */
  #visitAll(visit: Visit): boolean {
    for (;;) {
      if (visit.work === undefined && visit.index >= this.#analyzers.length) return true
      // The one whose work it is, or the next one.
      const analyzer = this.#analyzers[visit.index - (visit.work === undefined ? 0 : 1)]
      try {
        if (visit.work === undefined) this.#show(visit, analyzer)
        else if (visit.work.next().done !== true) return false
        else visit.work = undefined
      } catch (error) {
        visit.work = undefined
        this.#tellFailure(visit, analyzer, error)
      }
    }
  }

  #show(visit: Visit, analyzer: Analyzer | undefined): void {
    visit.index += 1
    if (analyzer?.onMessage === undefined) return
    const { msg, caused, index } = visit
    const emit = (emitted: AnalysisMsgDraft): void => {
      // Pieces of a secret that came in several events are whole again in what is merged of them.
      const { known, concealed } = this.#known.of(emitted.exchangeId ?? msg.exchangeId)
      const notes: AnalysisMsgDraft[] = []
      const draft = maskEmitted(emitted, this.#redaction, known, (range) => {
        const echo = echoOf(range, concealed, 'body')
        if (echo !== undefined) notes.push(echo)
      })
      caused.push({ draft: inherit(draft, msg, analyzer.name), at: msg.at, from: index })
      for (const note of notes) {
        caused.push({ draft: { ...idsOf(msg), ...note }, at: msg.at, from: index })
      }
    }
    visit.work = workOf(analyzer.onMessage(msg, emit))
  }

  #tellFailure(
    { msg, caused, index }: Visit,
    analyzer: Analyzer | undefined,
    error: unknown,
  ): void {
    const failed: AnalysisMsgDraft = {
      kind: 'analyzer-failed',
      analyzer: analyzer?.name ?? '',
      error: describeError(error),
    }
    // Its own failure is not shown to it again: that would fail without end.
    caused.push({ draft: inherit(failed, msg, undefined), at: msg.at, from: index })
  }
}

/** Analyzers may be anybody's code: what is no work is no work, whatever else was returned. */
function workOf(returned: unknown): Work | undefined {
  if (typeof returned !== 'object' || returned === null || !('next' in returned)) return undefined
  return typeof returned.next === 'function' ? (returned as Work) : undefined
}

function inherit(
  draft: AnalysisMsgDraft,
  msg: AnalysisMsg,
  emitter: string | undefined,
): AnalysisMsgDraft {
  const inherited: Record<string, unknown> = {}
  for (const key of ['connectionId', 'exchangeId', 'agent'] as const) {
    if (msg[key] !== undefined) inherited[key] = msg[key]
  }
  if (emitter !== undefined) inherited['by'] = emitter
  return { ...inherited, ...draft }
}
