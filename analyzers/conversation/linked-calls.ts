/**
 * One call from its request to its answer, linked with what is known of the calls before it. All
 * that it says follows from the messages: no clock, no chance.
 */
import type { AnalysisMsgDraft, CallLink, ModelMessage, MsgOf } from '../../src/messages/schema.ts'
import { sentTokens } from '../../src/messages/sent-tokens.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf } from '../wire/json.ts'
import type { Attempt } from './attempts.ts'
import { Attempts, mayBeRetried } from './attempts.ts'
import type { CallRecord, Difference, NewCall } from './branches.ts'
import { compareCalls } from './branches.ts'
import type { CacheRule } from './cache-rules.ts'
import { cacheRule, readCacheRequest } from './cache-rules.ts'
import { judgeCache } from './cache-verdict.ts'
import type { BodyIds, HeadIds } from './client-ids.ts'
import { readBodyIds } from './client-ids.ts'
import type { Prompt } from './prompt.ts'
import { digestInSteps, readPrompt, withoutDigested } from './prompt.ts'
import type { Place } from './sessions.ts'
import { Sessions } from './sessions.ts'
import type { AskedTool } from './tool-calls.ts'
import { readToolErrors, ToolCalls, wordsIn } from './tool-calls.ts'
import { isSaidByUser, turnsIn } from './turns.ts'

/** What a retry takes over from the attempt before it: ids only, so that it keeps nothing alive. */
interface Placement {
  readonly sessionId: string
  readonly branchId: string
  readonly source: CallLink['sessionSource']
  readonly turn: number
  readonly continued: Place['continued']
}

/** A call that waits for its answer. */
export interface PendingCall {
  readonly record: CallRecord
  readonly base: CallRecord | undefined
  readonly place: Place
  readonly difference: Difference | undefined
  /** It goes on with what was said before. */
  readonly isContinued: boolean
  readonly rule: CacheRule | undefined
  readonly attempt: Attempt<Placement>
  readonly retryOf: string | undefined
  readonly turn: number
  readonly turnBefore: number
  readonly waitingBefore: readonly AskedTool[]
  readonly paired: readonly AskedTool[]
  readonly toolResults: CallLink['toolResults']
  /** Digests of the user's words. */
  readonly said: ReadonlySet<string>
}

export interface CallStart {
  readonly msg: MsgOf<'model-called'>
  readonly head: HeadIds
  /** The request's own JSON, where it was seen. */
  readonly body: JsonRecord | undefined
  /** Names the WebSocket whose calls are one conversation; undefined where they need not be. */
  readonly socket?: string | undefined
  /** Epoch milliseconds. */
  readonly startedAt: number
}

export class LinkedCalls {
  readonly #tools = new ToolCalls()
  readonly #sessions = new Sessions(this.#tools)
  readonly #attempts = new Attempts<Placement>();

  /** Yields every now and then where the prompt is long; nothing else may be begun meanwhile. */
  *begin(start: CallStart): Generator<undefined, PendingCall, undefined> {
    const { msg, head, body, startedAt, socket } = start
    const ids: BodyIds = {
      ...(body === undefined ? {} : readBodyIds(body)),
      ...(socket === undefined ? {} : { socket }),
    }
    const call = yield* newCall(start, ids)
    const key = yield* attemptKey(msg, body, call.prompt)
    const earlier = this.#attempts.find(key, startedAt, head.retryCount)
    const again = earlier && this.#placeAgain(earlier)
    const place = again ?? this.#sessions.place(call, head, ids)
    const { branch, session } = place
    const base = baseOf(place, ids.previousResponse, earlier)
    const record = recordOf(call, start, place, base)
    const difference = base === undefined ? withoutBase(place, call) : compareCalls(record, base)
    const turnBefore = session.turn
    const turn = again && earlier ? earlier.placement.turn : nextTurn(place, call, difference)
    if (branch.kind === 'main') session.turn = turn
    const paired: AskedTool[] = []
    const toolResults = this.#tools.pair({
      agent: msg.agent,
      branchId: branch.id,
      messages: newMessages(call, difference),
      waiting: branch.waiting,
      errors: readToolErrors(body),
      startedAt,
      isFirst: difference?.shared === undefined,
      call: record,
      paired,
    })
    const number = Math.max((head.retryCount ?? 0) + 1, (earlier?.number ?? 0) + 1)
    const { exchangeId } = msg
    const attempt = { key, exchangeId, number, placement: placementOf(place, turn) }
    this.#attempts.add(attempt)
    const waitingBefore = branch.waiting
    branch.waiting = []
    this.#sessions.setLast(branch, record)
    return {
      record,
      base,
      place,
      difference,
      isContinued: call.isContinuation || msg.messages.some(isAnswer),
      rule: cacheRule(msg),
      attempt,
      retryOf: earlier?.exchangeId,
      turn,
      turnBefore,
      waitingBefore,
      paired,
      toolResults,
      said: wordsIn(msg.messages),
    }
  }

  /** What `call-linked` says once `answer` has come. */
  finish(
    call: PendingCall,
    answer: MsgOf<'model-answered'>,
    responseId: string | undefined,
  ): AnalysisMsgDraft {
    const { record, place } = call
    record.answeredAt = answer.at
    record.usage = answer.usage
    record.responseId = responseId
    const link = linkOf(call)
    record.base = undefined
    if (!answer.complete && mayBeRetried(answer.status, true)) call.attempt.failedAt = answer.at
    if (!answer.complete && answer.output.length === 0) this.#undo(call)
    else this.#keep(call, answer)
    if (responseId !== undefined) {
      this.#sessions.rememberResponse(answer.agent, responseId, {
        sessionId: place.session.id,
        branchId: place.branch.id,
        exchangeId: record.exchangeId,
        total: record.total,
      })
    }
    return link
  }

  #placeAgain({ placement }: Attempt<Placement>): Place | undefined {
    const place = this.#sessions.recall(placement.sessionId, placement.branchId)
    if (place === undefined) return undefined
    const { source, continued } = placement
    return { ...place, source, ...(continued === undefined ? {} : { continued }) }
  }

  #keep({ record, place, said }: PendingCall, answer: MsgOf<'model-answered'>): void {
    const { branch } = place
    const { sessionId, id: branchId } = branch
    const asked = this.#tools.ask(answer, { sessionId, branchId }, said)
    if (branch.last === record) branch.waiting = asked
  }

  /** A call that was turned away leaves its branch as it was. */
  #undo({ record, base, place, paired, turn, turnBefore, waitingBefore }: PendingCall): void {
    const { branch, session } = place
    for (const tool of paired) {
      if (tool.answeredBy === record) delete tool.answeredBy
    }
    if (branch.last !== record) return
    branch.waiting = waitingBefore
    if (branch.kind === 'main' && session.turn === turn) session.turn = turnBefore
    this.#sessions.setLast(branch, base)
  }
}

function* newCall(
  { msg, head, body }: CallStart,
  ids: BodyIds,
): Generator<undefined, NewCall, undefined> {
  return {
    msg,
    scope: JSON.stringify([msg.agent ?? '', msg.provider, msg.operation]),
    prompt: yield* readPrompt(msg, body),
    lane: head.lane,
    isSubAgent: head.isSubAgent,
    isProbe: isProbe(body),
    isContinuation: [ids.previousResponse, ids.conversation, ids.socket].some(
      (id) => id !== undefined,
    ),
  }
}

function recordOf(
  { prompt, isContinuation }: NewCall,
  { msg, body, startedAt }: CallStart,
  { continued }: Place,
  base: CallRecord | undefined,
): CallRecord {
  const before = isContinuation ? (continued?.total ?? base?.total ?? 0) : 0
  return {
    exchangeId: msg.exchangeId,
    startedAt,
    model: msg.model,
    prompt,
    total: before + prompt.count,
    cache: readCacheRequest(body),
    base,
  }
}

function placementOf({ session, branch, source, continued }: Place, turn: number): Placement {
  return { sessionId: session.id, branchId: branch.id, source, turn, continued }
}

function linkOf(call: PendingCall): AnalysisMsgDraft {
  const { record, base, place, difference, rule } = call
  const { session, branch } = place
  const previousExchangeId = base?.exchangeId ?? place.continued?.exchangeId
  const changed = difference?.changed ?? []
  const { parent } = branch
  return {
    kind: 'call-linked',
    sessionId: session.id,
    sessionSource: place.source,
    ...given('clientSessionId', session.clientId),
    turn: call.turn,
    branch: branch.kind,
    branchId: branch.id,
    ...given('parentExchangeId', parent?.exchangeId),
    ...given('parentToolCallId', parent?.toolCallId),
    ...given('previousExchangeId', previousExchangeId),
    ...given('sharedMessages', difference?.shared),
    ...given('sharedTokens', sharedTokens(base, changed, difference?.shared)),
    changed,
    ...given('changedMessage', difference?.changedMessage),
    cache: judgeCache({
      call: record,
      rule,
      previous: base,
      isContinued: call.isContinued,
      changed,
    }),
    attempt: call.attempt.number,
    ...given('retryOf', call.retryOf),
    toolResults: call.toolResults,
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}

/** The previous call's prompt, where this one begins with all of it. */
function sharedTokens(
  base: CallRecord | undefined,
  changed: CallLink['changed'],
  shared: number | undefined,
): number | undefined {
  if (base?.usage?.source !== 'reported' || shared === undefined) return undefined
  return changed.every((change) => change === 'appended') ? sentTokens(base.usage) : undefined
}

function baseOf(
  { branch, continued }: Place,
  previousResponse: string | undefined,
  earlier: Attempt<Placement> | undefined,
): CallRecord | undefined {
  const { last } = branch
  // The attempt before may not have been seen to end.
  const isRepeated = earlier !== undefined && last !== undefined && last.base !== undefined
  const base = isRepeated && last.exchangeId === earlier.exchangeId ? last.base : last
  if (continued === undefined) return base
  return base?.responseId === previousResponse ? base : undefined
}

/** Where the call before is known to have been, and no more. */
function withoutBase({ continued }: Place, { prompt }: NewCall): Difference | undefined {
  if (continued === undefined) return undefined
  return { shared: continued.total, changed: prompt.count > 0 ? ['appended'] : [] }
}

function newMessages(
  { msg, prompt, isContinuation }: NewCall,
  difference: Difference | undefined,
): readonly ModelMessage[] {
  const shared = isContinuation ? 0 : (difference?.shared ?? 0)
  return msg.messages.slice(prompt.systemCount + shared)
}

function nextTurn({ session, branch }: Place, call: NewCall, difference?: Difference): number {
  if (branch.kind !== 'main') return Math.max(1, session.turn)
  if (session.turn === 0) return Math.max(1, turnsIn(call.msg.messages))
  const isKnown = difference?.shared !== undefined && !difference.changed.includes('message')
  if (isKnown) return session.turn + turnsIn(newMessages(call, difference))
  // Of a history that was written anew, only its last message is certain to be new.
  const last = call.msg.messages.at(-1)
  return session.turn + Number(last !== undefined && isSaidByUser(last))
}

function isAnswer({ role }: ModelMessage): boolean {
  return role === 'assistant' || role === 'model'
}

function isProbe(body: JsonRecord | undefined): boolean {
  const limits = [
    body?.['max_tokens'],
    body?.['max_completion_tokens'],
    body?.['max_output_tokens'],
  ]
  return limits.some((limit) => (countOf(limit) ?? 2) <= 1)
}

function* attemptKey(
  msg: MsgOf<'model-called'>,
  body: JsonRecord | undefined,
  prompt: Prompt,
): Generator<undefined, string, undefined> {
  const { agent, provider, operation, model, messages, tools } = msg
  const besides = body === undefined ? undefined : withoutDigested(body, msg, prompt)
  const sent = yield* digestInSteps(besides ?? body ?? { messages, tools })
  const digested = besides === undefined ? [] : [prompt.count, String(prompt.chain.at(-1) ?? '')]
  return JSON.stringify([agent ?? '', provider, operation, model ?? '', sent, ...digested])
}
