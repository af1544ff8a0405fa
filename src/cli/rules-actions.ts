/** What the subcommands of `rules` do. */
import type { Command } from 'commander'

import type { Act } from '../audit/entry.ts'
import { AppError } from '../base/errors.ts'
import type { RuleFields } from '../config/rule-fields.ts'
import { parseRule } from '../config/rule-fields.ts'
import { rulesIn } from '../config/settings.ts'
import { describeAmount, describeMatch } from '../policy/rules/describe-rule.ts'
import type { Rule, RuleAction, RuleKind } from '../policy/rules/rule.ts'
import type { WritableVault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import { readConfig, resolveHome } from './context.ts'
import { runAgent } from './session-vault.ts'
import {
  formatMoment,
  formatTable,
  lookIntoVault,
  printJson,
  tell,
  withHome,
  withVault,
} from './vault-commands.ts'

export interface AddFlags {
  readonly name?: string
  readonly host?: readonly string[]
  readonly path?: string
  readonly method?: readonly string[]
  readonly agent?: readonly string[]
  readonly model?: readonly string[]
  readonly tool?: readonly string[]
  readonly limit?: string
  readonly amount?: string
  readonly per?: 'run' | 'day' | 'total'
  readonly scope?: 'agent' | 'global'
  readonly observe?: boolean
}

/** Gives a command its `--home`, and the file that holds rules too. */
export function withConfig(command: Command): Command {
  return withHome(command).option('--config <FILE>', 'configuration file with further rules')
}

/** Makes a rule in the vault. Throws `ERR_RULE_INVALID`, `ERR_NAME_TAKEN`, `ERR_HOST_PATTERN`. */
export async function addRule(
  context: CliContext,
  command: Command,
  action: RuleAction,
  flags: AddFlags,
): Promise<void> {
  const draft = parseRule(fieldsOf(action, flags), (field) => `--${field}`)
  const { rules } = await rulesOfFile(context, command)
  const elsewhere = new Set(rules.map(({ name }) => name))
  // One that is without a name yet is known by what it says.
  const act = {
    action: 'rules add',
    target: draft.name ?? sentenceOf(draft),
    details: { rule: sentenceOf(draft), mode: draft.mode },
  }
  const add = (vault: WritableVault): { readonly rule: Rule; readonly unknown: string[] } => ({
    rule: vault.rules.add(draft, elsewhere),
    unknown: unknownAgents(draft.match.agents ?? [], vault),
  })
  const { rule, unknown } = await withVault(context, command, add, act)
  const mode = rule.mode === 'observe' ? ', observed only' : ''
  tell(context, `${rule.name}: ${sentenceOf(rule)}${mode}; it holds from the next request on`)
  for (const name of unknown) {
    tell(context, `there is no agent named ${name} yet; porthole agents list shows all there are`)
  }
  if (readsRequests(rule)) {
    tell(context, 'it has to read requests: it holds for hosts on the allowlist (--allow HOST)')
  }
}

/** A rule for an agent that there is not decides nothing, and a name in another case is none. */
function unknownAgents(agents: readonly string[], vault: WritableVault): string[] {
  const known = new Set([runAgent, ...vault.agents.list().map(({ name }) => name)])
  return agents.filter((name) => !known.has(name))
}

/** Whether it names what a tunnel does not show. */
function readsRequests({ action, match }: Rule): boolean {
  const { path, methods, models, tools } = match
  const isRead = [path, methods, models, tools].some((part) => part !== undefined)
  return isRead || action === 'budget'
}

function fieldsOf(action: RuleAction, { observe, ...fields }: AddFlags): RuleFields {
  const list = (value: readonly string[] | undefined): string[] | undefined => value?.slice()
  return {
    action,
    name: fields.name,
    host: list(fields.host),
    path: fields.path,
    method: list(fields.method),
    agent: list(fields.agent),
    model: list(fields.model),
    tool: list(fields.tool),
    limit: fields.limit,
    amount: fields.amount,
    per: fields.per,
    scope: fields.scope,
    mode: observe === true ? 'observe' : undefined,
  }
}

/** Prints the rules of vault and file. */
export async function listRules(
  context: CliContext,
  command: Command,
  isJson: boolean,
): Promise<void> {
  const rules = await allRules(context, command)
  if (isJson) {
    printJson(context, rules.map(forJson))
  } else if (rules.length === 0) tell(context, 'no rules yet; porthole rules add makes one')
  else {
    const rows = rules.map((rule) => [
      rule.name,
      rule.action,
      rule.mode,
      describeMatch(rule),
      describeAmount(rule) || '-',
      rule.origin,
    ])
    const head = ['NAME', 'ACTION', 'MODE', 'CONCERNS', 'AMOUNT', 'FROM']
    context.stdout.write(formatTable([head, ...rows]))
  }
}

/** Prints one rule as JSON. Throws `ERR_RULE_UNKNOWN`. */
export async function showRule(context: CliContext, command: Command, name: string): Promise<void> {
  const rule = (await allRules(context, command)).find((known) => known.name === name)
  if (rule === undefined) throw new AppError('ERR_RULE_UNKNOWN', { name })
  printJson(context, forJson(rule))
}

/** Throws `ERR_RULE_UNKNOWN`, and `ERR_RULE_OF_FILE` for one that is not the vault's. */
export async function removeRule(
  context: CliContext,
  command: Command,
  name: string,
): Promise<void> {
  await changeRule(context, command, (vault) => vault.rules.remove(name), {
    action: 'rules remove',
    target: name,
  })
  tell(context, `${name} is gone`)
}

/** Throws as `removeRule` does. */
export async function setRuleMode(
  context: CliContext,
  command: Command,
  name: string,
  mode: Rule['mode'],
): Promise<void> {
  await changeRule(context, command, (vault) => vault.rules.setMode(name, mode), {
    action: 'rules mode',
    target: name,
    details: { mode },
  })
  tell(context, mode === 'enforce' ? `${name} is enforced` : `${name} is only observed`)
}

async function changeRule(
  context: CliContext,
  command: Command,
  change: (vault: WritableVault) => void,
  act: Omit<Act, 'user'> & { readonly target: string },
): Promise<void> {
  const { path, rules } = await rulesOfFile(context, command)
  if (rules.some((rule) => rule.name === act.target)) {
    throw new AppError('ERR_RULE_OF_FILE', { name: act.target, path })
  }
  await withVault(context, command, change, act)
}

async function allRules(context: CliContext, command: Command): Promise<readonly Rule[]> {
  const { rules } = await rulesOfFile(context, command)
  const own = await lookIntoVault(context, command, (vault) => vault.rules.list(), [])
  return [...own, ...rules]
}

async function rulesOfFile(
  context: CliContext,
  command: Command,
): Promise<{ readonly path: string; readonly rules: readonly Rule[] }> {
  const flags = command.optsWithGlobals()
  const file = await readConfig(context, resolveHome(context, flags['home']), flags['config'])
  return file === undefined ? { path: '', rules: [] } : { path: file.path, rules: rulesIn(file) }
}

/** As `porthole.json` would have it, and where it comes from. */
function forJson(rule: Rule): Record<string, unknown> {
  const { hosts, path, methods, agents, models, tools } = rule.match
  return {
    name: rule.name,
    action: rule.action,
    mode: rule.mode,
    host: hosts?.map(({ text }) => text),
    path,
    method: methods,
    agent: agents,
    model: models,
    tool: tools,
    ...amountFields(rule),
    from: rule.origin,
    ...(rule.origin === 'vault' ? { createdAt: formatMoment(rule.createdAt) } : {}),
  }
}

function amountFields(rule: Rule): Record<string, unknown> {
  if (rule.action === 'rate') {
    const { requests, windowMs, scope } = rule.rate
    return { limit: `${requests}/${windowMs / 1000}s`, scope }
  }
  if (rule.action !== 'budget') return {}
  const { unit, amount, per, scope } = rule.budget
  return { amount: unit === 'usd' ? `$${amount}` : `${amount}tokens`, per, scope }
}

function sentenceOf(rule: Pick<Rule, 'match'> & RuleKind): string {
  const amount = describeAmount(rule)
  return `${rule.action} ${describeMatch(rule)}${amount === '' ? '' : ` (${amount})`}`
}
