/**
 * The ids by which clients themselves tell their conversations apart, in header fields and in the
 * body, as data. They group calls for display; nothing is ever allowed because of one.
 */
import { headerValues } from '../../src/messages/header-values.ts'
import type { CallLink, HeaderPairs, Json } from '../../src/messages/schema.ts'
import { clientIdLength } from '../wire/bounds.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, parseRecord, recordOf, textOf } from '../wire/json.ts'

/** What a request's head says. */
export interface HeadIds {
  readonly session?: string
  /** The history within the session: a thread, a sub-agent. */
  readonly lane?: string
  readonly isSubAgent: boolean
  /** From 0, as the SDKs of OpenAI and Anthropic count; absent if the head does not say. */
  readonly retryCount?: number
}

export interface BodyIds {
  readonly session?: string
  readonly conversation?: string
  /** Of a WebSocket that is one conversation by itself: a name that we give it. */
  readonly socket?: string
  readonly previousResponse?: string
  readonly cacheKey?: string
}

/** Claude Code, opencode, Qwen Code, Codex (both spellings), and what others have made common. */
const sessionFields = [
  'x-claude-code-session-id',
  'x-opencode-session',
  'x-qwen-code-session-id',
  'session_id',
  'session-id',
  'x-session-id',
  'conversation_id',
  'x-conversation-id',
]

/** Claude Code names a sub-agent, Codex every thread. */
const laneFields = ['x-claude-code-agent-id', 'thread-id']
const subAgentFields = ['x-openai-subagent', 'x-codex-parent-thread-id', 'x-claude-code-agent-id']

export function readHeadIds(headers: HeaderPairs): HeadIds {
  const session = firstId(headers, sessionFields)
  const lane = firstId(headers, laneFields)
  const retries = headerValues(headers, 'x-stainless-retry-count').at(-1) ?? ''
  return {
    ...(session === undefined ? {} : { session }),
    ...(lane === undefined || lane === session ? {} : { lane }),
    isSubAgent: firstId(headers, subAgentFields) !== undefined,
    ...(/^\d{1,3}$/u.test(retries) ? { retryCount: Number(retries) } : {}),
  }
}

export function readBodyIds(body: JsonRecord): BodyIds {
  const session = sessionInBody(body)
  const conversation = idOf(
    isRecord(body['conversation']) ? body['conversation']['id'] : body['conversation'],
  )
  const previousResponse = idOf(body['previous_response_id'])
  const cacheKey = idOf(body['prompt_cache_key'])
  return {
    ...(session === undefined ? {} : { session }),
    ...(conversation === undefined ? {} : { conversation }),
    ...(previousResponse === undefined ? {} : { previousResponse }),
    // Many programs set one key for all that they do; an id of its own names a conversation.
    ...(cacheKey === undefined || !uuid.test(cacheKey) ? {} : { cacheKey }),
  }
}

/** What a session is called, and who called it so. */
export interface NamedSession {
  readonly source: CallLink['sessionSource']
  readonly key: string
  /** The name is none of the client's. */
  readonly isOurs?: boolean
}

export function nameOf(head: HeadIds, body: BodyIds): NamedSession | undefined {
  if (head.session !== undefined) return { source: 'header', key: head.session }
  if (body.session !== undefined) return { source: 'body', key: body.session }
  if (body.conversation !== undefined) return { source: 'conversation', key: body.conversation }
  if (body.socket !== undefined) return { source: 'conversation', key: body.socket, isOurs: true }
  return body.previousResponse === undefined ? cacheName(body) : undefined
}

export function cacheName({ cacheKey }: BodyIds): NamedSession | undefined {
  return cacheKey === undefined ? undefined : { source: 'cache-key', key: cacheKey }
}

const uuid = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/iu

function sessionInBody(body: JsonRecord): string | undefined {
  // Code Assist, which Gemini CLI speaks to, wraps the request.
  const wrapped = idOf(recordOf(body['request'])['session_id'])
  return (
    wrapped ?? claudeCodeSession(recordOf(body['metadata'])['user_id']) ?? idOf(body['session_id'])
  )
}

/** `user_…_account_…_session_<id>`, or a JSON text with the id in a field. */
function claudeCodeSession(userId: Json | undefined): string | undefined {
  const text = textOf(userId)
  if (text === undefined || text.length > 4 * clientIdLength) return undefined
  if (text.startsWith('{')) return idOf(parseRecord(text)?.['session_id'])
  return idOf(/_session_([\w-]+)$/u.exec(text)?.[1])
}

function firstId(headers: HeaderPairs, names: readonly string[]): string | undefined {
  for (const name of names) {
    const id = idOf(headerValues(headers, name).at(-1)?.trim())
    if (id !== undefined) return id
  }
  return undefined
}

export function idOf(value: Json | undefined): string | undefined {
  const text = textOf(value)
  return text === undefined || text === '' || text.length > clientIdLength ? undefined : text
}
