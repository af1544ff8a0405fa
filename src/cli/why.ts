/**
 * `porthole why`: explains what became of one exchange, tunnel or refused connection, out of the
 * capture that holds it. It asks the captures alone: no proxy is disturbed.
 */
import type { Command } from 'commander'

import type { CliContext, Flags } from './context.ts'
import { resolveHome } from './context.ts'
import { usage } from './search.ts'

export function registerWhyCommand(program: Command, context: CliContext): void {
  program
    .command('why')
    .argument('[id]', 'an exchange, or a connection; the end of an id will do, such as x17')
    .option('--last', 'the last one there is; as without an id')
    .option('--capture <FILE>', 'the capture it is in (default: the newest, then all)')
    .option('--json', 'as JSON')
    .option('--home <DIR>', "whose captures these are (default: the platform's data folder)")
    .summary('explain what became of one exchange')
    .description(
      'Explains one exchange: who sent it, whether it was read and why, which rules, budgets ' +
        'and credentials had a part in it, and how it ended.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole why\n  porthole why k3f9a2-x17\n  porthole why x17 --capture traffic.jsonl',
    )
    .action(async (id: string | undefined, flags: Flags) => {
      if (id !== undefined && flags['last'] === true) {
        throw usage('an id and --last were given', 'give one of them')
      }
      const { explain } = await import('./why-action.ts')
      const { capture, json } = flags
      await explain(context, resolveHome(context, flags['home']), {
        id,
        capture: typeof capture === 'string' ? capture : undefined,
        isJson: json === true,
      })
    })
}
