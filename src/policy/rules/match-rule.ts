/**
 * Whether a rule concerns a request. Rules that limit (block, rate, budget, observe) read widely:
 * whatever some server may take for the path, the model or the method of the rule counts, a host
 * without a port stands for all of its ports, and what readers may take differently is `unknown`,
 * never `no`. Rules that allow read narrowly: only what every reader takes alike. Pure.
 */
import type { Authority } from '../authority.ts'
import { matchesAny } from '../host-pattern.ts'
import { hasDotDot, isUnambiguousPath, matchesPath } from '../request-path.ts'
import type { Glob } from './glob.ts'
import { compileGlob, foldCase } from './glob.ts'
import type { Rule } from './rule.ts'

/** `unknown`: it depends on what was not read, or on who reads it. */
export type Match = 'yes' | 'no' | 'unknown'

/** Names that a request gives, as readers of it may find them. */
export interface RequestNames {
  /** Every one that some reader may take for the model, each in the spellings that mean the same. */
  readonly models: ReadonlyArray<readonly string[]>
  /** What else could be taken for a model, and is no reason to allow anything. */
  readonly possible: readonly string[]
  readonly tools: readonly string[]
  /** False where a reader may find others than these. */
  readonly isCertain: boolean
}

/** What rules are asked about. */
export interface RuleSubject {
  readonly authority: Authority
  /** What a host without a port stands for where a rule allows it. */
  readonly schemePort: 80 | 443
  readonly agent: string | undefined
  /** Upper case, with those that a field asks for in its stead; undefined where it is not read. */
  readonly methods: readonly string[] | undefined
  /** Without its query; undefined where it is not read. */
  readonly path: string | undefined
  /** What else it may be sent as: tokens in it may be taken out; and what servers make of that. */
  readonly otherPaths?: { readonly sent: readonly string[]; readonly readings: readonly string[] }
  /** Undefined where they have not been read, or not yet. */
  readonly names: RequestNames | undefined
}

export function matchRule(rule: Rule, subject: RuleSubject): Match {
  const { hosts, agents, methods } = rule.match
  const isNarrow = rule.action === 'allow'
  const { authority, agent } = subject
  const port = isNarrow ? subject.schemePort : authority.port
  if (hosts !== undefined && !matchesAny(hosts, authority, port)) return 'no'
  if (agents !== undefined && (agent === undefined || !agents.includes(agent))) return 'no'
  const parts = [
    matchMethods(methods, subject.methods, isNarrow),
    matchPaths(rule, subject, isNarrow),
    matchNames(compiled(rule).models, modelsOf(subject.names), isNarrow),
    matchNames(compiled(rule).tools, toolsOf(subject.names), isNarrow),
  ]
  let match: Match = 'yes'
  for (const part of parts) {
    if (part === 'no') return 'no'
    if (part === 'unknown') match = 'unknown'
  }
  return match
}

/** Whether the rule asks for what only a request's body, or its path, may name. */
export function needsNames({ match }: Rule): boolean {
  return match.models !== undefined || match.tools !== undefined
}

function matchMethods(
  wanted: readonly string[] | undefined,
  methods: readonly string[] | undefined,
  isNarrow: boolean,
): Match {
  if (wanted === undefined) return 'yes'
  if (methods === undefined) return 'unknown'
  const fits = (method: string): boolean => wanted.includes(method)
  return (isNarrow ? methods.every(fits) : methods.some(fits)) ? 'yes' : 'no'
}

/** Whichever of them is sent. */
function matchPaths(rule: Rule, { path, otherPaths }: RuleSubject, isNarrow: boolean): Match {
  const first = matchRulePath(rule, path, isNarrow)
  if (otherPaths === undefined) return first
  const all = new Set([first])
  const others = isNarrow ? otherPaths.sent : otherPaths.readings
  for (const other of others) all.add(matchRulePath(rule, other, isNarrow))
  const order: readonly Match[] = isNarrow ? ['no', 'unknown'] : ['yes', 'unknown']
  return order.find((match) => all.has(match)) ?? first
}

function matchRulePath(rule: Rule, path: string | undefined, isNarrow: boolean): Match {
  const wanted = rule.match.path
  if (wanted === undefined) return 'yes'
  if (path === undefined || !isUnambiguousPath(path)) return 'unknown'
  if (isNarrow) return matchesPath(wanted, path) ? 'yes' : 'no'
  const loose = looseForm(path)
  if (loose === undefined) return 'unknown'
  const { loosePath } = compiled(rule)
  const bound = wanted.endsWith('/*') ? `${loosePath}/*` : loosePath
  return matchesPath(bound, loose) ? 'yes' : 'no'
}

/**
 * As the most lenient server may read it: decoded, without case, without a slash at its end.
 * Undefined for what changes its segments on the way.
 */
function looseForm(path: string): string | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    // Not UTF-8: nobody knows what is made of it.
    return undefined
  }
  const folded = foldCase(decoded)
  if (folded.includes('//') || hasDotDot(folded)) return undefined
  return folded.replace(/\/+$/u, '')
}

interface NameList {
  readonly names: ReadonlyArray<readonly string[]>
  readonly possible: readonly string[]
  readonly isCertain: boolean
}

function modelsOf(names: RequestNames | undefined): NameList | undefined {
  if (names === undefined) return undefined
  return { names: names.models, possible: names.possible, isCertain: names.isCertain }
}

function toolsOf(names: RequestNames | undefined): NameList | undefined {
  if (names === undefined) return undefined
  return { names: names.tools.map((name) => [name]), possible: [], isCertain: names.isCertain }
}

function matchNames(
  wanted: readonly Glob[] | undefined,
  given: NameList | undefined,
  isNarrow: boolean,
): Match {
  if (wanted === undefined) return 'yes'
  if (given === undefined) return 'unknown'
  const isWanted = (name: string): boolean => wanted.some((glob) => glob(name))
  const fits = (spellings: readonly string[]): boolean => spellings.some(isWanted)
  if (isNarrow) {
    if (given.names.length === 0 || !given.names.every(fits)) return 'no'
    return given.isCertain ? 'yes' : 'unknown'
  }
  if (given.names.some(fits) || given.possible.some(isWanted)) return 'yes'
  return given.isCertain ? 'no' : 'unknown'
}

interface Compiled {
  readonly models: readonly Glob[] | undefined
  readonly tools: readonly Glob[] | undefined
  /** The path without the star, in the form in which paths are compared. */
  readonly loosePath: string
}

/** Rules live as long as the set that they came in. */
const known = new WeakMap<Rule, Compiled>()

function compiled(rule: Rule): Compiled {
  let found = known.get(rule)
  if (found === undefined) {
    const { models, tools, path = '' } = rule.match
    const bare = path.replace(/\/\*$/u, '')
    found = {
      models: models?.map(compileGlob),
      tools: tools?.map(compileGlob),
      loosePath: looseForm(bare) ?? bare,
    }
    known.set(rule, found)
  }
  return found
}
