/**
 * Requests of OpenAI's interface that run no model, as data: stored objects, files, batches and
 * the like, named as in the official SDKs. Compatible services use the same paths. What the answer
 * says of its object is told in a few facts; the object itself stands in the body.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf } from '../wire/json.ts'
import type { CallTarget } from './model-wire.ts'

export interface Operation {
  /** `threads.runs.retrieve`, … */
  readonly name: string
  /** Ids that the path names, the outermost first. */
  readonly subjects: readonly string[]
}

/** Collections by their path; a number of ids may stand between the words. */
const collections: ReadonlyArray<readonly [path: string, name: string]> = [
  ['assistants', 'assistants'],
  ['threads', 'threads'],
  ['threads/*/messages', 'threads.messages'],
  ['threads/*/runs', 'threads.runs'],
  ['threads/*/runs/*/steps', 'threads.runs.steps'],
  ['responses', 'responses'],
  ['responses/*/input_items', 'responses.input_items'],
  ['conversations', 'conversations'],
  ['conversations/*/items', 'conversations.items'],
  ['chat/completions', 'chat.completions'],
  ['chat/completions/*/messages', 'chat.completions.messages'],
  ['files', 'files'],
  ['uploads', 'uploads'],
  ['uploads/*/parts', 'uploads.parts'],
  ['batches', 'batches'],
  ['messages/batches', 'messages.batches'],
  ['models', 'models'],
  ['deployments', 'deployments'],
  ['vector_stores', 'vector_stores'],
  ['vector_stores/*/files', 'vector_stores.files'],
  ['vector_stores/*/file_batches', 'vector_stores.file_batches'],
  ['vector_stores/*/file_batches/*/files', 'vector_stores.file_batches.files'],
  ['fine_tuning/jobs', 'fine_tuning.jobs'],
  ['fine_tuning/jobs/*/events', 'fine_tuning.jobs.events'],
  ['fine_tuning/jobs/*/checkpoints', 'fine_tuning.jobs.checkpoints'],
  ['evals', 'evals'],
  ['evals/*/runs', 'evals.runs'],
  ['evals/*/runs/*/output_items', 'evals.runs.output_items'],
  ['containers', 'containers'],
  ['containers/*/files', 'containers.files'],
  ['videos', 'videos'],
  ['skills', 'skills'],
  ['realtime/client_secrets', 'realtime.client_secrets'],
  ['realtime/sessions', 'realtime.sessions'],
  ['realtime/transcription_sessions', 'realtime.transcription_sessions'],
  ['realtime/calls', 'realtime.calls'],
  ['chatkit/sessions', 'chatkit.sessions'],
  ['chatkit/threads', 'chatkit.threads'],
  ['chatkit/threads/*/items', 'chatkit.threads.items'],
  ['traces/ingest', 'traces.ingest'],
]

/** Words behind an id, or behind a collection, that name what is done. */
const actions: ReadonlySet<string> = new Set([
  'cancel',
  'complete',
  'content',
  'pause',
  'resume',
  'search',
  'remix',
  'results',
  'accept',
  'hangup',
  'refer',
  'reject',
  'input_tokens',
])

const verbs: Readonly<Record<string, { readonly one: string; readonly all: string }>> = {
  GET: { one: 'retrieve', all: 'list' },
  HEAD: { one: 'retrieve', all: 'list' },
  POST: { one: 'update', all: 'create' },
  PATCH: { one: 'update', all: 'update' },
  PUT: { one: 'update', all: 'update' },
  DELETE: { one: 'delete', all: 'delete' },
}

/** Undefined for a path of no known collection. */
export function recognizeOperation(method: string, target: CallTarget): Operation | undefined {
  const verb = Object.hasOwn(verbs, method) ? verbs[method] : undefined
  if (verb === undefined) return undefined
  for (const words of wordsOf(target.path)) {
    const last = words.at(-1) ?? ''
    const action = words.length > 1 && actions.has(last) ? last : undefined
    const place = placeOf(action === undefined ? words : words.slice(0, -1))
    if (place === undefined) continue
    const { name, subjects, isOne } = place
    if (name === 'traces.ingest') return { name, subjects }
    return { name: `${name}.${action ?? (isOne ? verb.one : verb.all)}`, subjects }
  }
  return undefined
}

/** What follows a version, or Azure's prefix. Without either, a path is some other interface's. */
function wordsOf(path: string): string[][] {
  const words = path.split('/', maxWords).filter((word) => word !== '')
  return words.flatMap((word, at) =>
    word === 'v1' || word === 'openai' ? [words.slice(at + 1)] : [],
  )
}

const maxWords = 16

function placeOf(
  words: readonly string[],
): { readonly name: string; readonly subjects: string[]; readonly isOne: boolean } | undefined {
  for (const [path, name] of collections) {
    const pattern = path.split('/')
    const isOne = words.length === pattern.length + 1
    if (!isOne && words.length !== pattern.length) continue
    if (!pattern.every((part, at) => part === '*' || part === words[at])) continue
    const subjects = words.filter((_word, at) => at >= pattern.length || pattern[at] === '*')
    return { name, subjects: subjects.map((id) => id.slice(0, maxValue)), isOne }
  }
  return undefined
}

const maxValue = 200

/** What an object says of itself in a word, in the order in which it is told. */
const told = [
  'id',
  'object',
  'status',
  'model',
  'state',
  'name',
  'filename',
  'purpose',
  'bytes',
  'endpoint',
  'deleted',
  'role',
  'input_tokens',
  'error_file_id',
  'output_file_id',
] as const
const counted = ['usage', 'request_counts', 'file_counts'] as const

/** Facts about the object, or about the list of them, that an answer holds. */
export function factsOf(answer: JsonRecord): Array<{ name: string; value: string }> {
  const facts: Array<{ name: string; value: string }> = []
  const tell = (name: string, value: Json | undefined): void => {
    if (typeof value !== 'string' && typeof value !== 'number' && value !== true) return
    facts.push({ name, value: String(value).slice(0, maxValue) })
  }
  for (const name of told) tell(name, answer[name])
  for (const group of counted) {
    for (const [name, value] of Object.entries(recordOf(answer[group])).slice(0, 8)) {
      tell(`${group}.${name}`, value)
    }
  }
  const { data } = answer
  if (Array.isArray(data)) tell('items', data.length)
  tell('output', textIn(answer['output']))
  if (isRecord(answer['last_error'])) tell('last_error', answer['last_error']['message'])
  return facts
}

/** Of a polled prediction: text, given whole or in pieces. */
function textIn(output: Json | undefined): string | undefined {
  if (!Array.isArray(output)) return typeof output === 'string' ? output : undefined
  const isText = output.length > 0 && output.every((piece) => typeof piece === 'string')
  return isText ? output.join('') : undefined
}
