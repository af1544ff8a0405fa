/**
 * What the mergers of simple streams have in common: a snapshot in which one text grows, all other
 * fields are replaced by later values that are not null, and an error ends it.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { parseRecord, setOwn } from '../wire/json.ts'
import type { StreamMerger, StreamResult } from './stream-format.ts'
import { errorIn, errorText } from './stream-format.ts'

export interface SnapshotRules {
  /** Takes one event into the snapshot. */
  readonly take: (snapshot: JsonDraft, event: JsonRecord) => void
  readonly textOf: (snapshot: JsonRecord) => string
  /** Whether the provider has said that the answer is finished. */
  readonly isDone: (snapshot: JsonRecord) => boolean
  /** Why a finished answer is none after all. */
  readonly problemOf?: (snapshot: JsonRecord) => string | undefined
}

/** A merger that follows the rules. */
export function createSnapshotMerger(rules: SnapshotRules): StreamMerger {
  const snapshot: JsonDraft = {}
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      error ??= errorIn(event)
      if (errorIn(event) === undefined) rules.take(snapshot, event)
    },
    result(): StreamResult {
      if (error !== undefined) snapshot['error'] = error
      const problem = error === undefined ? rules.problemOf?.(snapshot) : errorText(error)
      return {
        merged: snapshot,
        text: rules.textOf(snapshot),
        complete: problem === undefined && rules.isDone(snapshot),
        ...(problem === undefined ? {} : { problem }),
      }
    },
  }
}

/** Takes every field but those in `except`; null does not overwrite what is there. */
export function takeFields(
  record: JsonDraft,
  from: JsonRecord,
  except: ReadonlySet<string> = new Set(),
): void {
  for (const [key, value] of Object.entries(from)) {
    if (except.has(key) || (value === null && Object.hasOwn(record, key))) continue
    setOwn(record, key, value)
  }
}
