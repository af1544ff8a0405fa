/**
 * Pieces of plain text that stand in whatever a regular expression matches: looking for them is
 * quick, and most texts lack one. Understood are expressions without groups and alternatives.
 */

/** One atom and what repeats it; `{…}` may be text in the older grammar, and is passed over. */
const step = /(?<atom>\\.|\[(?:[^\]\\]|\\.)*\]|.)(?<repetition>(?:[*+?]|\{[^}]*\})\??)?/gsu

/** All of them of two characters or more. `source` is a valid expression. */
export function requiredLiterals(source: string): string[] {
  if (/[(|]|\\[0-9xuckpP]/u.test(source)) return []
  const literals = ['']
  for (const { groups } of source.matchAll(step)) {
    const literal = groups?.['repetition'] === undefined ? literalOf(groups?.['atom'] ?? '') : ''
    if (literal === '') literals.push('')
    else literals.push((literals.pop() ?? '') + literal)
  }
  return literals.filter(({ length }) => length > 1)
}

/** Empty for what may stand for several characters, or for a place. */
function literalOf(atom: string): string {
  if (/^\\\W$/u.test(atom)) return atom.slice(1)
  return /^[.^$[\\]/u.test(atom) ? '' : atom
}
