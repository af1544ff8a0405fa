/**
 * Puts a proxy together: hosts, certificate authority, analyzers, limits. Nothing is opened before
 * `start()`.
 */
import { refuseSpentBudget } from '../analyzers/providers/refusal-envelope.ts'
import { RuleEnforcer } from '../analyzers/rule-enforcer.ts'
import type { RuleEnforcerOptions } from '../analyzers/rule-enforcer.ts'
import { AppError } from './base/errors.ts'
import type { Bounds } from './config/bounds.ts'
import { defaultBounds } from './config/bounds.ts'
import { checkBounds } from './config/limits.ts'
import type { Analyzer } from './pipeline/analyzer.ts'
import type { Plan } from './plan.ts'
import type { AgentDirectory, AgentPass } from './policy/agent-pass.ts'
import type { Authority } from './policy/authority.ts'
import { parseListenAddress } from './policy/authority.ts'
import type { ContentRedaction } from './policy/content-secrets.ts'
import type { CredentialPlaces } from './policy/credential.ts'
import type { AuditSink } from './policy/decision-log.ts'
import { parseHostPattern } from './policy/host-pattern.ts'
import { defaultAllow } from './policy/providers.ts'
import type { RuleSource } from './policy/rules/rule.ts'
import type { ValueFinder } from './policy/value-scanner.ts'
import { Porthole } from './porthole.ts'
import type { MitmModule } from './proxy/mitm-module.ts'
import { parseParentProxy } from './proxy/parent-proxy.ts'
import { parseReverseRoute } from './proxy/reverse-routes.ts'

export type RuleOptions = Pick<RuleEnforcerOptions, 'budgets' | 'refuseBudget'>

export class PortholeBuilder {
  readonly #plan: Plan = {
    listen: { host: '127.0.0.1', port: 0 },
    allow: [],
    caDirectory: undefined,
    analyzers: [],
    connectTo: [],
    upstreamRoots: [],
    tokens: [],
    agents: undefined,
    audits: [],
    values: undefined,
    modules: [],
    routes: new Map(),
    routeCredentials: undefined,
    demand: 'auto',
    extraRootPaths: [],
    replacedRootPaths: [],
    bounds: defaultBounds,
    redaction: 'secrets',
    allowPrivate: false,
    parent: undefined,
    tunnelsOnReject: false,
    onCaFailure: 'refuse',
  }

  #rules: { readonly source: RuleSource; readonly options: RuleOptions } | undefined

  /** `host:port`; port 0, the default, picks a free one. */
  listen(address: string): this {
    const parsed = parseListenAddress(address)
    if (!parsed.ok) {
      const problem = `cannot listen on ${JSON.stringify(address)}: ${parsed.problem}`
      throw new AppError('ERR_USAGE', { problem, next: 'write it as 127.0.0.1:8080' })
    }
    const { host, port } = parsed.authority
    this.#plan.listen = { host, port }
    return this
  }

  /** Hosts to decrypt, as patterns; all others are tunnelled. Without any, the default allowlist. */
  allowHosts(...patterns: readonly string[]): this {
    this.#plan.allow.push(...patterns.map(parseHostPattern))
    return this
  }

  /** Keeps the CA there, for use by programs that trust it for good. Without it, the CA is in memory. */
  caDirectory(directory: string): this {
    this.#plan.caDirectory = directory
    return this
  }

  /** Analyzers see every message in the order in which they were added. */
  addAnalyzer(analyzer: Analyzer): this {
    if (this.#plan.analyzers.some(({ name }) => name === analyzer.name)) {
      const problem = `there are two analyzers named ${analyzer.name}`
      throw new AppError('ERR_USAGE', { problem, next: 'give each its own name' })
    }
    this.#plan.analyzers.push(analyzer)
    return this
  }

  /** Dials `to` instead of `from`; the name of `from` is still what is verified. */
  connectTo(from: Authority, to: Authority): this {
    this.#plan.connectTo.push({ from, to })
    return this
  }

  /** Lets names and literals lead to loopback, link-local and private addresses; they are refused else. */
  allowPrivateAddresses(): this {
    this.#plan.allowPrivate = true
    return this
  }

  /**
   * What is masked in prompts and answers before anything sees them: what looks like a key
   * (`secrets`, default), personal data too (`pii`), or nothing (`off`). Credential fields and the
   * credentials of the exchange itself are always masked.
   */
  redactContent(mode: ContentRedaction): this {
    this.#plan.redaction = mode
    return this
  }

  /** Masks the values of stored secrets wherever they stand in a message, whoever has sent them. */
  withhold(values: ValueFinder): this {
    this.#plan.values = values
    return this
  }

  /** What to do where the kept CA cannot be used: refuse to start (default), or tunnel every host. */
  onCaFailure(choice: 'refuse' | 'tunnel'): this {
    this.#plan.onCaFailure = choice
    return this
  }

  /** Tunnels a host, from then on, for a client that has rejected the proxy's certificate for it. */
  tunnelOnReject(): this {
    this.#plan.tunnelsOnReject = true
    return this
  }

  /** Reaches upstreams through another proxy, but for `bypass`. Throws `ERR_USAGE`. */
  upstreamProxy(url: string, bypass: readonly string[] = []): this {
    const parsed = parseParentProxy(url)
    if (parsed === undefined) {
      const next = 'write it as http://user:password@host:port, or https://…'
      throw new AppError('ERR_USAGE', { problem: 'the upstream proxy is not a proxy URL', next })
    }
    this.#plan.parent = { ...parsed, bypass: bypass.map(parseHostPattern) }
    return this
  }

  /** Serves an upstream under `/NAME/`, given as `NAME=URL`. Throws `ERR_USAGE`. */
  route(text: string): this {
    const parsed = parseReverseRoute(text)
    const isTaken = parsed.ok && this.#plan.routes.has(parsed.route.name)
    if (!parsed.ok || isTaken) {
      const why = parsed.ok ? `${parsed.route.name} is given twice` : parsed.problem
      const next = 'write it as openai=https://api.openai.com/v1, or with http:// for 127.0.0.1'
      throw new AppError('ERR_USAGE', { problem: `a route cannot be served: ${why}`, next })
    }
    this.#plan.routes.set(parsed.route.name, parsed.route)
    return this
  }

  /**
   * Where credentials of routes' upstreams stand, as a `CredentialInjector` knows it. A route with
   * one takes no request without a token in that place: its own (`routes` of the running proxy), as
   * which a request is one of `agent`, or that of one of `agents()`.
   */
  routeCredentials(
    places: CredentialPlaces,
    as: { readonly agent: string; readonly pass?: AgentPass | undefined },
  ): this {
    this.#plan.routeCredentials = { places, ...as }
    return this
  }

  /** PEM roots to trust for upstreams, in addition to Node's own. */
  upstreamCa(...pems: readonly string[]): this {
    this.#plan.upstreamRoots.push(...pems)
    return this
  }

  /** From the first token on, every connection must carry one. `pass` narrows what it reaches. */
  requireToken(agent: string, token: string, pass?: AgentPass): this {
    this.#plan.tokens.push({ agent, token, pass })
    return this
  }

  /**
   * `auto`, the default, demands a token as soon as there is one, or an agent or secret, and always
   * on an address that is not loopback; where nobody has one, the proxy makes one for itself
   * (`proxyUrl`). `off` demands none, on loopback alone: `start()` throws `ERR_USAGE` elsewhere.
   */
  authentication(demand: 'auto' | 'off'): this {
    this.#plan.demand = demand
    return this
  }

  /** Agents that come and go while the proxy runs, each with a token and hosts of its own. */
  agents(directory: AgentDirectory): this {
    this.#plan.agents = directory
    return this
  }

  /**
   * Tells `log` of every decision, before anything follows from it, and how what was let through
   * ended. Without one, `drainAudit()` still knows.
   */
  audit(log: AuditSink): this {
    this.#plan.audits.push(log)
    return this
  }

  /**
   * Holds everything that passes to rules, before any other analyzer acts on it. `budgets` counts
   * for rules of that action, which decide nothing without it.
   */
  rules(source: RuleSource, options: RuleOptions = {}): this {
    this.#rules = { source, options }
    return this
  }

  /** Adds a module written for http-mitm-proxy. */
  use(module: MitmModule): this {
    this.#plan.modules.push(module)
    return this
  }

  /** The user's own root files, merged into what children are given to trust. */
  inheritRoots(added: readonly string[], replaced: readonly string[]): this {
    this.#plan.extraRootPaths.push(...added)
    this.#plan.replacedRootPaths.push(...replaced)
    return this
  }

  /** Sets bounds by their keys in `config/bounds.ts`; Infinity is `off`. Throws `ERR_USAGE`. */
  limit(bounds: Partial<Bounds>): this {
    this.#plan.bounds = { ...this.#plan.bounds, ...checkBounds(bounds) }
    return this
  }

  build(): Porthole {
    const allow =
      this.#plan.allow.length > 0 ? this.#plan.allow : defaultAllow.map(parseHostPattern)
    const analyzers = [...this.#enforcers(), ...this.#plan.analyzers]
    return new Porthole({ ...this.#plan, allow, analyzers })
  }

  #enforcers(): Analyzer[] {
    if (this.#rules === undefined) return []
    const { source, options } = this.#rules
    const maxBodyBytes = this.#plan.bounds.ruleBodyBytes
    const now = (): number => performance.now()
    const refuseBudget = options.refuseBudget ?? refuseSpentBudget
    return [new RuleEnforcer(source, { ...options, refuseBudget, maxBodyBytes, now })]
  }
}
