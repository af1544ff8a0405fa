/**
 * Puts a proxy together: hosts, certificate authority, analyzers, limits. This is the composition
 * root: the only place that knows all layers. What is built runs in this process; viewers attach
 * from others.
 */
import type { Authority as CertificateAuthority } from '../ca/authority.ts'
import { LeafCache } from '../ca/leaf-cache.ts'
import { openTrust } from '../ca/trust-files.ts'
import type { TrustFiles } from '../ca/trust-files.ts'
import type { Clock } from './base/clock.ts'
import { createSystemClock } from './base/clock.ts'
import { AppError } from './base/errors.ts'
import { createIdSource } from './base/ids.ts'
import * as bounds from './config/bounds.ts'
import type { AnalysisMsg } from './messages/schema.ts'
import type { Analyzer } from './pipeline/analyzer.ts'
import { MessageStream } from './pipeline/message-stream.ts'
import { Pipeline } from './pipeline/pipeline.ts'
import type { Authority } from './policy/authority.ts'
import { parseAuthority } from './policy/authority.ts'
import type { HostPattern } from './policy/host-pattern.ts'
import { matchesAny, parseHostPattern } from './policy/host-pattern.ts'
import { defaultAllow } from './policy/providers.ts'
import type { ProxyToken } from './proxy/client-auth.ts'
import { createAuthenticator } from './proxy/client-auth.ts'
import type { EngineLimits } from './proxy/engine.ts'
import { PortholeEngine } from './proxy/engine.ts'
import { createHttp1Forwarder } from './proxy/http1-forwarder.ts'
import type { ParentProxy } from './proxy/parent-proxy.ts'
import { parseParentProxy } from './proxy/parent-proxy.ts'
import type { ConnectTo } from './proxy/upstream-connector.ts'
import { UpstreamConnector } from './proxy/upstream-connector.ts'
import { childEnvironment } from './run/environment.ts'

/** A module written for http-mitm-proxy; `onConnect`, `onRequest` and `onError` are called. */
export type MitmModule = Parameters<PortholeEngine['use']>[0]

export interface PortholeStats {
  readonly connections: number
  readonly exchanges: number
  readonly messages: number
  /** Body chunks that analysis could not keep up with; their bytes were forwarded all the same. */
  readonly droppedMessages: number
  readonly queuedBytes: number
}

export interface RunningPorthole {
  readonly host: string
  readonly port: number
  /** `http://host:port`, without any token. */
  readonly url: string
  /** The CA certificate as PEM. */
  readonly caCertPath: string
  /** The CA certificate and the user's own added roots, for variables that add to a program's roots. */
  readonly addedRootsPath: string
  /** System roots and the CA certificate, for programs whose trust variable replaces their roots. */
  readonly bundlePath: string
  readonly certificateAuthority: Omit<CertificateAuthority, 'issueLeaf'>
  /** Proxy and trust variables for a child process; the proxy URL carries the first token. */
  env(): Record<string, string>
  /** Every message from now on. A reader more than 10,000 behind loses some, and is told. */
  messages(): AsyncIterable<AnalysisMsg>
  /** Calls `listener` for every message; returns what ends that. */
  subscribe(listener: (msg: AnalysisMsg) => void): () => void
  stats(): PortholeStats
  /** Stops accepting, lets running exchanges finish for `drainMs`, flushes the analyzers. */
  close(options?: { readonly drainMs?: number }): Promise<void>
}

interface Plan {
  listen: { host: string; port: number }
  allow: HostPattern[]
  caDirectory: string | undefined
  readonly analyzers: Analyzer[]
  readonly connectTo: ConnectTo[]
  readonly upstreamRoots: string[]
  readonly tokens: ProxyToken[]
  readonly modules: MitmModule[]
  readonly extraRootPaths: string[]
  readonly replacedRootPaths: string[]
  limits: EngineLimits
  connectTimeoutMs: number
  allowPrivate: boolean
  parent: ParentProxy | undefined
}

export class PortholeBuilder {
  readonly #plan: Plan = {
    listen: { host: '127.0.0.1', port: 0 },
    allow: [],
    caDirectory: undefined,
    analyzers: [],
    connectTo: [],
    upstreamRoots: [],
    tokens: [],
    modules: [],
    extraRootPaths: [],
    replacedRootPaths: [],
    limits: {
      maxConnections: bounds.maxConnections,
      maxHeaderBytes: bounds.maxHeaderBytes,
      headersTimeoutMs: bounds.headersTimeoutMs,
      handshakeTimeoutMs: bounds.handshakeTimeoutMs,
      judgeDeadlineMs: bounds.judgeDeadlineMs,
    },
    connectTimeoutMs: bounds.connectTimeoutMs,
    allowPrivate: false,
    parent: undefined,
  }

  /** `host:port`; port 0, the default, picks a free one. */
  listen(address: string): this {
    const anyPort = /^(?<host>.*):0$/su.exec(address)?.groups?.['host']
    const parsed = parseAuthority(anyPort === undefined ? address : `${anyPort}:1`)
    if (!parsed.ok) {
      const problem = `cannot listen on ${JSON.stringify(address)}: ${parsed.problem}`
      throw new AppError('ERR_USAGE', { problem, next: 'write it as 127.0.0.1:8080' })
    }
    const { host, port } = parsed.authority
    this.#plan.listen = { host, port: anyPort === undefined ? port : 0 }
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

  /** PEM roots to trust for upstreams, in addition to Node's own. */
  upstreamCa(...pems: readonly string[]): this {
    this.#plan.upstreamRoots.push(...pems)
    return this
  }

  /** From the first token on, every connection must carry one. */
  requireToken(agent: string, token: string): this {
    this.#plan.tokens.push({ agent, token })
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

  /** Overrides of the traffic plane's bounds; see `config/bounds.ts`. */
  limit(limits: Partial<EngineLimits> & { readonly connectTimeoutMs?: number }): this {
    const { connectTimeoutMs, ...rest } = limits
    this.#plan.limits = { ...this.#plan.limits, ...rest }
    this.#plan.connectTimeoutMs = connectTimeoutMs ?? this.#plan.connectTimeoutMs
    return this
  }

  build(): Porthole {
    const allow =
      this.#plan.allow.length > 0 ? this.#plan.allow : defaultAllow.map(parseHostPattern)
    return new Porthole({ ...this.#plan, allow })
  }
}

export class Porthole {
  readonly #plan: Readonly<Plan>

  constructor(plan: Readonly<Plan>) {
    this.#plan = plan
  }

  /** Throws `AppError`: the CA cannot be used or does not cover a host, the port is taken, … */
  async start(): Promise<RunningPorthole> {
    const plan = this.#plan
    const clock = createSystemClock()
    const trust = await openTrust(plan)
    const pipeline = new Pipeline({
      analyzers: plan.analyzers,
      clock,
      queueBytes: bounds.analysisQueueBytes,
    })
    const engine = createEngine(plan, trust.authority, pipeline, clock)
    for (const module of plan.modules) engine.use(module)
    try {
      const address = await engine.start(plan.listen.host, plan.listen.port)
      return new Running(plan, { engine, pipeline, trust }, address)
    } catch (error) {
      await engine.shutdown(0)
      await trust.dispose()
      throw error
    }
  }
}

interface Parts {
  readonly engine: PortholeEngine
  readonly pipeline: Pipeline
  readonly trust: TrustFiles
}

class Running implements RunningPorthole {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly caCertPath: string
  readonly addedRootsPath: string
  readonly bundlePath: string
  readonly certificateAuthority: Omit<CertificateAuthority, 'issueLeaf'>
  readonly #plan: Readonly<Plan>
  readonly #parts: Parts
  readonly #streams = new Set<MessageStream>()
  #closing: Promise<void> | undefined

  constructor(plan: Readonly<Plan>, parts: Parts, address: { address: string; port: number }) {
    this.#plan = plan
    this.#parts = parts
    this.host = address.address
    this.port = address.port
    this.url = `http://${authorityText(address.address)}:${address.port}`
    this.caCertPath = parts.trust.caCertPath
    this.addedRootsPath = parts.trust.addedRootsPath
    this.bundlePath = parts.trust.bundlePath
    this.certificateAuthority = parts.trust.authority
  }

  env(): Record<string, string> {
    const [token] = this.#plan.tokens
    const credentials = token === undefined ? '' : `${token.agent}:${token.token}@`
    const { env } = childEnvironment({
      parent: {},
      proxyUrl: this.url.replace('http://', `http://${credentials}`),
      caCertPath: this.addedRootsPath,
      bundlePath: this.bundlePath,
      platform: process.platform,
    })
    return Object.fromEntries(Object.entries(env).filter(hasText))
  }

  messages(): AsyncIterable<AnalysisMsg> {
    const stream = new MessageStream(bounds.iteratorMessages, () => this.#streams.delete(stream))
    this.#streams.add(stream)
    stream.attach((listener) => this.#parts.pipeline.subscribe(listener))
    return stream
  }

  subscribe(listener: (msg: AnalysisMsg) => void): () => void {
    return this.#parts.pipeline.subscribe(listener)
  }

  stats(): PortholeStats {
    const { messages, dropped, queuedBytes } = this.#parts.pipeline.stats
    return {
      connections: this.#parts.engine.openConnections,
      exchanges: this.#parts.engine.activeExchanges,
      messages,
      droppedMessages: dropped,
      queuedBytes,
    }
  }

  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drainMs ?? bounds.drainTimeoutMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    await this.#parts.engine.shutdown(drainMs)
    // Sockets report their end when they close, which is after this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve))
    await this.#parts.pipeline.close()
    for (const stream of this.#streams) stream.end()
    await this.#parts.trust.dispose()
  }
}

function createEngine(
  plan: Readonly<Plan>,
  authority: CertificateAuthority,
  pipeline: Pipeline,
  clock: Clock,
): PortholeEngine {
  const connector = new UpstreamConnector({
    connectTo: plan.connectTo,
    extraRoots: plan.upstreamRoots,
    connectTimeoutMs: plan.connectTimeoutMs,
    maxHeaderBytes: plan.limits.maxHeaderBytes,
    allowPrivate: plan.allowPrivate,
    parent: plan.parent,
  })
  return new PortholeEngine({
    reporter: {
      clock,
      publish: (draft) => pipeline.publish(draft),
      publishBody: (body) => pipeline.publishBody(body),
      publishUnread: (unread) => pipeline.publishUnread(unread),
    },
    ids: createIdSource(),
    authenticate: createAuthenticator(plan.tokens),
    intercepts: (target, schemePort) => matchesAny(plan.allow, target, schemePort),
    // Clients compare validity with the real time, so leaves follow the wall clock, steps and all.
    leaves: new LeafCache(authority, { clock: { now: () => Date.now() } }),
    connector,
    forwarder: createHttp1Forwarder({ connector, maxHeaderBytes: plan.limits.maxHeaderBytes }),
    analyzers: plan.analyzers,
    limits: plan.limits,
  })
}

/** As a client on this machine would write it: "every address" is none that can be dialled. */
function authorityText(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}

function hasText(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined
}
