/**
 * What backtracking over a regular expression can cost at most, told from its source: each
 * repetition may try every length, from every place of the text.
 */

export interface PatternCost {
  /** Infinite where repetitions stand within each other, or a part is matched against itself. */
  readonly repetitions: number
  /** Steps at one place for one choice of lengths. */
  readonly factor: number
}

export function costOf(source: string): PatternCost {
  const plain = withoutPlainGroups(
    source.replaceAll(/\\[^1-9k]|\[(?:[^\]\\]|\\.)*\]/gsu, (atom) =>
      /^\\\w/u.test(atom) || atom.startsWith('[') ? '.' : 'x',
    ),
  )
  if (/\)[*+{]|\\[1-9k]/u.test(plain)) return { repetitions: Infinity, factor: 1 }
  // A second mark only says which length is tried first.
  const eager = plain.replaceAll(/([*+?}])\?/gu, '$1')
  const repetitions = eager.match(/[*+{]|[^(]\?/gu)?.length ?? 0
  // Alternatives one after the other multiply, as in `(a|b)(c|d)`; those of no group only add up.
  const choices = plain.includes('(') ? (plain.match(/\|/gu)?.length ?? 0) : 0
  return { repetitions, factor: 2 ** choices * source.length }
}

/** Steps over a text of so many characters. */
export function mostSteps({ repetitions, factor }: PatternCost, length: number): number {
  return length < 2 ? factor : length ** (repetitions + 1) * factor
}

/** Groups that can match in one way only, from the inside out, as the single step that they are. */
function withoutPlainGroups(source: string): string {
  let plain = source
  for (let before = ''; plain !== before;) {
    before = plain
    plain = before.replaceAll(/\((?:\?:)?([^()*+?{]*)\)/gu, (group, body: string) =>
      hasOneWay(body.split('|')) ? 'x' : group,
    )
  }
  return plain
}

/** Each alternative begins with a letter or digit of its own. */
function hasOneWay(alternatives: readonly string[]): boolean {
  if (alternatives.length === 1) return true
  const firsts = alternatives.map((text) => /^[a-z0-9]/iu.exec(text)?.[0].toLowerCase())
  return !firsts.includes(undefined) && new Set(firsts).size === firsts.length
}
