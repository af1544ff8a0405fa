/**
 * `porthole rules …`: which requests may pass, how many, and what is only to be watched. Rules made
 * here are kept in the vault, and hold in every proxy of that folder from the next request on.
 */
import type { Command } from 'commander'
import { Argument, Option } from 'commander'

import { ruleActions } from '../config/rule-fields.ts'
import type { CliContext } from './context.ts'
import type { AddFlags, SetFlags } from './rules-actions.ts'
import {
  addRule,
  listRules,
  removeRule,
  setRule,
  setRuleMode,
  showRule,
  withConfig,
} from './rules-actions.ts'
import { registerRulesTest } from './rules-test.ts'

/** Adds `rules` and its subcommands to `program`. */
export function registerRulesCommand(program: Command, context: CliContext): void {
  const rules = program
    .command('rules')
    .description('say which requests may pass, and how many')
    .addHelpText(
      'after',
      '\nExamples:\n  porthole rules add block --host api.openai.com --model "gpt-4*"\n' +
        '  porthole rules add rate --agent ci --limit 100/1m\n  porthole rules list',
    )
  registerAdd(rules, context)
  registerSet(rules, context)
  withConfig(rules.command('list'))
    .option('--json', 'as JSON')
    .description('print all rules, those of porthole.json too')
    .addHelpText('after', '\nExample:\n  porthole rules list')
    .action((flags: { readonly json?: boolean }, command: Command) =>
      listRules(context, command, flags.json === true),
    )
  withConfig(rules.command('show'))
    .argument('<name>')
    .description('print one rule, as porthole.json would have it')
    .addHelpText('after', '\nExample:\n  porthole rules show block-1')
    .action((name: string, _flags, command: Command) => showRule(context, command, name))
  withConfig(rules.command('remove'))
    .argument('<name>')
    .description('take a rule away, from the next request on')
    .addHelpText('after', '\nExample:\n  porthole rules remove block-1')
    .action((name: string, _flags, command: Command) => removeRule(context, command, name))
  withConfig(rules.command('mode'))
    .argument('<name>')
    .addArgument(new Argument('<mode>').choices(['enforce', 'observe']))
    .description('enforce a rule, or only tell what it would have decided')
    .addHelpText('after', '\nExample:\n  porthole rules mode block-1 enforce')
    .action((name: string, mode: 'enforce' | 'observe', _flags, command: Command) =>
      setRuleMode(context, command, name, mode),
    )
  registerRulesTest(rules, context)
}

const examples = `
Examples:
  porthole rules add block --host api.openai.com --path '/v1/files/*' --method POST,DELETE
  porthole rules add block --model 'gpt-4*' --name no-gpt-4
  porthole rules add allow --host api.anthropic.com     (with --default-action block)
  porthole rules add rate --host api.openai.com --limit 100/1m --scope global
  porthole rules add budget --agent ci --amount '$5' --per day
  porthole rules add observe --tool 'bash'

What a rule names must all fit; lists fit by any of their members; what it does not name fits
everything. A host without a port means all of its ports, but in an allow rule 443 alone (80 for
plain HTTP). Block rules win over all others. Rules on models and tools read the bodies of requests
to decrypted hosts; what passes through a tunnel is held to its host alone.`

function registerAdd(rules: Command, context: CliContext): void {
  const add = withConfig(rules.command('add'))
    .addArgument(new Argument('<action>').choices(ruleActions))
    .option('--name <NAME>', 'shown in messages and refusals (default: one is made up)')
  withFields(add, { per: ' (default: run)', scope: ' (default: agent)' })
    .option('--observe', 'only tell what it would have decided')
    .description('make a rule')
    .addHelpText('after', examples)
    .action((action: (typeof ruleActions)[number], flags: AddFlags, command: Command) =>
      addRule(context, command, action, flags),
    )
}

function registerSet(rules: Command, context: CliContext): void {
  const set = withConfig(rules.command('set')).argument('<name>')
  withFields(set, { per: '', scope: '' })
  for (const part of ['host', 'path', 'method', 'agent', 'model', 'tool']) {
    set.option(`--no-${part}`, `let it concern any ${part}`)
  }
  set
    .description('change what a rule says; what is not named stays as it is')
    .addHelpText('after', setExamples)
    .action((name: string, flags: SetFlags, command: Command) =>
      setRule(context, command, name, flags),
    )
}

const setExamples = `
Examples:
  porthole rules set daily --amount '$10'
  porthole rules set rate-1 --limit 200/1m
  porthole rules set no-gpt-4 --model 'gpt-4*,o1*' --no-host

It keeps its name, its mode and what it has counted so far, and holds as changed from the next
request on. A list replaces the list from before.`

/** What a rule says, as options. */
function withFields(
  command: Command,
  defaults: { readonly per: string; readonly scope: string },
): Command {
  const list = (flag: string, help: string): Option =>
    new Option(flag, help).argParser((value: string, before: unknown) => [
      ...(Array.isArray(before) ? before.map(String) : []),
      value,
    ])
  const periods = ['run', 'day', 'total']
  const scopes = ['agent', 'global']
  return command
    .addOption(list('--host <HOST[,…]>', 'hosts, as in --allow: host, *.host, host:port'))
    .option('--path <PATH>', 'a path, or /v1/* for /v1 and all below it; without the query')
    .addOption(list('--method <METHOD[,…]>', 'such as POST'))
    .addOption(list('--agent <NAME[,…]>', 'agents of the vault'))
    .addOption(list('--model <NAME[,…]>', 'models; * stands for any characters'))
    .addOption(list('--tool <NAME[,…]>', 'tools that are offered to the model; * as above'))
    .option('--limit <N/TIME>', 'of a rate: requests that may pass in a time, such as 100/1m')
    .option('--amount <AMOUNT>', 'of a budget: $5 or 200000tokens')
    .addOption(new Option('--per <run|day|total>', `of a budget${defaults.per}`).choices(periods))
    .addOption(
      new Option(
        '--scope <agent|global>',
        `count each agent by itself, or all together${defaults.scope}`,
      ).choices(scopes),
    )
}
