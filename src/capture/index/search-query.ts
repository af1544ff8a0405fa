/**
 * From what a user types to a query of FTS5: words, `prefix*` and "phrases", all of which must be
 * there. Nothing else has a meaning: every word is quoted, so that no quote, operator or column name
 * of a text can be one of the query.
 */

/** A query longer than this says nothing that a shorter one does not. */
const maxTerms = 64
/** A phrase to its closing quote or to the end, or what stands between spaces. */
const term = /"([^"]*)(?:"(\*?)|$)|([^\s"]+)/gu
/** What the tokenizer sees as part of a word (`unicode61`): letters, numbers and private use. */
const hasWord = /[\p{L}\p{N}\p{Co}]/u

/** Undefined where `text` holds no word at all. */
export function toMatch(text: string): string | undefined {
  const terms: string[] = []
  for (const [, phrase, phraseStar, word] of text.replaceAll('\u0000', ' ').matchAll(term)) {
    const isPrefix = phraseStar === '*' || (word?.endsWith('*') ?? false)
    const said = phrase ?? word ?? ''
    if (!hasWord.test(said)) continue
    terms.push(`"${said}"${isPrefix ? '*' : ''}`)
    if (terms.length === maxTerms) break
  }
  return terms.length === 0 ? undefined : terms.join(' ')
}
