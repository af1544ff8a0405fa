/**
 * Which chunks of a Chat Completions stream only make one text longer: nearly all of them. Those
 * that are like one before (`wire/alike-events.ts`) are then merged without being parsed.
 */
import type { Json } from '../../src/messages/schema.ts'
import { createAlikeEvents } from '../wire/alike-events.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, recordOf, textOf } from '../wire/json.ts'
import { appendText, indexOf } from './stream-format.ts'

/** Fields of a delta that have rules of their own; all others are merged by what they hold. */
export const notDelta: ReadonlySet<string> = new Set([
  'audio',
  'content',
  'refusal',
  'function_call',
  'role',
  'tool_calls',
])
/** Fields of compatibles whose texts grow. */
export const growingText: ReadonlySet<string> = new Set([
  'reasoning_content',
  'reasoning',
  'thinking',
])

/** Adds to the texts of `choices`, in which every other chunk is merged by somebody else. */
export class ChatGrowth {
  readonly #choices: ReadonlyMap<number, JsonDraft>
  readonly #alike = createAlikeEvents(['obfuscation'])
  /** What those add to that are like the one before. */
  #grown: GrownText | undefined
  /** The choice of a chunk that is like it, but has to be merged in full. */
  #other: number | undefined

  constructor(choices: ReadonlyMap<number, JsonDraft>) {
    this.#choices = choices
  }

  /** False where the chunk has to be parsed and merged: first give it to `learn`. */
  add(data: string, snapshot: JsonDraft | undefined): boolean {
    this.#other = undefined
    const grown = this.#grown
    const more = grown === undefined ? undefined : this.#alike.textIn(data)
    if (grown === undefined || more === undefined || snapshot === undefined) return false
    const noted = grown.noted.includes('index') ? this.#alike.noted('index') : undefined
    const index = noted === undefined ? grown.index : Number(noted)
    const holder = grown.merged.has(index) ? this.#holderOf(grown, index) : undefined
    if (holder === undefined) {
      this.#other = index
      return false
    }
    appendText(holder, grown.field, more)
    const padding = grown.noted.includes('p') ? this.#alike.noted('p') : undefined
    if (padding !== undefined) snapshot['p'] = padding
    return true
  }

  /** Of a chunk that `add` would not have, before it is merged. */
  learn(data: string, chunk: JsonRecord): void {
    if (this.#grown !== undefined && this.#other !== undefined) {
      this.#grown.merged.add(this.#other)
      return
    }
    // Any other event may change what those that are like an earlier one would set again.
    this.#grown = grownText(chunk, this.#choices.size > 1)
    if (this.#grown === undefined) this.#alike.forget()
    else this.#alike.learn(data, chunk, this.#grown.field, this.#grown)
  }

  /** Undefined where there is no text: it may have become a list of parts. */
  #holderOf({ field, call }: GrownText, index: number): JsonDraft | undefined {
    const message = this.#choices.get(index)?.['message']
    const holder = call === undefined ? message : functionOf(message, call)
    return isRecord(holder) && typeof holder[field] === 'string' ? holder : undefined
  }
}

interface GrownText {
  readonly index: number
  /** Choices to which one like it has been added with all that it holds. */
  readonly merged: Set<number>
  readonly field: string
  /** Where it is a text of the function that this tool call calls. */
  readonly call?: number
  /** How often it stands in a chunk. */
  readonly places: number
  /** What else may differ in those that are like it: `index`, and Mistral's padding. */
  readonly noted: readonly string[]
}

/**
 * The one text of the one choice to which a chunk adds, if to merge the rest again changes nothing.
 * `isOneOfMany`: the answer has more than one choice.
 */
function grownText(chunk: JsonRecord, isOneOfMany: boolean): GrownText | undefined {
  const choices = listOf(chunk['choices'])
  const choice = recordOf(choices[0])
  const index = indexOf(choice['index'])
  const { delta, logprobs, message } = choice
  if (choices.length !== 1 || index === undefined || isRecord(logprobs)) return undefined
  const grown = grownField(recordOf(delta))
  if (grown === undefined) return undefined
  const { field, call } = grown
  // Where the id is empty, nothing of the chunk itself is taken.
  const isPadded = typeof chunk['p'] === 'string' && (textOf(chunk['id']) ?? '') !== ''
  const noted = isPadded ? ['p'] : []
  const merged = new Set([index])
  if (call !== undefined) return { index, merged, field, call, places: 1, noted }
  if (isOneOfMany) noted.push('index')
  // Some repeat it under the name that it has in a merged answer, where nobody reads it.
  const isRepeated = recordOf(message)[field] === recordOf(delta)[field]
  return { index, merged, field, places: isRepeated ? 2 : 1, noted }
}

function grownField(delta: JsonRecord): Pick<GrownText, 'field' | 'call'> | undefined {
  let grown: Pick<GrownText, 'field' | 'call'> | undefined
  for (const [key, value] of Object.entries(delta)) {
    // Records of fields that nothing is known of take the place of those before.
    if (value === null || key === 'role' || (isRecord(value) && !notDelta.has(key))) continue
    const call = key === 'tool_calls' ? grownCall(value) : undefined
    const isText = typeof value === 'string' && (key === 'content' || growingText.has(key))
    if (grown !== undefined || (call === undefined && !isText)) return undefined
    grown = call === undefined ? { field: key } : { field: 'arguments', call }
  }
  return grown
}

/** The place of the one tool call to which a delta adds arguments and nothing else. */
function grownCall(calls: Json): number | undefined {
  const call = recordOf(listOf(calls)[0])
  const from = recordOf(call['function'])
  const isAlone = listOf(calls).length === 1 && isOnly(call, 'function', 'index')
  if (!isAlone || !isOnly(from, 'arguments') || typeof from['arguments'] !== 'string') {
    return undefined
  }
  return indexOf(call['index'])
}

function isOnly(record: JsonRecord, ...keys: readonly string[]): boolean {
  const own = Object.keys(record)
  return own.length === keys.length && keys.every((key) => Object.hasOwn(record, key))
}

/** The function that a message's tool call calls, as far as it has come. */
function functionOf(message: Json | undefined, call: number): Json | undefined {
  return recordOf(listOf(recordOf(message)['tool_calls'])[call])['function']
}
