/**
 * A rule as users write it, in `porthole.json` and, by the same names, as flags of `rules add`:
 * which fields there are, and what they mean. Mistakes are told, never guessed at.
 */
import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import { durationFactors, parseUnits } from '../base/units.ts'
import { looksLikeCredential } from '../policy/credential-name.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { isUnambiguousPath } from '../policy/request-path.ts'
import type {
  Budget,
  RateLimit,
  Rule,
  RuleAction,
  RuleMatch,
  RuleKind,
} from '../policy/rules/rule.ts'

const listShape = z.union([z.string(), z.array(z.string())]).optional()

export const ruleActions = [
  'block',
  'allow',
  'rate',
  'budget',
  'observe',
] as const satisfies readonly RuleAction[]

export const ruleShape = z.strictObject({
  name: z.string().optional(),
  action: z.enum(ruleActions),
  host: listShape,
  path: z.string().optional(),
  method: listShape,
  agent: listShape,
  model: listShape,
  tool: listShape,
  limit: z.string().optional(),
  amount: z.string().optional(),
  per: z.enum(['run', 'day', 'total']).optional(),
  scope: z.enum(['agent', 'global']).optional(),
  mode: z.enum(['enforce', 'observe']).optional(),
})

export type RuleFields = z.infer<typeof ruleShape>

/** What a rule concerns, and how much it lets pass: all but its name, its action and its mode. */
export const statedFields = [
  'host',
  'path',
  'method',
  'agent',
  'model',
  'tool',
  'limit',
  'amount',
  'per',
  'scope',
] as const satisfies ReadonlyArray<keyof RuleFields>

/** A rule that has no place yet. */
export type RuleDraft = {
  /** Undefined where one is to be made up. */
  readonly name: string | undefined
  readonly mode: Rule['mode']
  readonly match: RuleMatch
} & RuleKind

/** `spell` says how a field is written where it comes from. Throws `ERR_RULE_INVALID`, `ERR_HOST_PATTERN`, `ERR_NAME_CREDENTIAL`. */
export function parseRule(fields: RuleFields, spell: (field: string) => string): RuleDraft {
  const fail: Fail = (field, problem, next) => {
    throw new AppError('ERR_RULE_INVALID', { problem: `${spell(field)} ${problem}`, next })
  }
  const names = [fields.name ?? '', ...(listOf(fields.agent) ?? [])]
  if (names.some(looksLikeCredential)) {
    const what = looksLikeCredential(fields.name ?? '') ? 'a rule' : 'an agent'
    throw new AppError('ERR_NAME_CREDENTIAL', { what })
  }
  if (fields.name !== undefined && !isRuleName(fields.name)) {
    return fail('name', 'is no name for a rule', 'use letters, digits, dots and hyphens')
  }
  for (const field of lists) {
    // An empty variable in a script must not make a rule for everything.
    if (fields[field] === undefined || listOf(fields[field]) !== undefined) continue
    fail(field, 'is empty', 'name something, or leave it out')
  }
  const draft = {
    name: fields.name,
    mode: fields.mode ?? 'enforce',
    match: matchOf(fields, fail),
    ...kindOf(fields, fail),
  }
  const concernsAll = Object.values(draft.match).every((value) => value === undefined)
  if (concernsAll && (draft.action === 'block' || draft.action === 'allow')) {
    const next = `give it one, or ${draft.action} everything with --default-action ${draft.action}`
    return fail('host', `and all else is missing: it would ${draft.action} every request`, next)
  }
  return draft
}

/** As it would be written, without its name. */
export function fieldsOfRule(rule: Rule): Omit<RuleFields, 'name'> {
  const { hosts, path, methods, agents, models, tools } = rule.match
  return {
    action: rule.action,
    mode: rule.mode,
    host: hosts?.map(({ text }) => text),
    path,
    method: methods?.slice(),
    agent: agents?.slice(),
    model: models?.slice(),
    tool: tools?.slice(),
    ...amountFields(rule),
  }
}

function amountFields(rule: Rule): Pick<RuleFields, 'limit' | 'amount' | 'per' | 'scope'> {
  if (rule.action === 'rate') {
    const { requests, windowMs, scope } = rule.rate
    return { limit: `${requests}/${windowMs / 1000}s`, scope }
  }
  if (rule.action !== 'budget') return {}
  const { unit, amount, per, scope } = rule.budget
  return { amount: unit === 'usd' ? `$${amount}` : `${amount}tokens`, per, scope }
}

/** Whether a rule may be called so. */
export function isRuleName(name: string): boolean {
  return /^[A-Za-z\d][\w.-]{0,62}$/u.test(name)
}

/** `block-1`, or the next that is not taken. */
export function madeUpName(action: RuleAction, isTaken: (name: string) => boolean): string {
  let number = 1
  while (isTaken(`${action}-${number}`)) number += 1
  return `${action}-${number}`
}

const lists = ['host', 'method', 'agent', 'model', 'tool'] as const

type Fail = (field: string, problem: string, next: string) => never

function matchOf(fields: RuleFields, fail: Fail): RuleMatch {
  const names = (field: 'agent' | 'model' | 'tool'): readonly string[] | undefined => {
    const list = listOf(fields[field])
    const isName = field === 'agent' ? isRuleName : isPattern
    if (list?.every(isName) === false) fail(field, 'has a name in it that is none', 'check it')
    return list
  }
  return {
    hosts: listOf(fields.host)?.map(parseHostPattern),
    path: pathOf(fields.path, fail),
    methods: methodsOf(fields.method, fail),
    agents: names('agent'),
    models: names('model'),
    tools: names('tool'),
  }
}

/** Names of models and tools: anything printable, `*` for any characters. */
function isPattern(text: string): boolean {
  return /^[\x21-\x7e]{1,200}$/u.test(text)
}

function pathOf(path: string | undefined, fail: Fail): string | undefined {
  if (path === undefined) return undefined
  const bare = path.endsWith('/*') ? path.slice(0, -2) || '/' : path
  const isPlain = bare.length <= 1024 && isUnambiguousPath(bare) && !bare.includes('*')
  if (isPlain) return path
  return fail('path', 'is no path that all servers read alike', 'write it as /v1/models or /v1/*')
}

function methodsOf(given: RuleFields['method'], fail: Fail): readonly string[] | undefined {
  const methods = listOf(given)?.map((method) => method.toUpperCase())
  if (methods?.includes('CONNECT') === true) {
    fail('method', 'cannot be CONNECT', 'name the host alone: that concerns its tunnels too')
  }
  if (methods?.every((method) => /^[A-Z-]{1,32}$/u.test(method)) === false) {
    fail('method', 'is no HTTP method', 'write it as POST or GET,HEAD')
  }
  return methods
}

function kindOf(fields: RuleFields, fail: Fail): RuleKind {
  const { action, limit, amount, per, scope = 'agent' } = fields
  const own = { rate: ['limit', 'scope'], budget: ['amount', 'per', 'scope'] } as const
  const allowed: readonly string[] = action === 'rate' || action === 'budget' ? own[action] : []
  for (const field of ['limit', 'amount', 'per', 'scope'] as const) {
    if (fields[field] === undefined || allowed.includes(field)) continue
    const next = field === 'limit' ? 'rules of the action rate have one' : 'leave it out'
    fail(field, `means nothing to a rule of the action ${action}`, next)
  }
  if (action === 'rate') return { action, rate: { ...rateOf(limit, fail), scope } }
  if (action === 'budget') {
    return { action, budget: { ...amountOf(amount, fail), per: per ?? 'run', scope } }
  }
  return { action }
}

const maxRequests = 1_000_000_000
const shortestWindowMs = 1000
const longestWindowMs = 31 * 86_400_000

/** `100/1m`, `5/s`. */
function rateOf(text: string | undefined, fail: Fail): Omit<RateLimit, 'scope'> {
  const like = 'write it as 100/1m: requests, and the time in which they may pass'
  if (text === undefined) return fail('limit', 'is missing', like)
  const [count = '', time = ''] = text.split('/')
  const windowMs = parseUnits(/^\d/u.test(time) ? time : `1${time}`, durationFactors)
  const requests = /^[1-9]\d{0,9}$/u.test(count) ? Number(count) : 0
  const isRight =
    text.split('/').length === 2 &&
    requests > 0 &&
    requests <= maxRequests &&
    windowMs !== undefined
  if (!isRight) return fail('limit', `${JSON.stringify(text)} is no limit`, like)
  if (windowMs < shortestWindowMs || windowMs > longestWindowMs) {
    const next = 'count over a second at least, and 31 days at most'
    return fail('limit', `${JSON.stringify(text)} is no limit`, next)
  }
  return { requests, windowMs }
}

const tokenFactors = new Map([
  ['tokens', 1],
  ['token', 1],
  ['ktokens', 1000],
  ['mtokens', 1_000_000],
])

/** `$5`, `$0.50`, `200000tokens`. */
function amountOf(text: string | undefined, fail: Fail): Pick<Budget, 'unit' | 'amount'> {
  const like = 'write it as $5 or 200000tokens'
  if (text === undefined) return fail('amount', 'is missing', like)
  const dollars = /^\$ ?(\d{1,9}(?:\.\d{1,6})?)$/u.exec(text.trim())?.[1]
  const tokens = parseUnits(text, tokenFactors)
  if (dollars !== undefined && Number(dollars) > 0) return { unit: 'usd', amount: Number(dollars) }
  if (tokens !== undefined && tokens >= 1) return { unit: 'tokens', amount: Math.floor(tokens) }
  return fail('amount', `${JSON.stringify(text)} is no amount`, like)
}

/** A list as an array or as comma-separated text; undefined where it is empty. */
function listOf(value: string | readonly string[] | undefined): string[] | undefined {
  if (value === undefined) return undefined
  const items = (typeof value === 'string' ? [value] : value)
    .flatMap((item) => item.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '')
  return items.length === 0 ? undefined : items
}
