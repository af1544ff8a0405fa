/**
 * Finds out whether a body that calls itself JSON is in truth several records, one a line: its first
 * line is a whole record, and another one begins after it. Both would be no JSON as one value.
 */
import { parseRecord } from './json.ts'

/** Longest first line of a stream of lines; a JSON body in one line is often longer. */
export const sniffedLineLength: number = 64 * 1024

export interface LinesSniffer {
  /** `undefined` until the first line and the beginning of the second have come. */
  push(text: string): boolean | undefined
}

export function createLinesSniffer(): LinesSniffer {
  let line = ''
  let isOpen = false
  let isWhole = false

  return {
    push(text) {
      let rest = text
      if (!isOpen) {
        rest = text.trimStart()
        if (rest === '') return undefined
        if (!rest.startsWith('{')) return false
        isOpen = true
      }
      if (!isWhole) {
        const end = rest.indexOf('\n')
        line += end === -1 ? rest : rest.slice(0, end)
        if (line.length > sniffedLineLength) return false
        if (end === -1) return undefined
        if (parseRecord(line) === undefined) return false
        isWhole = true
        rest = rest.slice(end + 1)
      }
      rest = rest.trimStart()
      return rest === '' ? undefined : rest.startsWith('{')
    },
  }
}
