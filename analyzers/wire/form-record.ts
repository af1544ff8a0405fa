/**
 * A form read as the JSON object that the same request could have been: texts by their names, lists
 * where a name repeats or ends in `[]`, and for each file what is known of it.
 */
import type { FormPart } from '../../src/messages/schema.ts'
import type { JsonDraft } from './json.ts'
import { setOwn } from './json.ts'

/** A file, or a field without text, stands as a record: name, type, size, dimensions. */
export function recordOfForm(form: readonly FormPart[]): JsonDraft {
  const record: JsonDraft = {}
  for (const { name = '', ...part } of form) {
    const facts: JsonDraft = {}
    for (const [fact, value] of Object.entries(part)) facts[fact] = value ?? null
    const value = part.text ?? facts
    const key = name.replace(/\[\]$/u, '')
    const before = Object.hasOwn(record, key) ? record[key] : undefined
    if (Array.isArray(before)) setOwn(record, key, [...before, value])
    else if (before !== undefined) setOwn(record, key, [before, value])
    else setOwn(record, key, key === name ? value : [value])
  }
  return record
}
