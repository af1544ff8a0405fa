/**
 * Responses over a WebSocket, as Codex speaks it: `response.create` holds the body that a POST would
 * have, and the events of the stream come one a message. `stream_id` keeps parallel ones apart.
 * `generate: false` only warms the prompt up; `response.steer` adds to a response under way.
 */
import type { ModelMessage } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, textOf } from '../wire/json.ts'
import { optional } from './model-wire.ts'
import type { CallTarget } from './model-wire.ts'
import { openaiResponsesWire } from './openai-responses-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import type { Asked, SocketDialect } from './socket-dialect.ts'

/** Lanes whose steering is remembered. */
const maxLanes = 64

export function createResponsesDialect(target: CallTarget): SocketDialect {
  /** What was said into responses under way, by lane: a successor begins with it. */
  const steering = new Map<string, readonly ModelMessage[]>()
  const readBody = (body: JsonRecord): Asked['reading'] => ({
    ...openaiResponsesWire.readCall(body, target),
    streaming: true,
  })

  return {
    stream: openaiResponses,
    sent(message) {
      const lane = laneOf(message)
      const type = textOf(message['type'])
      const body = isRecord(message['response']) ? message['response'] : message
      if (type === 'response.steer') {
        if (steering.size < maxLanes) steering.set(lane, readBody(body).messages)
        return undefined
      }
      if (type !== 'response.create') return undefined
      const operation = body['generate'] === false ? 'prewarm' : openaiResponsesWire.operation
      return { operation, reading: readBody(body), lane }
    },
    heard(message) {
      const lane = laneOf(message)
      const type = textOf(message['type']) ?? ''
      if (type === 'error') return { lane, phase: 'fails' }
      if (!openaiResponses.matches(message) || type.startsWith('response.steer.')) return undefined
      const responseId = textOf(recordOf(message['response'])['id'])
      if (type === 'response.created') return { lane, responseId, phase: 'begins' }
      const ends = /^response\.(?:completed|failed|incomplete)$/u.test(type)
      return { lane, responseId, phase: ends ? 'ends' : 'goes-on' }
    },
    unasked(message) {
      const lane = laneOf(message)
      const response = recordOf(message['response'])
      const messages = steering.get(lane) ?? []
      steering.delete(lane)
      return {
        operation: openaiResponsesWire.operation,
        reading: {
          ...optional('model', textOf(response['model'])),
          streaming: true,
          messages,
          tools: [],
          ...optional('previousResponseId', textOf(response['previous_response_id'])),
        },
        lane,
      }
    },
    readAnswer: (body) => openaiResponsesWire.readAnswer(body, target),
  }
}

function laneOf(message: JsonRecord): string {
  return (textOf(message['stream_id']) ?? '').slice(0, 200)
}
