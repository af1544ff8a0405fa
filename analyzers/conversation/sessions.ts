/**
 * The conversations of all programs, and the place of each call in them. Ids that a client gives come
 * first, then the response that a call continues, then its tool calls and its history. A bounded
 * number is remembered; what is forgotten begins anew.
 */
import type { CallLink } from '../../src/messages/schema.ts'
import { keptBranches, keptDigests, keptResponses, keptSessions } from '../wire/bounds.ts'
import { BranchIndex } from './branch-index.ts'
import type { Branch, CallRecord, Match, NewCall, ParentCall } from './branches.ts'
import { matchBranch } from './branches.ts'
import type { BodyIds, HeadIds, NamedSession } from './client-ids.ts'
import { cacheName, nameOf } from './client-ids.ts'
import { digestOf } from './prompt.ts'
import { RecentMap } from './recent-map.ts'
import type { AskedTool, ToolCalls } from './tool-calls.ts'

type Source = CallLink['sessionSource']

export interface Session {
  readonly id: string
  readonly source: Source
  /** Given by the client. */
  readonly clientId: string | undefined
  readonly branches: RecentMap<Branch>
  mainId: string | undefined
  turn: number
  /** When a call was last placed in it: counts up with every call. */
  used: number
}

export interface Place {
  readonly session: Session
  readonly branch: Branch
  readonly source: Source
  /** It is known that there was a call before it, and which; its record may be gone. */
  readonly continued?: KnownResponse
}

interface KnownResponse {
  readonly sessionId: string
  readonly branchId: string
  readonly exchangeId: string | undefined
  readonly total: number
}

export class Sessions {
  readonly #sessions = new RecentMap<Session>(keptSessions, (session) => this.#forget(session))
  readonly #responses = new RecentMap<KnownResponse>(keptResponses)
  readonly #tools: ToolCalls
  readonly #index = new BranchIndex()
  #digests = 0
  #calls = 0

  constructor(tools: ToolCalls) {
    this.#tools = tools
  }

  /** Finds or makes the place of a call. */
  place(call: NewCall, head: HeadIds, body: BodyIds): Place {
    const place = this.#find(call, head, body)
    const { session, branch } = place
    this.#sessions.touch(session.id)
    session.branches.touch(branch.id)
    this.#calls += 1
    session.used = this.#calls
    branch.used = this.#calls
    return place
  }

  /** The place with these ids, unless it has been forgotten. */
  recall(sessionId: string, branchId: string): Place | undefined {
    const session = this.#sessions.get(sessionId)
    const branch = session?.branches.get(branchId)
    if (session === undefined || branch === undefined) return undefined
    return { session, branch, source: session.source }
  }

  /** Makes `record` the last call of its branch. */
  setLast(branch: Branch, record: CallRecord | undefined): void {
    if (branch.isForgotten) {
      branch.last = record
      return
    }
    this.#index.remove(branch)
    this.#digests += digestsOf(record) - digestsOf(branch.last)
    branch.last = record
    this.#index.add(branch)
    while (this.#digests > keptDigests && this.#sessions.size > 1) this.#sessions.evict()
  }

  rememberResponse(agent: string | undefined, id: string, response: KnownResponse): void {
    this.#responses.set(responseKey(agent, id), response)
  }

  #find(call: NewCall, head: HeadIds, body: BodyIds): Place {
    const { agent } = call.msg
    const known =
      body.previousResponse === undefined
        ? undefined
        : this.#responses.get(responseKey(agent, body.previousResponse))
    const named = nameOf(head, body)
    if (named !== undefined) {
      const session = this.#named(agent, named)
      return { ...this.#placeIn(session, call, known), source: named.source }
    }
    if (known !== undefined) {
      const place = this.recall(known.sessionId, known.branchId)
      if (place !== undefined) return { ...place, source: 'previous-response', continued: known }
    }
    if (body.previousResponse !== undefined) {
      const key = body.previousResponse
      const unseen: NamedSession = { source: 'previous-response', key, isOurs: true }
      const name = cacheName(body) ?? unseen
      return { ...this.#placeIn(this.#named(agent, name), call, known), source: name.source }
    }
    return this.#infer(call)
  }

  /** By what the messages themselves tell. */
  #infer(call: NewCall): Place {
    const { agent, messages } = call.msg
    const asker = this.#tools.findAsker(agent, messages)
    const asked = asker && this.recall(asker.sessionId, asker.branchId)
    if (asked?.branch.scope === call.scope) return { ...asked, source: 'tool-call' }
    const match = this.#matchAll(call)
    const place = match && this.recall(match.branch.sessionId, match.branch.id)
    if (place !== undefined) return { ...place, source: 'history' }
    const parent = this.#tools.findParent(agent, messages)
    // Without an id of the client, only while the tool is waited for.
    const isServed = parent !== undefined && parent.answeredBy === undefined
    const above = isServed ? this.recall(parent.sessionId, parent.branchId) : undefined
    if (parent !== undefined && above !== undefined) {
      const branch = this.#addBranch(above.session, call, 'sub-agent', parentOf(parent))
      return { session: above.session, branch, source: 'tool-call' }
    }
    const key = JSON.stringify([call.scope, call.msg.exchangeId, call.msg.at, lastDigest(call)])
    const session = this.#create(`new ${key}`, 'new', undefined)
    return { session, branch: this.#addBranch(session, call, 'main', undefined), source: 'new' }
  }

  /** Of all histories; of those that fit as well, the one whose session was used last. */
  #matchAll(call: NewCall): Match | undefined {
    const usedOf = ({ sessionId }: Branch): number => this.#sessions.get(sessionId)?.used ?? 0
    const found = this.#index.candidates(call)
    found.sort((a, b) => usedOf(a) - usedOf(b) || a.used - b.used)
    return matchBranch(found, call)
  }

  /** The place in a session that is known for sure. */
  #placeIn(session: Session, call: NewCall, known: KnownResponse | undefined): Place {
    const { source } = session
    const before = known && session.branches.get(known.branchId)
    if (before !== undefined && known !== undefined) {
      return { session, branch: before, source, continued: known }
    }
    const asker = this.#tools.findAsker(call.msg.agent, call.msg.messages)
    const asked = asker && session.branches.get(asker.branchId)
    const own =
      asked?.scope === call.scope && asked.lane === call.lane
        ? asked
        : (matchBranch(session.branches.values(), call)?.branch ?? laneOf(session, call))
    if (own !== undefined) {
      // A history that goes on is a conversation, whatever its first call looked like.
      if (session.mainId === undefined && own.kind === 'unknown') makeMain(session, own)
      return { session, branch: own, source }
    }
    return { session, branch: this.#branchOut(session, call), source }
  }

  /** A call of a session that continues none of its histories. */
  #branchOut(session: Session, call: NewCall): Branch {
    const parent = this.#tools.findParent(call.msg.agent, call.msg.messages)
    if (parent?.sessionId === session.id) {
      return this.#addBranch(session, call, 'sub-agent', parentOf(parent))
    }
    const waiting = waitingTool(session)
    if (call.isSubAgent) return this.#addBranch(session, call, 'sub-agent', waiting)
    if (call.isProbe) return this.#addBranch(session, call, 'side', undefined)
    const main = session.branches.get(session.mainId ?? '')
    if (main?.last === undefined) {
      // Agents ask for titles and the like before the first real call; those have no tools.
      const isMain = call.prompt.hasTools || call.isContinuation
      return this.#addBranch(session, call, isMain ? 'main' : 'unknown', undefined)
    }
    if (main.last.prompt.hasTools && !call.prompt.hasTools) {
      return this.#addBranch(session, call, 'side', waiting)
    }
    if (!isSameProgram(main, call)) {
      const kind = waiting === undefined ? 'unknown' : 'sub-agent'
      return this.#addBranch(session, call, kind, waiting)
    }
    // Compaction, or a new start, by the same agent.
    return isWaiting(main) ? this.#addBranch(session, call, 'unknown', undefined) : main
  }

  #addBranch(
    session: Session,
    call: NewCall,
    kind: CallLink['branch'],
    parent: ParentCall | undefined,
  ): Branch {
    const { msg, scope, lane, prompt } = call
    const start = lane ?? [msg.exchangeId, msg.at, lastDigest(call)]
    const branch: Branch = {
      id: digestOf(JSON.stringify([session.id, scope, start])).slice(0, 16),
      scope,
      sessionId: session.id,
      kind,
      lane,
      parent,
      firstCount: prompt.count,
      last: undefined,
      waiting: [],
      used: 0,
      isForgotten: false,
    }
    const twin = session.branches.get(branch.id)
    if (twin !== undefined) {
      this.#forgetBranch(twin)
      twin.last = undefined
    }
    session.branches.set(branch.id, branch)
    if (kind === 'main') makeMain(session, branch)
    return branch
  }

  #named(agent: string | undefined, { source, key, isOurs = false }: NamedSession): Session {
    const clientId = isOurs ? undefined : key
    // A client may name one session in a header and in the body.
    const space = clientId === undefined ? source : 'client'
    return this.#create(JSON.stringify([space, agent ?? '', key]), source, clientId)
  }

  #create(key: string, source: Source, clientId: string | undefined): Session {
    const id = digestOf(key).slice(0, 16)
    const known = this.#sessions.get(id)
    if (known !== undefined && source !== 'new') return known
    if (known !== undefined) this.#forget(known)
    const session: Session = {
      id,
      source,
      clientId,
      branches: new RecentMap(keptBranches, (branch) => this.#forgetBranch(branch)),
      mainId: undefined,
      turn: 0,
      used: 0,
    }
    this.#sessions.set(id, session)
    return session
  }

  #forget(session: Session): void {
    for (const branch of session.branches.values()) this.#forgetBranch(branch)
  }

  #forgetBranch(branch: Branch): void {
    this.#index.remove(branch)
    this.#digests -= digestsOf(branch.last)
    branch.isForgotten = true
  }
}

function makeMain(session: Session, branch: Branch): void {
  session.mainId = branch.id
  branch.kind = 'main'
}

/** The client itself says which history it is; without its word, a conversation at the provider. */
function laneOf(session: Session, call: NewCall): Branch | undefined {
  const isOne = call.isContinuation && session.source === 'conversation'
  if (call.lane === undefined && !isOne) return undefined
  return [...session.branches.values()].find(
    ({ scope, lane }) => scope === call.scope && lane === call.lane,
  )
}

function isWaiting({ waiting }: Branch): boolean {
  return waiting.some((tool) => tool.answeredBy === undefined)
}

/** Tools are what tells agents of one program apart; system prompts differ from call to call. */
function isSameProgram({ last, scope, lane }: Branch, call: NewCall): boolean {
  return last?.prompt.tools === call.prompt.tools && scope === call.scope && lane === call.lane
}

/** Who waits for a tool; of several, which one a call serves cannot be told. */
function waitingTool(session: Session): ParentCall | undefined {
  const waiting = [...session.branches.values()].filter(isWaiting)
  const tool = waiting[0]?.waiting.find(({ answeredBy }) => answeredBy === undefined)
  if (waiting.length !== 1 || tool === undefined) return undefined
  return { exchangeId: tool.exchangeId, toolCallId: undefined }
}

function parentOf(tool: AskedTool): ParentCall {
  return { exchangeId: tool.exchangeId, toolCallId: tool.id }
}

function lastDigest({ prompt }: NewCall): string {
  return String(prompt.chain.at(-1) ?? '')
}

function digestsOf(record: CallRecord | undefined): number {
  return record?.prompt.chain.length ?? 0
}

function responseKey(agent: string | undefined, id: string): string {
  return JSON.stringify([agent ?? '', id])
}
