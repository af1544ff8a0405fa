/** `--filter`, the same for every command that has it. */
import { stat } from 'node:fs/promises'

import { AppError } from '../base/errors.ts'
import { filterGrammar } from '../query/filter-grammar.ts'
import { renderFilterProblem } from '../query/filter-problem.ts'
import { parseFilter } from '../query/filter.ts'
import type { Filter } from '../query/filter.ts'

export const filterOptionHelp = 'only exchanges that match, such as ~model opus & ~cost > 0.5'

/** Nobody waits for the next key here: what takes long is looked through all the same. */
const patienceMs = 60_000

/** Throws ERR_FILTER, once the mistake has been shown in its place. */
export function readFilter(text: string, stderr: NodeJS.WritableStream): Filter {
  const parsed = parseFilter(text, patienceMs)
  if (parsed.ok) return parsed.filter
  stderr.write(`${renderFilterProblem(text, parsed)}\n`)
  throw new AppError('ERR_FILTER', { problem: parsed.problem })
}

/** For `--help`: the words of the language. */
export function filterHelp(): string {
  const width = Math.max(...filterGrammar.map(({ syntax }) => syntax.length))
  const rows = filterGrammar.map(({ syntax, meaning }) => `  ${syntax.padEnd(width)}  ${meaning}`)
  return `\nA filter may say:\n${rows.join('\n')}\n`
}

/** Throws ERR_USAGE for a pipe: what is read from it is gone. A file that is not there is told later. */
export async function assertReadableTwice(path: string, why: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.isFile() || found.isDirectory()) return
  throw new AppError('ERR_USAGE', {
    problem: `${why} reads the capture twice, and ${path} can be read only once`,
    next: 'write it to a file first',
  })
}

/** Says it where the filter gave up on texts: they counted as no match. */
export function tellSkipped(filter: Filter | undefined, stderr: NodeJS.WritableStream): void {
  const count = filter?.skipped ?? 0
  if (count === 0) return
  const texts = count === 1 ? 'one text' : `${count} texts`
  stderr.write(`porthole: the filter took too long on ${texts}; they counted as no match\n`)
}
