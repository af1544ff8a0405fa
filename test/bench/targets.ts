/**
 * What the project wants to reach at most, to be printed beside what was measured. No verdicts.
 * Targets name http-mitm-proxy as shipped, which keeps no connection alive; with its keepAlive
 * switched on it is the harder measure for the same bound, so each such target stands here twice.
 */
import type { VariantName } from './variants.ts'
import type { Metric } from './workloads.ts'

export interface Target {
  readonly what: string
  readonly workload: string
  readonly variant: VariantName
  readonly metric: Metric
  /** How a round's sample is set against the baseline's of the same round. */
  readonly against:
    | { readonly how: 'ratio' | 'difference'; readonly baseline: VariantName }
    | { readonly how: 'value' }
  readonly atMost: number
  readonly unit: '' | 'ms' | 'MB'
}

const value = { how: 'value' } as const
const ratioTo = (baseline: VariantName): Target['against'] => ({ how: 'ratio', baseline })
const overDirect = { how: 'difference', baseline: 'direct' } as const
const cpu = { metric: 'cpuUsPerUnit', unit: '' } as const

export const targets: readonly Target[] = [
  {
    ...cpu,
    what: 'CPU per small request, no analyzers',
    workload: 'json',
    variant: 'porthole-bare',
    against: ratioTo('http-mitm-proxy-no-keepalive'),
    atMost: 0.6,
  },
  {
    ...cpu,
    what: 'CPU per small request, no analyzers',
    workload: 'json',
    variant: 'porthole-bare',
    against: ratioTo('http-mitm-proxy'),
    atMost: 0.6,
  },
  {
    ...cpu,
    what: 'CPU per small request, default analyzers and capture',
    workload: 'json',
    variant: 'porthole',
    against: ratioTo('http-mitm-proxy-no-keepalive'),
    atMost: 0.8,
  },
  {
    ...cpu,
    what: 'CPU per small request, default analyzers and capture',
    workload: 'json',
    variant: 'porthole',
    against: ratioTo('http-mitm-proxy'),
    atMost: 0.8,
  },
  {
    ...cpu,
    what: 'CPU per small request',
    workload: 'json',
    variant: 'porthole',
    against: ratioTo('mitmproxy'),
    atMost: 0.15,
  },
  {
    ...cpu,
    what: 'CPU per new connection',
    workload: 'connections',
    variant: 'porthole',
    against: ratioTo('http-mitm-proxy-no-keepalive'),
    atMost: 0.3,
  },
  {
    ...cpu,
    what: 'CPU per new connection',
    workload: 'connections',
    variant: 'porthole',
    against: ratioTo('http-mitm-proxy'),
    atMost: 0.3,
  },
  {
    ...cpu,
    what: 'CPU per 1 MB body down',
    workload: 'down',
    variant: 'porthole-bare',
    against: ratioTo('forwarder'),
    atMost: 1.1,
  },
  {
    ...cpu,
    what: 'CPU per 1 MB body up',
    workload: 'up',
    variant: 'porthole-bare',
    against: ratioTo('forwarder'),
    atMost: 1.1,
  },
  {
    what: 'added time to response headers on a stream, p50',
    workload: 'sse-head',
    variant: 'porthole',
    metric: 'headP50Ms',
    against: overDirect,
    atMost: 4,
    unit: 'ms',
  },
  {
    what: 'added time per event, p50',
    workload: 'sse-paced',
    variant: 'porthole',
    metric: 'eventP50Ms',
    against: overDirect,
    atMost: 0.2,
    unit: 'ms',
  },
  {
    what: 'added time per event, p99',
    workload: 'sse-paced',
    variant: 'porthole',
    metric: 'eventP99Ms',
    against: overDirect,
    atMost: 2,
    unit: 'ms',
  },
  {
    what: 'peak memory, 500 MB to a slow reader',
    workload: 'slow-reader',
    variant: 'porthole',
    metric: 'peakMb',
    against: value,
    atMost: 130,
    unit: 'MB',
  },
  {
    what: 'growth over idle, 500 MB to a slow reader',
    workload: 'slow-reader',
    variant: 'porthole',
    metric: 'growthMb',
    against: value,
    atMost: 40,
    unit: 'MB',
  },
  {
    what: 'peak memory, 200 live streams, all analyzers',
    workload: 'streams-200',
    variant: 'porthole',
    metric: 'peakMb',
    against: value,
    atMost: 180,
    unit: 'MB',
  },
  {
    what: 'event loop stall while a 5 MB JSON body is analysed, p99',
    workload: 'stall',
    variant: 'porthole',
    metric: 'stallP99Ms',
    against: value,
    atMost: 20,
    unit: 'ms',
  },
]
