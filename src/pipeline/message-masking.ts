/**
 * Takes secrets out of messages that are no part of a body: frames of WebSockets, and what analyzers
 * put together from pieces, each of which was harmless by itself. It remembers the credentials of
 * exchanges under way, for those are known wherever they stand.
 */
import type { AnalysisMsgDraft } from '../messages/schema.ts'
import type { ConcealedValues, Echo, EchoPlace } from '../policy/concealed-values.ts'
import { maskBytes, maskText } from '../policy/content-mask.ts'
import type { OnFound } from '../policy/content-mask.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import { maskJson } from '../policy/json-mask.ts'
import type { SecretRange } from '../policy/secret-range.ts'

/** More exchanges than the proxy carries at a time; of the oldest nothing is known any more. */
const liveExchanges = 4_096
/** Exchanges that have ended: what is made of them may be told after messages of others. */
const endedExchanges = 64

export interface KnownInExchange {
  readonly known: readonly string[]
  readonly concealed?: ConcealedValues | undefined
}

/** Secrets by exchange, to be found wherever they stand; never told themselves. */
export class KnownSecrets {
  readonly #values = new Map<string, KnownInExchange>()
  readonly #ended: string[] = []

  /** `concealed` are those that were put into the request. */
  remember(
    exchangeId: string | undefined,
    {
      known,
      concealed,
    }: {
      readonly known?: readonly string[] | undefined
      readonly concealed?: ConcealedValues | undefined
    },
  ): void {
    if (exchangeId === undefined || known === undefined || known.length === 0) return
    if (this.#values.get(exchangeId)?.known === known) return
    this.#values.set(exchangeId, { known, concealed })
    const oldest = this.#values.keys().next()
    if (this.#values.size > liveExchanges && oldest.done !== true) this.#values.delete(oldest.value)
  }

  of(exchangeId: string | undefined): KnownInExchange {
    return (exchangeId === undefined ? undefined : this.#values.get(exchangeId)) ?? none
  }

  /** To be called when an exchange ends: it is forgotten before long. */
  end(exchangeId: string | undefined): void {
    if (exchangeId === undefined || !this.#values.has(exchangeId)) return
    this.#ended.push(exchangeId)
    const first = this.#ended.length > endedExchanges ? this.#ended.shift() : undefined
    if (first !== undefined) this.#values.delete(first)
  }
}

const none: KnownInExchange = { known: [] }

/** Frames of a WebSocket, as long as they were; other messages as they are. */
export function maskFrame(
  frame: AnalysisMsgDraft,
  mode: ContentRedaction,
  known: readonly string[],
  onFound?: OnFound,
): AnalysisMsgDraft {
  if (frame.kind !== 'websocket-message') return frame
  const closeReason =
    frame.closeReason === undefined ? undefined : maskText(frame.closeReason, mode, known, onFound)
  const draft = closeReason === frame.closeReason ? frame : { ...frame, closeReason }
  if (draft.text !== undefined) {
    const text = maskText(draft.text, mode, known, onFound)
    return text === draft.text ? draft : { ...draft, text }
  }
  if (draft.base64 === undefined) return draft
  const bytes = Buffer.from(draft.base64, 'base64')
  const masked = maskBytes(bytes, mode, known, onFound)
  return masked === bytes ? draft : { ...draft, base64: masked.toString('base64') }
}

/** Whether it holds what was put together from pieces, which `maskEmitted` masks. */
export function isMerged({ kind }: AnalysisMsgDraft): boolean {
  return kind === 'stream-merged' || kind === 'model-answered'
}

/** What analyzers say of an answer; other messages as they are. */
export function maskEmitted(
  draft: AnalysisMsgDraft,
  mode: ContentRedaction,
  known: readonly string[],
  onFound?: OnFound,
): AnalysisMsgDraft {
  switch (draft.kind) {
    case 'stream-merged': {
      const text = maskText(draft.text, mode, known, onFound)
      return { ...draft, text, merged: maskJson(draft.merged, mode, known, onFound) }
    }
    case 'model-answered': {
      const output = maskJson(draft.output, mode, known, onFound)
      const toolCalls = maskJson(draft.toolCalls, mode, known, onFound)
      if (output === draft.output && toolCalls === draft.toolCalls) return draft
      return { ...draft, output, toolCalls }
    }
    default:
      return draft
  }
}

/** What to tell of a secret that was masked in what the upstream sent. */
export function echoOf(
  { known }: SecretRange,
  concealed: ConcealedValues | undefined,
  where: EchoPlace['where'],
): Echo | undefined {
  return known === undefined ? undefined : concealed?.note(known, { where })
}

/** Whose message it is. */
export function idsOf({ connectionId, exchangeId, agent }: AnalysisMsgDraft): {
  connectionId?: string
  exchangeId?: string
  agent?: string
} {
  return {
    ...(connectionId === undefined ? {} : { connectionId }),
    ...(exchangeId === undefined ? {} : { exchangeId }),
    ...(agent === undefined ? {} : { agent }),
  }
}
