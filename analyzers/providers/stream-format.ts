/**
 * What every streamed wire format offers: a pure merger from event data to the object that the
 * non-streamed answer would have been. Mergers are lenient where the official SDKs throw: an
 * observer must show what came. They never throw and never invent.
 */
import type { Json } from '../../src/messages/schema.ts'
import { streamListIndex } from '../wire/bounds.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, textOf } from '../wire/json.ts'

export interface StreamMerger {
  /** The data of one event, and its type if the stream named one. */
  push(data: string, event?: string): void
  /** What has been merged so far; call it once, at the end. */
  result(): StreamResult
}

export interface StreamResult {
  /** In the provider's non-streamed shape. An error inside the stream stands as `error` in it. */
  readonly merged: JsonDraft
  /** The answer's text, of all choices or blocks in order. */
  readonly text: string
  /** The provider said that the answer is finished, and reported no error. */
  readonly complete: boolean
  /** The format says nothing at its end: what has come is all only if the body is. */
  readonly endsWithBody?: boolean
  readonly problem?: string
}

export interface StreamFormat {
  /** As in `stream-merged`. */
  readonly name: string
  /** Its answers may also come as one JSON array of events. */
  readonly inArrays?: boolean
  createMerger(): StreamMerger
  /** Whether one event's data is of this format; errors are of every format. */
  matches(data: JsonRecord): boolean
  /** Whether one event's data carries generated content: text, reasoning, a tool call, audio. */
  carriesContent(data: JsonRecord): boolean
}

/** The error that an event's data carries: OpenAI, Anthropic and compatibles all use `error`. */
export function errorIn(data: JsonRecord): Json | undefined {
  if (data['error'] !== undefined && data['error'] !== null) return data['error']
  return data['type'] === 'error' ? data : undefined
}

/** One line about an error value of any provider. */
export function errorText(error: Json): string {
  if (typeof error === 'string') return error
  const record = recordOf(error)
  return textOf(record['message']) ?? textOf(record['type']) ?? 'the provider reported an error'
}

/** A non-empty string: the fields that carry content are `''` or null in the other events. */
export function isFilled(value: Json | undefined): boolean {
  return typeof value === 'string' ? value !== '' : Array.isArray(value) && value.length > 0
}

/** An index that a stream names, or undefined if it is none or beyond any real list. */
export function indexOf(value: Json | undefined): number | undefined {
  const index = countOf(value)
  return index !== undefined && index < streamListIndex ? index : undefined
}

/** The list under `key`, made if missing. */
export function listAt(record: JsonDraft, key: string): Json[] {
  const found = record[key]
  if (Array.isArray(found)) return found as Json[]
  const made: Json[] = []
  record[key] = made
  return made
}

/** The record under `key`, made if missing. */
export function recordAt(record: JsonDraft, key: string): JsonDraft {
  const found = record[key]
  if (isRecord(found)) return found
  const made: JsonDraft = {}
  record[key] = made
  return made
}

/** Sets `list[index]`; a gap before it, which JSON cannot hold, is filled with nulls. */
export function setAt(list: Json[], index: number, value: Json): void {
  while (list.length < index) list.push(null)
  list[index] = value
}

/** The record at `list[index]`, made by `make` if there is none. */
export function slotAt(list: Json[], index: number, make: () => JsonDraft = () => ({})): JsonDraft {
  const found = list[index]
  if (isRecord(found)) return found
  const made = make()
  setAt(list, index, made)
  return made
}

/** Appends to the text under `key`; anything but text there is replaced. */
export function appendText(record: JsonDraft, key: string, more: Json | undefined): void {
  if (typeof more === 'string') record[key] = (textOf(record[key]) ?? '') + more
}
