/**
 * Untrusted text within Markdown (CommonMark): in fences and code spans longer than any in it, so
 * that nothing of it is read as markup, and nothing of it controls a terminal.
 */
import { visibleLine, visibleText } from '../../base/visible-text.ts'

/** A code block (CommonMark §4.5); ends with a newline. */
export function fenced(text: string, language = ''): string {
  const safe = visibleText(text)
  const fence = '`'.repeat(Math.max(3, longestRun(safe) + 1))
  return `${fence}${language}\n${safe}${safe.endsWith('\n') || safe === '' ? '' : '\n'}${fence}\n`
}

/** A code span (CommonMark §6.1), of the first `limit` UTF-16 units. */
export function inCode(text: string, limit = 200): string {
  const safe = visibleLine(text.length > limit ? `${text.slice(0, limit)}…` : text)
  const mark = '`'.repeat(longestRun(safe) + 1)
  // A backtick at the edge, or nothing at all, needs a space; one on each side is taken away again.
  const edge = /^`|`$|^ .* $|^$/u.test(safe) ? ' ' : ''
  return `${mark}${edge}${safe}${edge}${mark}`
}

function longestRun(text: string): number {
  let longest = 0
  for (const [run] of text.matchAll(/`+/gu)) longest = Math.max(longest, run.length)
  return longest
}
