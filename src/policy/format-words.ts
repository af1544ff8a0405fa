/**
 * Words that messages are made of. Somebody may have chosen one of them as a password: it cannot be
 * told from what Porthole itself writes, and masking it would make every message unreadable.
 */
import { messageJsonSchema } from '../messages/json-schema.ts'

let words: string | undefined

/** Whether `value` stands in the names and words of the message format. */
export function isWordOfFormat(value: string): boolean {
  // What has a digit or any other character in it is none: the schema need not be made for it.
  if (!/^[A-Za-z-]+$/u.test(value)) return false
  words ??= JSON.stringify(messageJsonSchema()).toLowerCase()
  return words.includes(value.toLowerCase())
}
