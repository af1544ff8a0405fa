/**
 * What was added to a conversation that lives on a socket and waits for the next response. Bounded
 * in number and in text, for a client may add for hours and never ask.
 */
import type { ModelMessage, Part } from '../../src/messages/schema.ts'

/** The oldest give way. */
const maxMessages = 256
/** UTF-16 units of all that waits; the newest message stays whatever its length is. */
const maxLength = 16 * 1024 * 1024

export class PendingMessages {
  #messages: Array<{ readonly message: ModelMessage; readonly length: number }> = []
  #length = 0

  /** A message without parts says nothing. */
  add(message: ModelMessage): void {
    if (message.parts.length === 0) return
    const length = message.parts.reduce((sum, part) => sum + lengthOf(part), 0)
    this.#messages.push({ message, length })
    this.#length += length
    while (this.#isOver()) this.#length -= this.#messages.shift()?.length ?? 0
  }

  /** All that waits, which then waits no more. */
  take(): ModelMessage[] {
    const taken = this.#messages.map(({ message }) => message)
    this.#messages = []
    this.#length = 0
    return taken
  }

  #isOver(): boolean {
    const count = this.#messages.length
    return count > maxMessages || (count > 1 && this.#length > maxLength)
  }
}

function lengthOf(part: Part): number {
  return Object.values(part).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : 0),
    0,
  )
}
