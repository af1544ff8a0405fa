/** The engine that is made of what a builder has put together. */
import type { LeafCache } from '../ca/leaf-cache.ts'
import type { AuditFeed } from './audit/audit-feed.ts'
import type { Clock } from './base/clock.ts'
import { createIdSource } from './base/ids.ts'
import type { Pipeline } from './pipeline/pipeline.ts'
import type { Plan } from './plan.ts'
import { isLoopbackListener } from './policy/address-guard.ts'
import { matchesAny } from './policy/host-pattern.ts'
import { createAuthenticator } from './proxy/client-auth.ts'
import { PortholeEngine } from './proxy/engine.ts'
import { createHttp1Forwarder } from './proxy/http1-forwarder.ts'
import { RouteGuard } from './proxy/route-auth.ts'
import type { RouteTokens } from './proxy/session-token.ts'
import { UpstreamConnector } from './proxy/upstream-connector.ts'

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
