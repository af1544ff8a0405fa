/**
 * From what was seen to the tightest rules that let all of it pass: allow rules by host, path,
 * method and model, with all else blocked by default. What no rule can name (a path that servers
 * read in different ways, a model with a comma in it) is allowed a little wider, and that is said.
 * Pure.
 */
import type { RuleFields } from '../config/rule-fields.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { isUnambiguousPath } from '../policy/request-path.ts'
import { groupPaths } from './path-groups.ts'

export interface ObservedRequest {
  readonly host: string
  readonly port: number
  readonly scheme: 'http' | 'https'
  /** Upper case, with those that a field asks for in its stead. */
  readonly methods: readonly string[]
  /** Without its query. */
  readonly path: string
  /** In all spellings of each; undefined where they are not known for sure. */
  readonly models: ReadonlyArray<readonly string[]> | undefined
}

export interface Observed {
  readonly requests: readonly ObservedRequest[]
  readonly tunnels: ReadonlyArray<{ readonly host: string; readonly port: number }>
}

export interface SuggestedRules {
  readonly rules: readonly RuleFields[]
  /** One line each, about what had to be allowed wider than it was seen. */
  readonly notes: readonly string[]
}

/** A list of rules holds no more than a thousand; some room is left for those of the user. */
const maxRules = 900

/** Throws where a host cannot be named by a pattern, `ERR_HOST_PATTERN`. */
export function suggestRules({ requests, tunnels }: Observed): SuggestedRules {
  const notes: string[] = []
  const hosts = new Map<string, ObservedRequest[]>()
  for (const request of requests) {
    const schemePort = request.scheme === 'http' ? 80 : 443
    const pattern = patternOf(request.host, request.port, schemePort)
    const known = hosts.get(pattern)
    if (known === undefined) hosts.set(pattern, [request])
    else known.push(request)
  }
  const unread = new Set(tunnels.map(({ host, port }) => patternOf(host, port, 443)))
  const ofTunnels = Array.from(unread, (host): RuleFields => ({ action: 'allow', host: [host] }))
  const rules = [...hosts].flatMap(([host, seen]) => {
    // What lets the tunnels of a host pass lets its requests pass too.
    if (unread.has(host)) return []
    const suggested = rulesOfHost(host, seen)
    if (suggested.some(({ path }) => path === undefined)) {
      notes.push(`${host}: some paths cannot be named by a rule, and are allowed by host alone`)
    }
    return suggested
  })
  if (rules.length + ofTunnels.length <= maxRules) return { rules: [...rules, ...ofTunnels], notes }
  const byHost = new Set([...hosts.keys(), ...unread])
  return {
    rules: Array.from(byHost, (host) => ({ action: 'allow', host: [host] })),
    notes: ['there is too much to name every path: hosts are allowed as a whole'],
  }
}

function patternOf(host: string, port: number, defaultPort: number): string {
  const name = host.includes(':') ? `[${host}]` : host
  return parseHostPattern(port === defaultPort ? name : `${name}:${port}`).text
}

/** What differs in its methods or in whether models are known is allowed by a rule of its own. */
interface Group {
  readonly path: string | undefined
  readonly methods: Set<string>
  /** Undefined: any model, or none. */
  models: Set<string> | undefined
}

function rulesOfHost(host: string, requests: readonly ObservedRequest[]): RuleFields[] {
  const paths = groupPaths(requests.map(({ path }) => path).filter(isNameable))
  const groups = new Map<string, Group>()
  for (const request of requests) {
    const path = paths.get(request.path)
    const methods = request.methods.every(isMethod) ? request.methods : []
    const key = JSON.stringify([path ?? null, methods.toSorted()])
    const models = modelsOf(request)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { path, methods: new Set(methods), models })
    else if (models === undefined || group.models === undefined) group.models = undefined
    else for (const model of models) group.models.add(model)
  }
  return merged([...groups.values()]).map(({ path, methods, models }) => ({
    action: 'allow',
    host: [host],
    path,
    method: methods.size === 0 ? undefined : [...methods].toSorted(),
    model: models === undefined ? undefined : [...models].toSorted(),
  }))
}

/** Rules that differ in their methods alone are one, unless one of them takes any method. */
function merged(groups: readonly Group[]): Group[] {
  const byRest = new Map<string, Group>()
  for (const group of groups) {
    const models = group.models === undefined ? null : [...group.models].toSorted()
    const key = JSON.stringify([group.path ?? null, models, group.methods.size === 0])
    const known = byRest.get(key)
    if (known === undefined) byRest.set(key, group)
    else for (const method of group.methods) known.methods.add(method)
  }
  return [...byRest.values()]
}

/** One spelling of each; undefined where a rule cannot name all of them, or there are none. */
function modelsOf({ models }: ObservedRequest): Set<string> | undefined {
  if (models === undefined || models.length === 0) return undefined
  const names = models.map((spellings) => spellings.find(isModelName))
  return names.every((name) => name !== undefined) ? new Set(names) : undefined
}

/** As the fields of a rule take it. */
function isNameable(path: string): boolean {
  return path.length <= 1000 && isUnambiguousPath(path) && !path.includes('*')
}

/** A comma would make two of it, and a star would stand for others too. */
function isModelName(name: string): boolean {
  return /^[\x21-\x7e]{1,200}$/u.test(name) && !/[,*]/u.test(name)
}

function isMethod(method: string): boolean {
  return /^[A-Z-]{1,32}$/u.test(method) && method !== 'CONNECT'
}
