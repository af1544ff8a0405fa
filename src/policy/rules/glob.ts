/**
 * Names with `*` for any characters, compared without case: providers differ in whether case counts,
 * and a rule must not be passed by by writing a name in capitals. No regular expression: the time it
 * takes grows with the text alone, whatever the pattern.
 */

export type Glob = (text: string) => boolean

/** Compiles a pattern; every other character stands for itself. */
export function compileGlob(pattern: string): Glob {
  const [first = '', ...rest] = foldCase(pattern).split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => foldCase(text) === first
  return (text) => {
    const folded = foldCase(text)
    if (!folded.startsWith(first)) return false
    let at = first.length
    for (const part of rest) {
      const found = folded.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return folded.length - last.length >= at && folded.endsWith(last)
  }
}

/** Lower case, with compatibility forms of characters made plain. */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}
