/** `porthole rules test` and `porthole rules suggest`: rules on recorded traffic. */
import type { Command } from 'commander'
import { Option } from 'commander'

import type { CliContext } from './context.ts'
import { withConfig } from './rules-actions.ts'

interface TestFlags {
  readonly json?: boolean
  readonly ruleFile?: string
  readonly defaultAction?: 'allow' | 'block'
}

/** Adds both to `rules`. */
export function registerRulesTest(rules: Command, context: CliContext): void {
  withConfig(rules.command('test'))
    .argument('<capture>', 'the capture, .jsonl or .jsonl.gz; files it was rotated into follow')
    .option(
      '--rule-file <FILE>',
      'the rules of this file alone: porthole.json, or an array of rules',
    )
    .addOption(
      new Option('--default-action <ACTION>', 'what becomes of what no rule decides').choices([
        'allow',
        'block',
      ]),
    )
    .option('--json', 'as JSON')
    .summary('try the rules on recorded traffic')
    .description(
      'Tells what the rules would have made of recorded traffic, in the time of the recording: rates ' +
        'count by its clock, budgets what its calls cost. Nothing is changed.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole rules test traffic.jsonl\n' +
        '  porthole rules suggest traffic.jsonl --json > rules.json\n' +
        '  porthole rules test later.jsonl --rule-file rules.json',
    )
    .action(async (capture: string, flags: TestFlags, command: Command) => {
      const { testRules } = await import('./rules-test-action.ts')
      await testRules(context, capture, {
        ...command.optsWithGlobals<{ home?: string; config?: string }>(),
        ...flags,
      })
    })
  rules
    .command('suggest')
    .argument('<capture>', 'the capture, .jsonl or .jsonl.gz; files it was rotated into follow')
    .option('--json', 'as the rules of porthole.json')
    .summary('print the tightest rules that let recorded traffic pass')
    .description(
      'Prints the tightest rules that let all of the recorded traffic pass and nothing else: allow ' +
        'rules for a proxy that blocks by default, and limits at the peaks that were seen.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole rules suggest traffic.jsonl\n' +
        '  porthole rules suggest traffic.jsonl --json > rules.json',
    )
    .action(async (capture: string, flags: { readonly json?: boolean }) => {
      const { suggest } = await import('./rules-suggest-action.ts')
      await suggest(context, capture, flags.json === true)
    })
}
