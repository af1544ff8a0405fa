/**
 * One history of messages that grows from call to call, and how a call is matched with it. Two calls
 * are of one history if one has all messages of the other, or if both share an answer that was
 * given in it: a first message alone proves nothing, for programs ask the same thing twice.
 */
import type { CallLink, MsgOf, Usage } from '../../src/messages/schema.ts'
import type { CacheRequest } from './cache-rules.ts'
import type { Prompt } from './prompt.ts'
import { sharedCount } from './prompt.ts'
import type { AskedTool } from './tool-calls.ts'

/** A call as its successors need it. */
export interface CallRecord {
  readonly exchangeId: string | undefined
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly model: string | undefined
  readonly prompt: Prompt
  /** Messages of its whole history; more than in `prompt` where the provider keeps the rest. */
  readonly total: number
  readonly cache: CacheRequest
  answeredAt?: number
  usage?: Usage | undefined
  responseId?: string | undefined
  /** The call before it, until this one is answered: a call that is turned away leaves no trace. */
  base: CallRecord | undefined
}

export interface Branch {
  readonly id: string
  /** Agent, provider and operation: nothing else continues a history. */
  readonly scope: string
  readonly sessionId: string
  kind: CallLink['branch']
  readonly lane: string | undefined
  readonly parent: ParentCall | undefined
  /** Messages of its first call. */
  readonly firstCount: number
  last: CallRecord | undefined
  /** What its last answer asked for. */
  waiting: readonly AskedTool[]
  /** When a call was last placed in it: counts up with every call. */
  used: number
  /** No call finds it any more; one that is under way may still end in it. */
  isForgotten: boolean
}

export interface ParentCall {
  readonly exchangeId: string | undefined
  readonly toolCallId: string | undefined
}

/** A call that looks for its place. */
export interface NewCall {
  readonly msg: MsgOf<'model-called'>
  readonly scope: string
  readonly prompt: Prompt
  /** The client's word for the history, if it has one. */
  readonly lane: string | undefined
  readonly isSubAgent: boolean
  /** At most one token is asked for: no answer is wanted. */
  readonly isProbe: boolean
  /** The provider has what came before. */
  readonly isContinuation: boolean
}

export interface Match {
  readonly branch: Branch
  readonly shared: number
}

/** The branch whose history `call` continues; of several, the one that shares most. */
export function matchBranch(branches: Iterable<Branch>, call: NewCall): Match | undefined {
  let best: Match | undefined
  for (const branch of branches) {
    if (branch.scope !== call.scope || branch.lane !== call.lane) continue
    const shared = continues(branch, call)
    // Later branches were used more recently.
    if (shared !== undefined && shared >= (best?.shared ?? 1)) best = { branch, shared }
  }
  return best
}

function continues({ last, firstCount }: Branch, call: NewCall): number | undefined {
  if (last === undefined || call.isContinuation) return undefined
  const shared = sharedCount(last.prompt, call.prompt)
  if (shared === undefined) return last.prompt.chain.length
  if (shared > firstCount) return shared
  const isWhole = shared === last.prompt.count && call.prompt.count > shared
  return isWhole && isAnswer(call, shared) ? shared : undefined
}

/** Whether what follows the shared messages is what the model said to them. */
function isAnswer({ msg, prompt }: NewCall, shared: number): boolean {
  const role = msg.messages[prompt.systemCount + shared]?.role
  return role === 'assistant' || role === 'model'
}

export interface Difference {
  readonly shared?: number
  readonly changed: CallLink['changed']
  readonly changedMessage?: number
}

/** What of `call` is not as in the call before it. */
export function compareCalls(call: CallRecord, before: CallRecord): Difference {
  const { prompt } = call
  const head = [
    ...(call.model === before.model ? [] : (['model'] as const)),
    ...(prompt.tools === before.prompt.tools ? [] : (['tools'] as const)),
    ...(prompt.system === before.prompt.system ? [] : (['system'] as const)),
  ]
  const isContinuation = call.total > prompt.count
  if (isContinuation) {
    return {
      shared: before.total,
      changed: [...head, ...(prompt.count > 0 ? (['appended'] as const) : [])],
    }
  }
  // What the provider kept of the call before cannot be compared with what this one sends.
  const isWhole = before.total === before.prompt.count
  const shared = isWhole ? sharedCount(before.prompt, prompt) : undefined
  if (shared === undefined) return { changed: head }
  const isChanged = shared < before.prompt.count
  return {
    shared,
    changed: [
      ...head,
      ...(isChanged ? (['message'] as const) : []),
      ...(prompt.count > shared ? (['appended'] as const) : []),
    ],
    ...(isChanged ? { changedMessage: prompt.systemCount + shared } : {}),
  }
}
