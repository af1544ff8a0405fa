/**
 * Runs of assistants, read into parts. Only starting a run, or handing it the results of its tools,
 * makes a model run; a plain answer is then the run before it has done anything, without output.
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { AnswerReading, ModelWire } from './model-wire.ts'
import { argumentsText, jsonText, optional, otherPart, toolCallsIn, toolOf } from './model-wire.ts'
import { openaiAssistants } from './openai-assistants.ts'
import { contentParts } from './openai-chat-wire.ts'
import { readRunUsage } from './openai-usage.ts'

export const openaiRunsWire: ModelWire = {
  operation: 'runs',
  keepsHistory: true,
  stream: openaiAssistants,
  isCall: (body) => typeof body['assistant_id'] === 'string' || Array.isArray(body['tool_outputs']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [
      ...instructions(body['instructions']),
      ...instructions(body['additional_instructions']),
      ...recordsOf(recordOf(body['thread'])['messages']).map(readMessage),
      ...recordsOf(body['additional_messages']).map(readMessage),
      ...recordsOf(body['tool_outputs']).map(toolOutput),
    ],
    tools: recordsOf(body['tools']).map(toolOf),
  }),
  readAnswer,
}

function instructions(value: Json | undefined): ModelMessage[] {
  const parts = contentParts(value)
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

function readMessage(message: JsonRecord): ModelMessage {
  return { role: textOf(message['role']) ?? 'user', parts: messageParts(message['content']) }
}

function toolOutput(output: JsonRecord): ModelMessage {
  const id = textOf(output['tool_call_id'])
  const text = jsonText(output['output'])
  return { role: 'tool', parts: [{ type: 'tool-result', ...optional('id', id), text }] }
}

/** Texts of messages stand one level deeper than elsewhere. */
function messageParts(content: Json | undefined): Part[] {
  if (typeof content === 'string') return contentParts(content)
  return recordsOf(content).flatMap((part) => {
    const { text } = part
    if (isRecord(text)) return contentParts(textOf(text['value']))
    return part['type'] === 'image_file'
      ? [{ type: 'media', mediaType: 'image/*' } as const]
      : contentParts([part])
  })
}

function readAnswer(body: JsonRecord): AnswerReading {
  const required = recordOf(recordOf(body['required_action'])['submit_tool_outputs'])
  const output = [
    ...recordsOf(body['run_steps']).flatMap(stepParts),
    ...recordsOf(body['messages']).flatMap((message) => messageParts(message['content'])),
    ...recordsOf(required['tool_calls']).map(callPart),
  ]
  const incomplete = textOf(recordOf(body['incomplete_details'])['reason'])
  return {
    ...optional('model', textOf(body['model'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', incomplete ?? textOf(body['status'])),
    ...optional('responseId', textOf(body['id'])),
    ...optional('usage', readRunUsage(body)),
  }
}

/** What built-in tools did; calls of functions stand in what the run requires, or did before. */
function stepParts(step: JsonRecord): Part[] {
  return recordsOf(recordOf(step['step_details'])['tool_calls'])
    .filter((call) => call['type'] !== 'function')
    .map(otherPart)
}

function callPart(call: JsonRecord): Part {
  const inner = recordOf(call['function'])
  return {
    type: 'tool-call',
    ...optional('id', textOf(call['id'])),
    name: textOf(inner['name']) ?? 'unknown',
    arguments: argumentsText(inner['arguments']),
  }
}
