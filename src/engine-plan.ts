/** What a builder puts together, and the engine that is made of it. */
import type { LeafCache } from '../ca/leaf-cache.ts'
import type { AuditFeed } from './audit/audit-feed.ts'
import type { Clock } from './base/clock.ts'
import { createIdSource } from './base/ids.ts'
import type { Bounds } from './config/bounds.ts'
import type { Analyzer } from './pipeline/analyzer.ts'
import type { Pipeline } from './pipeline/pipeline.ts'
import { isLoopbackListener } from './policy/address-guard.ts'
import type { AgentDirectory } from './policy/agent-pass.ts'
import type { ContentRedaction } from './policy/content-secrets.ts'
import type { AuditSink } from './policy/decision-log.ts'
import type { HostPattern } from './policy/host-pattern.ts'
import { matchesAny } from './policy/host-pattern.ts'
import type { ValueFinder } from './policy/value-scanner.ts'
import type { ProxyToken } from './proxy/client-auth.ts'
import { createAuthenticator } from './proxy/client-auth.ts'
import { PortholeEngine } from './proxy/engine.ts'
import { createHttp1Forwarder } from './proxy/http1-forwarder.ts'
import type { ParentProxy } from './proxy/parent-proxy.ts'
import type { ReverseRoute } from './proxy/reverse-routes.ts'
import { RouteGuard } from './proxy/route-auth.ts'
import type { RouteCredentials } from './proxy/route-auth.ts'
import type { RouteTokens } from './proxy/session-token.ts'
import type { ConnectTo } from './proxy/upstream-connector.ts'
import { UpstreamConnector } from './proxy/upstream-connector.ts'

/** A module written for http-mitm-proxy: its hooks for requests, responses and errors are called. */
export type MitmModule = Parameters<PortholeEngine['use']>[0]

/** What a builder has put together. */
export interface Plan {
  listen: { host: string; port: number }
  allow: HostPattern[]
  caDirectory: string | undefined
  readonly analyzers: Analyzer[]
  readonly connectTo: ConnectTo[]
  readonly upstreamRoots: string[]
  readonly tokens: ProxyToken[]
  agents: AgentDirectory | undefined
  readonly audits: AuditSink[]
  values: ValueFinder | undefined
  readonly modules: MitmModule[]
  /** By name. */
  readonly routes: Map<string, ReverseRoute>
  routeCredentials: RouteCredentials | undefined
  demand: 'auto' | 'off'
  readonly extraRootPaths: string[]
  readonly replacedRootPaths: string[]
  bounds: Bounds
  redaction: ContentRedaction
  allowPrivate: boolean
  parent: ParentProxy | undefined
  tunnelsOnReject: boolean
  onCaFailure: 'refuse' | 'tunnel'
}

export interface EngineParts {
  readonly leaves: LeafCache | undefined
  readonly pipeline: Pipeline
  readonly clock: Clock
  readonly routeTokens: RouteTokens
  readonly audit: AuditFeed
}

/** Nothing is opened by it before it is started. */
export function createEngine(
  plan: Readonly<Plan>,
  { leaves, pipeline, clock, routeTokens, audit }: EngineParts,
): PortholeEngine {
  const { routeCredentials } = plan
  const connector = new UpstreamConnector({
    connectTo: plan.connectTo,
    extraRoots: plan.upstreamRoots,
    bounds: plan.bounds,
    allowPrivate: plan.allowPrivate,
    parent: plan.parent,
  })
  return new PortholeEngine({
    reporter: {
      clock,
      get isWatched() {
        return pipeline.isWatched
      },
      publish: (draft) => {
        audit.heard(draft)
        pipeline.publish(draft)
      },
      publishBody: (body) => pipeline.publishBody(body),
      publishUnread: (unread) => pipeline.publishUnread(unread),
    },
    decisions: audit,
    ids: createIdSource(),
    authenticator: createAuthenticator(
      plan.tokens,
      plan.agents,
      isLoopbackListener(plan.listen.host) ? plan.demand : 'always',
    ),
    intercepts: (target, schemePort) => matchesAny(plan.allow, target, schemePort),
    leaves,
    tunnelsOnReject: plan.tunnelsOnReject,
    connector,
    forwarder: createHttp1Forwarder({
      connector,
      maxHeaderBytes: plan.bounds.maxHeaderBytes,
      clock,
    }),
    analyzers: plan.analyzers,
    routes: plan.routes,
    routeGuard:
      routeCredentials === undefined
        ? undefined
        : new RouteGuard(routeCredentials.places, routeTokens, { isOpen: plan.demand === 'off' }),
    limits: plan.bounds,
  })
}
