/**
 * Tool calls that answers have asked for, until a later request brings their results: found by id,
 * or by name and order where the format has no ids. The texts that a call hands over are kept as
 * digests: a sub-agent's first message is one of them.
 */
import type { CallLink, ModelMessage, MsgOf, Part } from '../../src/messages/schema.ts'
import { keptToolCalls, toldToolResults } from '../wire/bounds.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, parseRecord, recordOf, textOf } from '../wire/json.ts'
import { digestOf, rawMessages } from './prompt.ts'
import { RecentMap } from './recent-map.ts'

type ToolResult = CallLink['toolResults'][number]
type ResultPart = Extract<Part, { readonly type: 'tool-result' }>

/** A tool call as an answer made it. */
export interface AskedTool {
  readonly id: string | undefined
  readonly name: string
  readonly sessionId: string
  readonly branchId: string
  readonly exchangeId: string | undefined
  /** Epoch milliseconds. */
  readonly answeredAt: number
  /** The request that has brought the result. */
  answeredBy?: object
}

/** Ids shorter than this may be counters, and tell nothing beyond their own history. */
const uniqueIdLength = 12
/** Shorter texts may stand in any call by chance. */
const handedTextLength = 16
const handedTexts = 8
const askedAtOnce = 64
const keptWords = 16

export class ToolCalls {
  readonly #byId = new RecentMap<AskedTool>(keptToolCalls)
  readonly #byText = new RecentMap<AskedTool>(keptToolCalls)

  /**
   * Remembers what an answer asks of the client; returns it in order. `said` are the user's own
   * words, as `wordsIn` gives them: a tool that is handed those is no agent for that.
   */
  ask(
    answer: MsgOf<'model-answered'>,
    place: { readonly sessionId: string; readonly branchId: string },
    said: ReadonlySet<string>,
  ): AskedTool[] {
    // Tools that the provider runs itself have their results in the same answer.
    const done = new Set(
      answer.output.flatMap((part) => (part.type === 'tool-result' ? [part.id] : [])),
    )
    const { exchangeId, at } = answer
    return answer.toolCalls
      .filter(({ id }) => id === undefined || !done.has(id))
      .slice(0, askedAtOnce)
      .map(({ id, name, arguments: args }) => {
        const { sessionId, branchId } = place
        const asked: AskedTool = { id, name, sessionId, branchId, exchangeId, answeredAt: at }
        if (id !== undefined) this.#byId.set(keyOf(answer.agent, place.branchId, id), asked)
        for (const digest of textsIn(args).map(digestOf)) {
          if (!said.has(digest)) this.#byText.set(`${answer.agent ?? ''} ${digest}`, asked)
        }
        return asked
      })
  }

  /** The tool call whose result is among `messages`, if its id can be no other's. */
  findAsker(agent: string | undefined, messages: readonly ModelMessage[]): AskedTool | undefined {
    // The newest results stand last; a few of them tell as much as all.
    for (const { id } of resultsIn(messages).slice(-16).toReversed()) {
      if (id === undefined || id.length < uniqueIdLength) continue
      const asked = this.#byId.get(keyOf(agent, '', id))
      if (asked !== undefined) return asked
    }
    return undefined
  }

  /** The tool call that handed over the first text of what a user says in `messages`. */
  findParent(agent: string | undefined, messages: readonly ModelMessage[]): AskedTool | undefined {
    const first = messages.find(({ role }) => role === 'user')
    for (const part of first?.parts.slice(0, 16) ?? []) {
      if (part.type !== 'text' || part.text.length < handedTextLength) continue
      const asked = this.#byText.get(`${agent ?? ''} ${digestOf(part.text)}`)
      if (asked !== undefined) return asked
    }
    return undefined
  }

  /** Pairs the results in `messages` with their calls. `waiting` are those of the call before. */
  pair(request: ToolRequest): ToolResult[] {
    const { agent, branchId, messages, waiting, startedAt } = request
    const names = namesIn(messages)
    const told: ToolResult[] = []
    for (const { id } of resultsIn(messages)) {
      if (told.length >= toldToolResults) break
      const byId = id === undefined ? undefined : this.#byId.get(keyOf(agent, branchId, id))
      const asked = byId ?? waiting.find((tool) => isNext(tool, id))
      // Shown before: a history that was rewritten brings it again.
      if (asked?.answeredBy !== undefined) continue
      if (asked === undefined && request.isFirst) continue
      if (asked !== undefined) {
        asked.answeredBy = request.call
        request.paired.push(asked)
      }
      told.push(resultOf({ id, asked, names, errors: request.errors, startedAt }))
    }
    return told
  }
}

export interface ToolRequest {
  readonly agent: string | undefined
  readonly branchId: string
  /** Those that the call before did not have. */
  readonly messages: readonly ModelMessage[]
  readonly waiting: readonly AskedTool[]
  readonly errors: ReadonlyMap<string, boolean>
  readonly startedAt: number
  /** Nothing is known of its history: results in it whose calls are not known are old ones. */
  readonly isFirst: boolean
  /** Stands for this request as the one that brought a result. */
  readonly call: object
  /** Filled with what was paired. */
  readonly paired: AskedTool[]
}

function keyOf(agent: string | undefined, branchId: string, id: string): string {
  return JSON.stringify([agent ?? '', id.length < uniqueIdLength ? branchId : '', id])
}

/** Formats without ids answer in the order of the calls; some give the name in place of the id. */
function isNext(tool: AskedTool, id: string | undefined): boolean {
  if (tool.id !== undefined || tool.answeredBy !== undefined) return false
  return id === undefined || id === tool.name
}

function resultOf(from: {
  readonly id: string | undefined
  readonly asked: AskedTool | undefined
  readonly names: ReadonlyMap<string, string>
  readonly errors: ReadonlyMap<string, boolean>
  readonly startedAt: number
}): ToolResult {
  const { id, asked, names, errors, startedAt } = from
  const name = asked?.name ?? (id === undefined ? undefined : names.get(id))
  const isError = id === undefined ? undefined : errors.get(id)
  return {
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { name }),
    ...(asked?.exchangeId === undefined ? {} : { calledBy: asked.exchangeId }),
    ...(asked === undefined ? {} : { waitedMs: Math.max(0, startedAt - asked.answeredAt) }),
    ...(isError === undefined ? {} : { isError }),
  }
}

function resultsIn(messages: readonly ModelMessage[]): ResultPart[] {
  return messages.flatMap(({ parts }) =>
    parts.filter((part): part is ResultPart => part.type === 'tool-result'),
  )
}

/** Names of tool calls by id, as the history itself has them. */
function namesIn(messages: readonly ModelMessage[]): Map<string, string> {
  const names = new Map<string, string>()
  for (const { parts } of messages) {
    for (const part of parts) {
      if (part.type === 'tool-call' && part.id !== undefined) names.set(part.id, part.name)
    }
  }
  return names
}

/** The texts among a tool's arguments. */
function textsIn(args: string): string[] {
  const values = Object.values(parseRecord(args) ?? {})
  return values
    .flatMap((value) => textOf(value) ?? [])
    .filter((text) => text.length >= handedTextLength)
    .slice(0, handedTexts)
}

/** Digests of what the user has said last. */
export function wordsIn(messages: readonly ModelMessage[]): ReadonlySet<string> {
  const parts = messages.flatMap((message) => (message.role === 'user' ? message.parts : []))
  return new Set(
    parts.slice(-keptWords).flatMap((part) => (part.type === 'text' ? [digestOf(part.text)] : [])),
  )
}

/** By id, whether a result says that the tool failed: Anthropic and Bedrock have a word for it. */
export function readToolErrors(body: JsonRecord | undefined): ReadonlyMap<string, boolean> {
  const errors = new Map<string, boolean>()
  for (const message of body === undefined ? [] : rawMessages(body)) {
    for (const block of listOf(message['content'])) {
      if (!isRecord(block)) continue
      const id = textOf(block['tool_use_id'])
      if (block['type'] === 'tool_result' && id !== undefined) {
        errors.set(id, block['is_error'] === true)
      }
      const converse = recordOf(block['toolResult'])
      const converseId = textOf(converse['toolUseId'])
      if (converseId !== undefined) errors.set(converseId, converse['status'] === 'error')
    }
  }
  return errors
}
