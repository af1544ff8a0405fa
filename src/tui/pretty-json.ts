/**
 * Indents JSON by its own characters: names stay in their order, and numbers and escapes as they
 * were written, which parsing and printing again would change.
 */

/** UTF-16 units of a text that is indented; longer ones are shown as they are. */
const maxCharacters = 1_048_576
/** Deeper levels are not indented further: a line of spaces says nothing. */
const maxIndent = 40

/** Indented where `text` is a JSON object or array, else as it stands. */
export function prettyJson(text: string): string {
  if (text.length > maxCharacters || !/^\s*[[{]/u.test(text) || !isJson(text)) return text
  const pieces: string[] = []
  let depth = 0
  const breakLine = (): void => {
    pieces.push(`\n${'  '.repeat(Math.min(depth, maxIndent))}`)
  }
  for (const [token] of text.matchAll(tokens)) {
    switch (token) {
      case '{':
      case '[':
        depth += 1
        pieces.push(token)
        breakLine()
        break
      case '}':
      case ']':
        depth -= 1
        breakLine()
        pieces.push(token)
        break
      case ',':
        pieces.push(token)
        breakLine()
        break
      case ':':
        pieces.push(': ')
        break
      default:
        pieces.push(token)
    }
  }
  return pieces.join('')
}

/** Empty objects and arrays are one token, so that they stay on their line. */
const tokens = /\{\s*\}|\[\s*\]|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    // Not JSON, or cut short.
    return false
  }
}
