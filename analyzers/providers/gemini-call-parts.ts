/**
 * Function calls whose arguments Vertex AI streams: `partialArgs` name a place in the arguments
 * (a JSONPath of names and indexes, RFC 9535 §2.3) and its next value, until `willContinue` is no
 * longer said. The official SDK leaves them as they come; merged they read as a call that came whole.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { assignOwn, draftOf, isRecord, recordOf, recordsOf, setOwn, textOf } from '../wire/json.ts'
import { isFilled, listAt, recordAt, setAt } from './stream-format.ts'

/** Puts a part that opens or continues a streamed call where it belongs; `false` if it does neither. */
export function applyCallPart(parts: Json[], part: JsonRecord): boolean {
  const from = part['functionCall']
  if (!isRecord(from)) return false
  const last = parts.at(-1)
  const before = recordOf(recordOf(last)['functionCall'])
  const isOpen = before['willContinue'] === true
  const isOther = isFilled(from['id']) && isFilled(before['id']) && from['id'] !== before['id']
  if (isOpen && !isOther && isRecord(last)) {
    const call = draftOf(before)
    mergeCall(call, from)
    parts[parts.length - 1] = { ...draftOf(last), ...draftOf(part), functionCall: call }
    return true
  }
  if (from['willContinue'] !== true && !Array.isArray(from['partialArgs'])) return false
  const call: JsonDraft = {}
  mergeCall(call, from)
  parts.push({ ...draftOf(part), functionCall: call })
  return true
}

const notCall = new Set(['args', 'partialArgs', 'willContinue'])

function mergeCall(call: JsonDraft, from: JsonRecord): void {
  for (const [key, value] of Object.entries(from)) {
    if (!notCall.has(key) && value !== null) assignOwn(call, { [key]: value })
  }
  const args = recordAt(call, 'args')
  assignOwn(args, recordOf(from['args']))
  for (const partial of recordsOf(from['partialArgs'])) {
    const value = valueOf(partial)
    const steps = stepsOf(textOf(partial['jsonPath']) ?? '')
    // A place that cannot be read is kept as it came.
    if (value !== undefined && steps !== undefined && isReachable(args, steps)) {
      setIn(args, steps, value)
    } else {
      listAt(call, 'partialArgs').push(partial)
    }
  }
  if (from['willContinue'] === true) call['willContinue'] = true
  else delete call['willContinue']
}

function valueOf(partial: JsonRecord): Json | undefined {
  if ('nullValue' in partial) return null
  return partial['stringValue'] ?? partial['numberValue'] ?? partial['boolValue']
}

type Step = string | number

const segment = /\.([^.[\]'"\s]+)|\[(\d{1,4})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]/uy
/** Deeper places than any tool's arguments have. */
const maxSteps = 32

/** The names and indexes of a path such as `$.stops[0].city`, or undefined. */
function stepsOf(path: string): Step[] | undefined {
  if (!path.startsWith('$') || path.length > 1_024) return undefined
  const steps: Step[] = []
  segment.lastIndex = 1
  while (segment.lastIndex < path.length) {
    const match = segment.exec(path)
    if (match === null || steps.length === maxSteps) return undefined
    const [, name, index, single, double] = match
    steps.push(index === undefined ? (name ?? single ?? double ?? '') : Number(index))
  }
  return steps.length === 0 ? undefined : steps
}

/** Sets the value at a place, making what lies on the way; text that is there already grows. */
function setIn(root: JsonDraft, steps: readonly Step[], value: Json): void {
  let holder: Json = root
  for (const [position, step] of steps.entries()) {
    const before = childOf(holder, step)
    const next = steps[position + 1]
    let child: Json = before ?? (typeof next === 'number' ? [] : {})
    if (next === undefined) {
      child = typeof before === 'string' && typeof value === 'string' ? before + value : value
    }
    if (typeof step === 'string' && isRecord(holder)) setOwn(holder, step, child)
    else if (typeof step === 'number' && Array.isArray(holder)) setAt(holder as Json[], step, child)
    holder = child
  }
}

/** Whether the place is there or is the next one of a list, so that nothing has to be made up. */
function isReachable(root: JsonDraft, steps: readonly Step[]): boolean {
  let holder: Json | undefined = root
  for (const step of steps) {
    if (typeof step === 'number') {
      if (holder !== undefined && !Array.isArray(holder)) return false
      if (step > (Array.isArray(holder) ? holder.length : 0)) return false
    } else if (holder !== undefined && !isRecord(holder)) {
      return false
    }
    holder = holder === undefined ? undefined : childOf(holder, step)
  }
  return true
}

function childOf(holder: Json, step: Step): Json | undefined {
  if (typeof step === 'number') return Array.isArray(holder) ? (holder as Json[])[step] : undefined
  return isRecord(holder) && Object.hasOwn(holder, step) ? holder[step] : undefined
}
