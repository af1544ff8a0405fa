/** `porthole search`: finds calls in the captures of the data folder by what was said in them. */
import type { Command } from 'commander'

import { AppError } from '../base/errors.ts'
import { durationFactors, parseUnits } from '../base/units.ts'
import type { Filter } from '../query/filter.ts'
import type { CliContext, Flags } from './context.ts'
import { resolveHome } from './context.ts'
import { readFilter } from './filter-option.ts'

const defaultLimit = 20

export function registerSearchCommand(program: Command, context: CliContext): void {
  program
    .command('search')
    .argument('[text...]', 'words that must all be there; "a phrase", and the beginning of a word*')
    .option(
      '--filter <EXPR>',
      'only calls that a filter matches, such as "~model opus & ~cost > 0.5"',
    )
    .option('--since <DURATION>', 'only calls of the last 7d, 12h, …')
    .option('--limit <N>', 'the most that are shown', String(defaultLimit))
    .option('--json', 'print each hit as one line of JSON')
    .option('--rebuild', 'make the index anew from the captures first')
    .option('--home <DIR>', "whose captures are searched (default: the platform's data folder)")
    .summary('find calls in your captures')
    .description(
      'Finds calls by what was said in them: prompts, answers, tool calls and their results. ' +
        'What repeats within a capture is found where it was said first. Without TEXT the latest ' +
        'calls are shown. Captures are indexed as they are needed.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole search rate limit\n  porthole search \'"connection refused"\' --since 7d\n' +
        "  porthole search 'config*' --filter '~model opus & ~cost > 0.5'\n" +
        '  porthole view CAPTURE opens what stands at the end of a line, at the exchange named there',
    )
    .action(async (text: string[], flags: Flags) => {
      const options = readOptions(context, text, flags)
      // Loaded here, so that no other command pays for the database.
      const { search } = await import('./search-action.ts')
      await search(context, resolveHome(context, flags['home']), options)
    })
}

export interface SearchRequest {
  readonly text: string
  readonly filter: Filter | undefined
  /** Milliseconds back from now. */
  readonly sinceMs: number | undefined
  readonly limit: number
  readonly json: boolean
  readonly rebuild: boolean
}

function readOptions(context: CliContext, words: readonly string[], flags: Flags): SearchRequest {
  const limit = Number(flags['limit'])
  const filter = flags['filter']
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw usage(`--limit is ${JSON.stringify(flags['limit'])}`, 'write a number from 1 on')
  }
  return {
    text: words.join(' '),
    filter: typeof filter === 'string' ? readFilter(filter, context.stderr) : undefined,
    sinceMs: readDuration(flags['since'], '--since'),
    limit,
    json: flags['json'] === true,
    rebuild: flags['rebuild'] === true,
  }
}

/** Undefined where it is not given. Throws ERR_USAGE. */
export function readDuration(text: unknown, flag: string): number | undefined {
  if (typeof text !== 'string') return undefined
  const milliseconds = parseUnits(text, durationFactors)
  if (milliseconds !== undefined) return milliseconds
  throw usage(`${flag} is ${JSON.stringify(text)}`, 'write it as 30d, 12h or 45m')
}

export function usage(problem: string, next: string): AppError {
  return new AppError('ERR_USAGE', { problem, next })
}
