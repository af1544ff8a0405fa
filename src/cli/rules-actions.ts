/** What the subcommands of `rules` do. */
import type { Command } from 'commander'

import type { Act } from '../audit/entry.ts'
import { AppError } from '../base/errors.ts'
import type { RuleDraft, RuleFields } from '../config/rule-fields.ts'
import { fieldsOfRule, parseRule, ruleShape, statedFields } from '../config/rule-fields.ts'
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

export interface AmountFlags {
  readonly limit?: string
  readonly amount?: string
  readonly per?: 'run' | 'day' | 'total'
  readonly scope?: 'agent' | 'global'
}

export interface AddFlags extends AmountFlags {
  readonly name?: string
  readonly host?: readonly string[]
  readonly path?: string
  readonly method?: readonly string[]
  readonly agent?: readonly string[]
  readonly model?: readonly string[]
  readonly tool?: readonly string[]
  readonly observe?: boolean
}

/** What is false is taken away, as by `--no-host`. */
export interface SetFlags extends AmountFlags {
  readonly host?: readonly string[] | false
  readonly path?: string | false
  readonly method?: readonly string[] | false
  readonly agent?: readonly string[] | false
  readonly model?: readonly string[] | false
  readonly tool?: readonly string[] | false
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
  const draft = parseRule(fieldsOf(action, flags), spellFlag)
  const { rules } = await rulesOfFile(context, command)
  const elsewhere = new Set(rules.map(({ name }) => name))
  // One that is without a name yet is known by what it says.
  const act = {
    action: 'rules add',
    target: draft.name ?? sentenceOf(draft),
    details: { rule: sentenceOf(draft), mode: draft.mode },
  }
  const add = (vault: WritableVault): void =>
    tellRule(context, vault, vault.rules.add(draft, elsewhere))
  await withVault(context, command, add, act)
}

function spellFlag(field: string): string {
  return `--${field}`
}

/** What a rule says now, and what may keep it from doing what was meant. */
function tellRule(context: CliContext, vault: WritableVault, rule: Rule): void {
  const mode = rule.mode === 'observe' ? ', observed only' : ''
  tell(context, `${rule.name}: ${sentenceOf(rule)}${mode}; it holds from the next request on`)
  for (const name of unknownAgents(rule.match.agents ?? [], vault)) {
    tell(context, `there is no agent named ${name} yet; porthole agents list shows all there are`)
  }
  if (readsRequests(rule)) {
    tell(context, 'it has to read requests: it holds for hosts on the allowlist (--allow HOST)')
  }
  if (rule.action === 'allow') {
    tell(context, 'it decides where what no rule allows is blocked (--default-action block)')
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
  let isWatching = false
  const change = (vault: WritableVault): void => {
    vault.rules.setMode(name, mode)
    isWatching = vault.rules.get(name).action === 'observe'
  }
  await changeRule(context, command, change, {
    action: 'rules mode',
    target: name,
    details: { mode },
  })
  if (isWatching) tell(context, `${name} only tells of requests, in either mode`)
  else tell(context, mode === 'enforce' ? `${name} is enforced` : `${name} is only observed`)
}

/**
 * Changes what a rule of the vault says, and leaves the rest of it. Throws as `removeRule` and
 * `addRule` do, `ERR_USAGE` where nothing is to be changed, and `ERR_STORAGE_BUSY` where another
 * command changes it at the same time.
 */
export async function setRule(
  context: CliContext,
  command: Command,
  name: string,
  flags: SetFlags,
): Promise<void> {
  const isNothing = statedFields.every((field) => flags[field] === undefined)
  if (isNothing) {
    const problem = 'rules set was told nothing to change'
    throw new AppError('ERR_USAGE', { problem, next: 'see porthole rules set --help' })
  }
  await refuseRuleOfFile(context, command, name)
  const draftOf = (rule: Rule): RuleDraft => parseRule(changed(rule, flags), spellFlag)
  // What it will say is in the record of the act, which is made before the change.
  const find = (vault: WritableVault): RuleDraft => draftOf(vault.rules.get(name))
  const planned = await lookIntoVault(context, command, find, undefined)
  if (planned === undefined) throw new AppError('ERR_RULE_UNKNOWN', { name })
  const act = {
    action: 'rules set',
    target: name,
    details: { rule: sentenceOf(planned), mode: planned.mode },
  }
  const asPlanned = (rule: Rule): RuleDraft => {
    const draft = draftOf(rule)
    // Another command came in between: the record would tell of what nobody has made.
    if (sentenceOf(draft) !== sentenceOf(planned) || draft.mode !== planned.mode) {
      throw new AppError('ERR_STORAGE_BUSY', { path: 'porthole.db' })
    }
    return draft
  }
  const set = (vault: WritableVault): void =>
    tellRule(context, vault, vault.rules.set(name, asPlanned))
  await withVault(context, command, set, act)
}

function changed(rule: Rule, flags: SetFlags): RuleFields {
  const fields: Record<string, unknown> = { ...fieldsOfRule(rule) }
  for (const field of statedFields) {
    const given = flags[field]
    if (given !== undefined) fields[field] = given === false ? undefined : given
  }
  return ruleShape.parse(fields)
}

async function changeRule(
  context: CliContext,
  command: Command,
  change: (vault: WritableVault) => void,
  act: Omit<Act, 'user'> & { readonly target: string },
): Promise<void> {
  await refuseRuleOfFile(context, command, act.target)
  await withVault(context, command, change, act)
}

async function refuseRuleOfFile(
  context: CliContext,
  command: Command,
  name: string,
): Promise<void> {
  const { path, rules } = await rulesOfFile(context, command)
  if (rules.some((rule) => rule.name === name)) {
    throw new AppError('ERR_RULE_OF_FILE', { name, path })
  }
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
  return {
    name: rule.name,
    ...fieldsOfRule(rule),
    from: rule.origin,
    ...(rule.origin === 'vault' ? { createdAt: formatMoment(rule.createdAt) } : {}),
  }
}

function sentenceOf(rule: Pick<Rule, 'match'> & RuleKind): string {
  const amount = describeAmount(rule)
  return `${rule.action} ${describeMatch(rule)}${amount === '' ? '' : ` (${amount})`}`
}
