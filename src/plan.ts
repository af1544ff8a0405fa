/** What a builder puts together, before anything is opened. It knows types, and no library. */
import type { Bounds } from './config/bounds.ts'
import type { Analyzer } from './pipeline/analyzer.ts'
import type { AgentDirectory } from './policy/agent-pass.ts'
import type { ContentRedaction } from './policy/content-secrets.ts'
import type { AuditSink } from './policy/decision-log.ts'
import type { HostPattern } from './policy/host-pattern.ts'
import type { ValueFinder } from './policy/value-scanner.ts'
import type { ProxyToken } from './proxy/client-auth.ts'
import type { MitmModule } from './proxy/mitm-module.ts'
import type { ParentProxy } from './proxy/parent-proxy.ts'
import type { ReverseRoute } from './proxy/reverse-routes.ts'
import type { RouteCredentials } from './proxy/route-auth.ts'
import type { ConnectTo } from './proxy/upstream-connector.ts'

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
