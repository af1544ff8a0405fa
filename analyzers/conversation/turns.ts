/** Turns of a conversation: each begins with what a user says, and not with the result of a tool. */
import type { ModelMessage } from '../../src/messages/schema.ts'

/** Text that agents put in beside the user's words. */
const injected = /^\s*<(?:system-reminder|environment_context|user_instructions)>/u

/** How many turns begin in `messages`: several messages of the user without an answer are one. */
export function turnsIn(messages: readonly ModelMessage[]): number {
  let turns = 0
  let isOpen = false
  for (const message of messages) {
    if (message.role === 'assistant' || message.role === 'model') isOpen = false
    else if (!isOpen && isSaidByUser(message)) {
      isOpen = true
      turns += 1
    }
  }
  return turns
}

export function isSaidByUser({ role, parts }: ModelMessage): boolean {
  if (role !== 'user' || parts.some((part) => part.type === 'tool-result')) return false
  return parts.some(
    (part) => part.type !== 'text' || !(part.text === '' || injected.test(part.text)),
  )
}
