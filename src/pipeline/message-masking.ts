/**
 * Takes secrets out of messages that are no part of a body: frames of WebSockets, and what analyzers
 * put together from pieces, each of which was harmless by itself. It remembers the credentials of
 * exchanges under way, for those are known wherever they stand.
 */
import type { AnalysisMsgDraft } from '../messages/schema.ts'
import { maskBytes, maskText } from '../policy/content-mask.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import { maskJson } from '../policy/json-mask.ts'

/** More exchanges than the proxy carries at a time; of the oldest nothing is known any more. */
const liveExchanges = 4_096
/** Exchanges that have ended: what is made of them may be told after messages of others. */
const endedExchanges = 64

/** Secrets by exchange, to be found wherever they stand; never told themselves. */
export class KnownSecrets {
  readonly #values = new Map<string, readonly string[]>()
  readonly #ended: string[] = []

  remember(exchangeId: string | undefined, values: readonly string[] | undefined): void {
    if (exchangeId === undefined || values === undefined || values.length === 0) return
    if (this.#values.get(exchangeId) === values) return
    this.#values.set(exchangeId, values)
    const oldest = this.#values.keys().next()
    if (this.#values.size > liveExchanges && oldest.done !== true) this.#values.delete(oldest.value)
  }

  of(exchangeId: string | undefined): readonly string[] {
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

const none: readonly string[] = []

/** Frames of a WebSocket, as long as they were; other messages as they are. */
export function maskFrame(
  draft: AnalysisMsgDraft,
  mode: ContentRedaction,
  known: readonly string[],
): AnalysisMsgDraft {
  if (draft.kind !== 'websocket-message') return draft
  if (draft.text !== undefined) {
    const text = maskText(draft.text, mode, known)
    return text === draft.text ? draft : { ...draft, text }
  }
  if (draft.base64 === undefined) return draft
  const bytes = Buffer.from(draft.base64, 'base64')
  const masked = maskBytes(bytes, mode, known)
  return masked === bytes ? draft : { ...draft, base64: masked.toString('base64') }
}

/** What analyzers say of an answer; other messages as they are. */
export function maskEmitted(
  draft: AnalysisMsgDraft,
  mode: ContentRedaction,
  known: readonly string[],
): AnalysisMsgDraft {
  switch (draft.kind) {
    case 'stream-merged': {
      const text = maskText(draft.text, mode, known)
      return { ...draft, text, merged: maskJson(draft.merged, mode, known) }
    }
    case 'model-answered': {
      const output = maskJson(draft.output, mode, known)
      const toolCalls = maskJson(draft.toolCalls, mode, known)
      if (output === draft.output && toolCalls === draft.toolCalls) return draft
      return { ...draft, output, toolCalls }
    }
    default:
      return draft
  }
}
