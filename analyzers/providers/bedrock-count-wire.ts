/**
 * Bedrock's CountTokens (`POST /model/{id}/count-tokens`), which generates nothing and is free: the
 * prompt is a Converse request, or the body of an InvokeModel request as base64.
 */
import type { Part } from '../../src/messages/schema.ts'
import { countOf, isRecord, parseRecord, recordOf, textOf } from '../wire/json.ts'
import { bedrockConverseWire } from './bedrock-converse-wire.ts'
import { bedrockInvokeWire } from './bedrock-invoke-wire.ts'
import type { ModelWire } from './model-wire.ts'

export const bedrockCountWire: ModelWire = {
  operation: 'count_tokens',
  isCall: (body) => isRecord(body['input']),
  readCall(body, target) {
    const { converse, invokeModel } = recordOf(body['input'])
    if (isRecord(converse)) return bedrockConverseWire.readCall(converse, target)
    const encoded = textOf(recordOf(invokeModel)['body']) ?? ''
    const inner = parseRecord(Buffer.from(encoded, 'base64').toString()) ?? {}
    return bedrockInvokeWire.readCall(inner, target)
  },
  readAnswer(body) {
    const count = countOf(body['inputTokens'])
    const output: Part[] =
      count === undefined ? [] : [{ type: 'other', name: 'input_tokens', text: String(count) }]
    return { output, toolCalls: [] }
  },
}
