/** Mistral's completion of code between two ends: asked like a completion, answered like a chat. */
import { textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { openaiChatWire } from './openai-chat-wire.ts'
import { openaiCompletionsWire } from './openai-plain-wire.ts'

export const mistralFimWire: ModelWire = {
  ...openaiChatWire,
  operation: 'completions',
  isCall: (body) => typeof body['prompt'] === 'string',
  readCall(body, target) {
    const call = openaiCompletionsWire.readCall(body, target)
    const suffix = textOf(body['suffix']) ?? ''
    if (suffix === '') return call
    const after = {
      role: 'user',
      parts: [{ type: 'other' as const, name: 'suffix', text: suffix }],
    }
    return { ...call, messages: [...call.messages, after] }
  },
}
