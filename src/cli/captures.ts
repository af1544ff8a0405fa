/** `porthole captures`: what has been recorded, what stays, and what goes. */
import type { Command } from 'commander'

import { parseUnits, sizeFactors } from '../base/units.ts'
import type { CliContext, Flags } from './context.ts'
import { resolveHome } from './context.ts'
import { readDuration, usage } from './search.ts'

const homeText = "whose captures these are (default: the platform's data folder)"

export function registerCapturesCommand(program: Command, context: CliContext): void {
  const captures = program
    .command('captures')
    .summary('list, keep, look through and remove captures')
    .description('Lists what is recorded in the captures folder, and removes what is not kept.')
    .addHelpText(
      'after',
      '\nExamples:\n  porthole captures list\n  porthole captures pin 20261121T231025Z-19514\n' +
        '  porthole captures prune --older-than 30d --max-size 5GiB --dry-run',
    )
  captures
    .command('list')
    .option('--json', 'print each capture as one line of JSON')
    .option('--home <DIR>', homeText)
    .summary('captures with their calls, tokens and cost')
    .description('Lists the captures, the oldest first, with what is in them.')
    .addHelpText('after', '\nExample:\n  porthole captures list --json')
    .action(async (flags: Flags) => {
      const { listCaptures } = await import('./captures-list.ts')
      await listCaptures(context, resolveHome(context, flags['home']), flags['json'] === true)
    })
  captures
    .command('prune')
    .option('--older-than <DURATION>', 'remove what was last written to before that, such as 30d')
    .option('--max-size <SIZE>', 'remove the oldest until the rest is no larger, such as 5GiB')
    .option('--dry-run', 'only say what would be removed')
    .option('--home <DIR>', homeText)
    .summary('remove old captures')
    .description(
      'Removes captures, with the files they were rotated into and what is indexed of them. Those of ' +
        'running proxies and pinned ones stay.',
    )
    .addHelpText('after', '\nExample:\n  porthole captures prune --older-than 30d --dry-run')
    .action(async (flags: Flags) => {
      const rules = {
        olderThanMs: readDuration(flags['olderThan'], '--older-than'),
        maxBytes: readSize(flags['maxSize'], '--max-size'),
      }
      if (rules.olderThanMs === undefined && rules.maxBytes === undefined) {
        throw usage('nothing says what is to go', 'give --older-than 30d, --max-size 5GiB or both')
      }
      const { prune } = await import('./captures-prune.ts')
      const isDryRun = flags['dryRun'] === true
      await prune(context, resolveHome(context, flags['home']), { ...rules, isDryRun })
    })
  registerScan(captures, context)
  registerPin(captures, context, true)
  registerPin(captures, context, false)
}

function registerScan(captures: Command, context: CliContext): void {
  captures
    .command('scan')
    .argument('[name...]', 'captures, as captures list names them (default: all)')
    .option('--json', 'print each find as one line of JSON')
    .option('--home <DIR>', homeText)
    .summary('captures that hold values of stored secrets')
    .description(
      'Looks for the values of the secrets that are stored now: what was recorded before a secret was ' +
        'stored could not be masked. No value is printed, and nothing is changed. Exits with 1 if any was found.',
    )
    .addHelpText('after', '\nExample:\n  porthole captures scan')
    .action(async (names: readonly string[], flags: Flags) => {
      const { scanCaptures } = await import('./captures-scan.ts')
      const isJson = flags['json'] === true
      await scanCaptures(context, resolveHome(context, flags['home']), { names, isJson })
    })
}

function registerPin(captures: Command, context: CliContext, isPinned: boolean): void {
  const name = isPinned ? 'pin' : 'unpin'
  const what = isPinned ? 'keep a capture from being pruned' : 'let a capture be pruned again'
  captures
    .command(name)
    .argument('<name>', 'the capture, as captures list names it')
    .option('--home <DIR>', homeText)
    .summary(what)
    .description(isPinned ? 'Keeps a capture, whatever its age.' : 'Undoes captures pin.')
    .addHelpText('after', `\nExample:\n  porthole captures ${name} 20261121T231025Z-19514`)
    .action(async (capture: string, flags: Flags) => {
      const { pin } = await import('./captures-prune.ts')
      await pin(context, resolveHome(context, flags['home']), capture, isPinned)
    })
}

function readSize(text: unknown, flag: string): number | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = parseUnits(text, sizeFactors)
  if (bytes !== undefined) return bytes
  throw usage(`${flag} is ${JSON.stringify(text)}`, 'write it as 5GiB or 500MB')
}
