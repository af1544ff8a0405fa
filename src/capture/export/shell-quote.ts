/**
 * Words and bytes for a POSIX shell (IEEE Std 1003.1-2017, XCU §2.2): whatever they hold, they stay
 * one word. Only what every `sh` has is used: no `$'…'`, and no `base64`, which is no part of it.
 */

/** One word, in single quotes where needed: nothing in them means anything to a shell, but a quote. */
export function quoteWord(text: string): string {
  if (/^[A-Za-z0-9_.:/][A-Za-z0-9_.:/-]*$/u.test(text)) return text
  // No argument of a program can hold one (execve).
  const word = text.replaceAll('\0', '')
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/** An argument of `printf '%b'` that gives exactly these bytes. */
export function quoteBytes(bytes: Uint8Array): string {
  const pieces = Array.from(bytes, (byte) => escapes[byte] ?? '')
  return `'${pieces.join('')}'`
}

/** `%b` takes a zero and three octal digits; printable ASCII stays as it is. */
const escapes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  const isPlain = /^[\n\x20-\x7e]$/u.test(character) && character !== '\\' && character !== "'"
  return isPlain ? character : String.raw`\0${byte.toString(8).padStart(3, '0')}`
})

export interface Secret {
  /** An environment variable, or, where known, its value. */
  readonly variable: string
  readonly value: string | undefined
}

/** A word with secrets in some places of it. */
export function quoteParts(parts: ReadonlyArray<string | Secret>): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part === '' ? '' : quoteWord(part)
      return part.value === undefined ? `"$${part.variable}"` : quoteWord(part.value)
    })
    .join('')
}
