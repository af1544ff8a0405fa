/**
 * A proxy as it was put together, and as it runs. With `builder.ts` this is the composition root:
 * the only place that knows all layers. What is built runs in this process; viewers attach from
 * others.
 */
import type { Authority as CertificateAuthority } from '../ca/authority.ts'
import { LeafCache } from '../ca/leaf-cache.ts'
import { openTrust } from '../ca/trust-files.ts'
import type { TrustFiles } from '../ca/trust-files.ts'
import { AuditFeed } from './audit/audit-feed.ts'
import type { DrainedAudit } from './audit/audit-feed.ts'
import { createSystemClock } from './base/clock.ts'
import { AppError } from './base/errors.ts'
import type { AnalysisMsg } from './messages/schema.ts'
import { MessageStream } from './pipeline/message-stream.ts'
import { Pipeline } from './pipeline/pipeline.ts'
import type { Plan } from './plan.ts'
import type { HostPattern } from './policy/host-pattern.ts'
import { parseHostPattern } from './policy/host-pattern.ts'
import type { PortholeEngine } from './proxy/engine.ts'
import { namesListener } from './proxy/loop-guard.ts'
import { runningRoutes } from './proxy/running-routes.ts'
import type { RunningRoute } from './proxy/running-routes.ts'
import { mintRouteTokens, tokensFor } from './proxy/session-token.ts'
import type { RouteTokens } from './proxy/session-token.ts'
import { childEnvironment } from './run/environment.ts'

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
  /**
   * Why the kept CA could not be used, where `onCaFailure('tunnel')` let the proxy start all the
   * same: nothing is intercepted then, and the certificate above stands for nothing.
   */
  readonly caFailure: AppError | undefined
  /** Base URLs that lead to an upstream, for programs that know no proxy. */
  readonly routes: readonly RunningRoute[]
  /** `url` with the first token, as a client takes it; without one where none is demanded. */
  readonly proxyUrl: string
  /** Proxy and trust variables for a child process; the proxy URL carries the first token. */
  env(): Record<string, string>
  /** Every message from now on. A reader that falls too far behind loses some, and is told. */
  messages(): AsyncIterable<AnalysisMsg>
  /** Calls `listener` for every message; returns what ends that. */
  subscribe(listener: (msg: AnalysisMsg) => void): () => void
  stats(): PortholeStats
  /**
   * Every decision since the last call, and how what was let through ended; at most 4,096, the
   * newest. Outcomes are known where an analyzer reads messages, or with `audit()`.
   */
  drainAudit(): DrainedAudit
  /**
   * Decrypts a host, given as a pattern, from now on: on new connections, while tunnels that run
   * stay tunnels. Returns the pattern in its canonical form. Throws `ERR_HOST_PATTERN`,
   * `ERR_CA_NOT_PERMITTED` or `ERR_CA_OF_RUN` where the CA cannot vouch for it, `ERR_USAGE` where
   * too many were added, and what `caFailure` holds.
   */
  allow(pattern: string): string
  /** Stops accepting, lets running exchanges finish for `drainMs`, flushes the analyzers. */
  close(options?: { readonly drainMs?: number }): Promise<void>
}

export class Porthole {
  readonly #plan: Readonly<Plan>

  constructor(plan: Readonly<Plan>) {
    this.#plan = plan
  }

  /** Throws `AppError`: the CA cannot be used or does not cover a host, the port is taken, … */
  async start(): Promise<RunningPorthole> {
    const plan = { ...this.#plan, tokens: tokensFor(this.#plan) }
    if (plan.parent !== undefined && namesListener(plan.parent.authority, plan.listen)) {
      const next = 'name another one with --upstream-proxy, or leave it out'
      throw new AppError('ERR_USAGE', { problem: 'the upstream proxy is this proxy itself', next })
    }
    const routeTokens = mintRouteTokens(plan)
    const clock = createSystemClock()
    const { trust, caFailure } = await openTrustOrFallBack(plan)
    const pipeline = new Pipeline({
      analyzers: plan.analyzers,
      clock,
      queueBytes: plan.bounds.analysisQueueBytes,
      redaction: plan.redaction,
      values: plan.values,
    })
    const leaves =
      caFailure === undefined
        ? // Clients compare validity with the real time, so leaves follow the wall clock, steps and all.
          new LeafCache(trust.authority, {
            capacity: plan.bounds.maxLeaves,
            clock: { now: () => Date.now() },
          })
        : undefined
    const allow = [...plan.allow]
    const audit = new AuditFeed(clock, plan.audits, plan.values)
    // Loaded here, so that who only imports the library does not pay for it.
    const { createEngine } = await import('./create-engine.ts')
    const engine = createEngine({ ...plan, allow }, { leaves, pipeline, clock, routeTokens, audit })
    // A listener has messages made: where nobody wants any, it would make them dear.
    if (plan.audits.length > 0 || pipeline.isWatched) pipeline.subscribe(audit.saw)
    try {
      for (const module of plan.modules) engine.use(module)
      const address = await engine.start(plan.listen.host, plan.listen.port)
      const parts = { engine, pipeline, trust, caFailure, allow, routeTokens, audit }
      return new Running(plan, parts, address)
    } catch (error) {
      await engine.shutdown(0)
      await trust.dispose()
      throw error
    }
  }
}

/** A kept CA that cannot be used stops the start, unless the user would rather go on unseeing. */
async function openTrustOrFallBack(
  plan: Readonly<Plan>,
): Promise<{ trust: TrustFiles; caFailure: AppError | undefined }> {
  try {
    return { trust: await openTrust(plan), caFailure: undefined }
  } catch (error) {
    const isOurs = error instanceof AppError && error.code.startsWith('ERR_CA_')
    if (plan.onCaFailure === 'refuse' || !isOurs) throw error
    return { trust: await openTrust({ ...plan, caDirectory: undefined }), caFailure: error }
  }
}

interface Parts {
  readonly engine: PortholeEngine
  readonly pipeline: Pipeline
  readonly trust: TrustFiles
  readonly caFailure: AppError | undefined
  /** What the engine asks; grows while it runs. */
  readonly allow: HostPattern[]
  readonly routeTokens: RouteTokens
  readonly audit: AuditFeed
}

/** Added while it runs; far more than anyone adds by hand. */
const maxAddedHosts = 256

class Running implements RunningPorthole {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly caCertPath: string
  readonly addedRootsPath: string
  readonly bundlePath: string
  readonly certificateAuthority: Omit<CertificateAuthority, 'issueLeaf'>
  readonly caFailure: AppError | undefined
  readonly routes: readonly RunningRoute[]
  readonly proxyUrl: string
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
    this.caFailure = parts.caFailure
    this.routes = runningRoutes(plan, this.url, parts.routeTokens)
    const [token] = plan.tokens
    const credentials = token === undefined ? '' : `${token.agent}:${token.token}@`
    this.proxyUrl = this.url.replace('http://', `http://${credentials}`)
  }

  env(): Record<string, string> {
    const { env } = childEnvironment({
      parent: {},
      proxyUrl: this.proxyUrl,
      caCertPath: this.addedRootsPath,
      bundlePath: this.bundlePath,
      platform: process.platform,
    })
    return Object.fromEntries(Object.entries(env).filter(hasText))
  }

  messages(): AsyncIterable<AnalysisMsg> {
    const { iteratorMessages } = this.#plan.bounds
    const stream = new MessageStream(iteratorMessages, () => this.#streams.delete(stream))
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

  drainAudit(): DrainedAudit {
    return this.#parts.audit.drain()
  }

  allow(text: string): string {
    const { allow, trust, caFailure } = this.#parts
    const pattern = parseHostPattern(text)
    if (caFailure !== undefined) throw caFailure
    if (allow.some((known) => known.text === pattern.text)) return pattern.text
    if (!trust.authority.permits(pattern.host)) {
      if (this.#plan.caDirectory === undefined) {
        throw new AppError('ERR_CA_OF_RUN', { host: pattern.text })
      }
      throw new AppError('ERR_CA_NOT_PERMITTED', { host: pattern.host })
    }
    if (allow.length >= this.#plan.allow.length + maxAddedHosts) {
      const problem = `${maxAddedHosts} hosts were added already`
      throw new AppError('ERR_USAGE', { problem, next: 'start it again with all of them' })
    }
    allow.push(pattern)
    return pattern.text
  }

  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drainMs ?? this.#plan.bounds.drainTimeoutMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    await this.#parts.engine.shutdown(drainMs)
    // Sockets report their end when they close, which is after this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve))
    await this.#parts.pipeline.close()
    this.#parts.audit.close()
    for (const stream of this.#streams) stream.end()
    await this.#parts.trust.dispose()
  }
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
