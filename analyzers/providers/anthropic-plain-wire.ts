/**
 * Anthropic requests about messages that generate nothing while the client waits: counting tokens,
 * which is free, and batches, which are billed when their results are ready. So neither has usage.
 */
import type { Part } from '../../src/messages/schema.ts'
import { countOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import type { ModelWire } from './model-wire.ts'
import { jsonText, optional } from './model-wire.ts'

export const anthropicCountWire: ModelWire = {
  operation: 'count_tokens',
  isCall: (body) => Array.isArray(body['messages']),
  readCall: (body, target) => ({
    ...anthropicMessagesWire.readCall(body, target),
    streaming: false,
  }),
  readAnswer(body) {
    const count = countOf(body['input_tokens'])
    const output: Part[] =
      count === undefined ? [] : [{ type: 'other', name: 'input_tokens', text: String(count) }]
    return { output, toolCalls: [] }
  },
}

/** One call for the whole batch: the messages of all its requests, in order, and all their tools. */
export const anthropicBatchesWire: ModelWire = {
  operation: 'batches',
  isCall: (body) => Array.isArray(body['requests']),
  readCall(body, target) {
    const calls = recordsOf(body['requests']).map((request) =>
      anthropicMessagesWire.readCall(recordOf(request['params']), target),
    )
    const models = [...new Set(calls.map(({ model }) => model))]
    const tools = new Map(calls.flatMap((call) => call.tools).map((tool) => [tool.name, tool]))
    return {
      // Requests of one batch may name different models; then none is the batch's.
      ...(models.length === 1 ? optional('model', models[0]) : {}),
      streaming: false,
      messages: calls.flatMap(({ messages }) => messages),
      tools: [...tools.values()],
    }
  },
  readAnswer: (body) => ({
    output:
      typeof body['id'] === 'string'
        ? [{ type: 'other', name: 'message_batch', text: jsonText(body) }]
        : [],
    toolCalls: [],
    ...optional('finishReason', textOf(body['processing_status'])),
  }),
}
