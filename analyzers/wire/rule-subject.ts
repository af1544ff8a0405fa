/**
 * Requests and connections as rules and their meters look at them: with every method that a field
 * asks for, and in every form in which a path with tokens in it may be sent. Pure.
 */
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'
import type { OutgoingConnection, OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import type { Authority } from '../../src/policy/authority.ts'
import { splitTarget } from '../../src/policy/request-path.ts'
import type { RequestNames, RuleSubject } from '../../src/policy/rules/match-rule.ts'
import type { MeteredRequest } from '../../src/policy/rules/meter.ts'
import { readingsOf, sentTargets } from '../../src/policy/tokens/sent-target.ts'
import { withoutTokens } from '../../src/policy/tokens/token-scanner.ts'

/** Fields by which a request asks to be taken for one with another method. */
const methodFields = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

/** What rules are asked about of a request; its names are not read yet. */
export function subjectOf(
  request: Pick<
    OutgoingRequest,
    'scheme' | 'agent' | 'host' | 'port' | 'method' | 'path' | 'headers'
  >,
): RuleSubject {
  const { scheme, agent, host, port, method, path, headers } = request
  const { path: plain } = splitTarget(path)
  const others = sentTargets(path)
    .slice(1)
    .map((target) => splitTarget(target).path)
  const readings = others.flatMap((other) => readingsOf(plain, other))
  return {
    authority: authorityOf(host, port),
    schemePort: scheme === 'http' ? 80 : 443,
    agent,
    methods: methodsOf(method, headers.pairs()),
    path: plain,
    ...(others.length === 0 ? {} : { otherPaths: { sent: others, readings } }),
    names: undefined,
  }
}

/** Of what asks for a tunnel, or is relayed unread. */
export function subjectOfConnection(connection: OutgoingConnection): RuleSubject {
  const { agent, host, port, request } = connection
  if (request !== undefined) {
    // Its body passes unread: what rules on models would find there is not theirs to decide.
    const names = { models: [], possible: [], tools: [], isCertain: true }
    return { ...subjectOf({ scheme: 'http', agent, host, port, ...request }), names }
  }
  return {
    authority: authorityOf(host, port),
    schemePort: 443,
    agent,
    methods: undefined,
    path: undefined,
    names: undefined,
  }
}

/** Upper case: its method, and those that fields ask for in its stead. */
export function methodsOf(method: string, headers: HeaderPairs): string[] {
  const methods = [method.toUpperCase()]
  for (const [name, value] of headers) {
    if (!methodFields.has(name.toLowerCase())) continue
    const asked = [value, withoutTokens(value)].map((text) => text.trim().toUpperCase())
    methods.push(...new Set(asked))
  }
  return methods
}

/** What rates and budgets are told of a request; `names` where they had to be read. */
export function meteredOf(
  {
    exchangeId,
    agent,
    host,
    port,
    method,
    path,
    headers,
  }: Pick<
    OutgoingRequest,
    'exchangeId' | 'agent' | 'host' | 'port' | 'method' | 'path' | 'headers'
  >,
  names: RequestNames | undefined,
): MeteredRequest {
  const bodyBytes = lengthOf(headers.pairs())
  const models = names?.models.flatMap(([name]) => name ?? [])
  return { exchangeId, agent, host, port, method, path, bodyBytes, models }
}

/** Undefined where it is not told, or in more than one way. */
function lengthOf(headers: HeaderPairs): number | undefined {
  const [length = '', ...others] = headerValues(headers, 'content-length')
  return others.length === 0 && /^\d{1,15}$/u.test(length) ? Number(length) : undefined
}

/** Canonical already: its form tells what it is. */
function authorityOf(host: string, port: number): Authority {
  if (host.includes(':')) return { host, port, kind: 'ipv6' }
  return { host, port, kind: /^[\d.]+$/u.test(host) ? 'ipv4' : 'name' }
}
