/**
 * The last look at a message before anybody gets it: analyzers, capture, viewers, stdout. The values
 * of stored secrets that stand in any of its texts, names and keys are masked; bodies have been
 * through that as they came, across their chunks (`body-masking.ts`). Where there is no vault,
 * there is no guard.
 */
import type { AnalysisMsgDraft, MsgOf } from '../messages/schema.ts'
import { maskRanges } from '../policy/content-mask.ts'
import { holdsValue, maskValues } from '../policy/value-mask.ts'
import type { FoundValue, ValueFinder } from '../policy/value-scanner.ts'

export type WithheldNote = Pick<MsgOf<'secret-withheld'>, 'kind' | 'where' | 'secretId' | 'count'>

/** Notes that are remembered as told; emptied when it is full. */
const mostTold = 4_096
/** What Porthole itself has made up, and what it tells secrets by. */
const ownFields = new Set(['kind', 'v', 'seq', 'at', 'by', 'connectionId', 'exchangeId', 'offset'])

export class ValueGuard {
  readonly #values: ValueFinder
  readonly #told = new Set<string>()

  constructor(values: ValueFinder) {
    this.#values = values
  }

  /**
   * The same draft where no value stands in it. `tell` hears of each secret that was taken out, once
   * for an exchange and a kind of message.
   */
  cleaned(draft: AnalysisMsgDraft, tell: (note: WithheldNote) => void): AnalysisMsgDraft {
    if (this.#values.isEmpty || draft.kind === 'secret-withheld') return draft
    const fields = Object.entries(draft).filter(([name]) => isLookedAt(draft.kind, name))
    const dirty = fields.filter(([, value]) => holdsValue(value, this.#values))
    const frame = this.#maskedFrame(draft)
    if (dirty.length === 0 && frame === undefined) return draft
    const counts = new Map<string, number>()
    const found = ({ secretId }: FoundValue): void => {
      counts.set(secretId, (counts.get(secretId) ?? 0) + 1)
    }
    const safe = dirty.map(
      ([name, value]) => [name, maskValues(value, this.#values, found)] as const,
    )
    for (const value of frame?.found ?? []) found(value)
    for (const [secretId, count] of counts) {
      const note = { kind: 'secret-withheld', where: draft.kind, secretId, count } as const
      if (!this.isToldAlready({ ...note, ...exchangeOf(draft) })) tell(note)
    }
    return { ...draft, ...Object.fromEntries(safe), ...frame?.field }
  }

  /** Whether the same was told of that exchange before; remembers that it is now. */
  isToldAlready(note: AnalysisMsgDraft): boolean {
    if (note.kind !== 'secret-withheld') return false
    const key = JSON.stringify([note.exchangeId, note.where, note.secretId])
    if (this.#told.has(key)) return true
    if (this.#told.size >= mostTold) this.#told.clear()
    this.#told.add(key)
    return false
  }

  /** Of a WebSocket, binary: its text is looked at as any other. */
  #maskedFrame(
    draft: AnalysisMsgDraft,
  ): { field: { base64: string }; found: readonly FoundValue[] } | undefined {
    if (draft.kind !== 'websocket-message' || draft.base64 === undefined) return undefined
    const text = Buffer.from(draft.base64, 'base64').toString('latin1')
    const found = this.#values.find(text)
    if (found.length === 0) return undefined
    const base64 = Buffer.from(maskRanges(text, found), 'latin1').toString('base64')
    return { field: { base64 }, found }
  }
}

/** Bytes of bodies were looked at as they came. */
function isLookedAt(kind: AnalysisMsgDraft['kind'], field: string): boolean {
  if (ownFields.has(field)) return false
  const isBody = kind === 'request-body' || kind === 'response-body'
  return !isBody || (field !== 'text' && field !== 'base64')
}

function exchangeOf({ exchangeId }: AnalysisMsgDraft): { exchangeId: string } | undefined {
  return exchangeId === undefined ? undefined : { exchangeId }
}
