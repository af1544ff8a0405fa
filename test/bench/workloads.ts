/**
 * The workloads: what the client does, for how long, what one unit of work is, and against which
 * variants the others are shown. Sizes come in two scales: full, and `--quick` for a smoke check.
 */
import type { Job, RequestShape, Stretch } from './load/jobs.ts'
import type { VariantName } from './variants.ts'

export type Metric =
  | 'cpuUsPerUnit'
  | 'unitsPerSecond'
  | 'p50Ms'
  | 'p99Ms'
  | 'headP50Ms'
  | 'eventP50Ms'
  | 'eventP99Ms'
  | 'peakMb'
  | 'growthMb'
  | 'stallP50Ms'
  | 'stallP99Ms'

export interface Workload {
  readonly name: string
  readonly title: string
  /** What CPU time is divided by; events are counted in streams, exchanges elsewhere. */
  readonly unit: 'request' | 'connection' | 'body' | 'event' | 'stream' | 'reader'
  readonly job: Job
  readonly stretch: Stretch
  /** Stretches of one sample; more than one only where each is followed by a look at the proxy. */
  readonly stretches: number
  /** A new process for every sample: where memory is measured, the past must not count. */
  readonly freshProcess: boolean
  /** Nothing that it measures can be said of going direct. */
  readonly needsProxy: boolean
  /** Loads the event-loop monitor into the proxy. */
  readonly watchesLoop: boolean
  readonly metrics: readonly Metric[]
  /** Variants that CPU time (or else the first metric) of the others is divided by. */
  readonly baselines: readonly VariantName[]
}

const chat = '/v1/chat/completions'
const megabyte = 1_000_000
const small: RequestShape = { method: 'POST', path: chat, wish: 'answer=json', body: 'small' }
const defaults = {
  stretches: 1,
  freshProcess: false,
  needsProxy: false,
  watchesLoop: false,
} as const
const cpuMetrics = ['cpuUsPerUnit', 'unitsPerSecond', 'p50Ms', 'p99Ms'] as const
const streamMetrics = ['headP50Ms', 'eventP50Ms', 'eventP99Ms', 'cpuUsPerUnit'] as const

/** All workloads, in the order in which they run. */
export function workloadsOf(isQuick: boolean): readonly Workload[] {
  const stretch = { durationMs: isQuick ? 300 : 2500, maxExchanges: 100_000 }
  return [
    ...requestWorkloads(isQuick, stretch),
    ...bodyWorkloads(isQuick, stretch),
    ...streamWorkloads(isQuick, stretch),
    ...memoryWorkloads(isQuick),
    stallWorkload(isQuick),
  ]
}

function requestWorkloads(isQuick: boolean, stretch: Stretch): Workload[] {
  return [
    {
      ...defaults,
      name: 'json',
      title: 'small JSON request, 32 connections kept alive',
      unit: 'request',
      job: { kind: 'repeat', connections: 32, request: small, warmExchanges: isQuick ? 10 : 40 },
      stretch,
      metrics: cpuMetrics,
      baselines: ['http-mitm-proxy-no-keepalive', 'http-mitm-proxy', 'mitmproxy', 'forwarder'],
    },
    {
      ...defaults,
      name: 'connections',
      title: 'a new connection for each request (TCP, CONNECT, TLS), 8 at a time',
      unit: 'connection',
      job: {
        kind: 'repeat',
        connections: 8,
        fresh: true,
        request: small,
        warmExchanges: isQuick ? 2 : 10,
      },
      stretch,
      metrics: cpuMetrics,
      baselines: ['http-mitm-proxy-no-keepalive', 'http-mitm-proxy', 'mitmproxy', 'forwarder'],
    },
  ]
}

function bodyWorkloads(isQuick: boolean, stretch: Stretch): Workload[] {
  const warmExchanges = isQuick ? 1 : 4
  const body = (name: string, title: string, request: RequestShape): Workload => ({
    ...defaults,
    name,
    title,
    unit: 'body',
    job: { kind: 'repeat', connections: 8, request, warmExchanges },
    stretch,
    metrics: cpuMetrics,
    baselines: ['forwarder', 'http-mitm-proxy', 'mitmproxy'],
  })
  return [
    body('down', '1 MB down, 8 connections', {
      method: 'GET',
      path: '/v1/files/file-bench/content',
      wish: `bytes=${megabyte}`,
      body: 'none',
      answerBytes: megabyte,
    }),
    body('up', '1 MB up, 8 connections', {
      ...small,
      path: '/v1/files',
      body: 'file',
      bodyBytes: megabyte,
    }),
    body('context', '1 MB chat completion request, 8 connections', {
      ...small,
      body: 'context',
      bodyBytes: megabyte,
    }),
  ]
}

function streamWorkloads(isQuick: boolean, stretch: Stretch): Workload[] {
  const events = isQuick ? 60 : 500
  const streams = (request: RequestShape, connections: number): Job => ({
    kind: 'streams',
    connections,
    request,
    warmExchanges: 1,
    warmRequest: small,
  })
  return [
    {
      ...defaults,
      name: 'sse-burst',
      title: 'SSE, 500 events without delay, 20 streams',
      unit: 'event',
      job: streams({ ...small, wish: 'events=500' }, 20),
      stretch,
      metrics: ['cpuUsPerUnit', 'unitsPerSecond'],
      baselines: ['http-mitm-proxy', 'mitmproxy', 'forwarder'],
    },
    {
      ...defaults,
      name: 'sse-paced',
      title: `SSE, ${events} events 5 ms apart, 4 streams`,
      unit: 'event',
      job: streams({ ...small, wish: `events=${events}&gapMs=5&firstMs=5` }, 4),
      stretch: { durationMs: 60_000, maxExchanges: 1 },
      metrics: streamMetrics,
      baselines: ['direct', 'http-mitm-proxy', 'mitmproxy'],
    },
    {
      ...defaults,
      name: 'sse-head',
      title: 'SSE whose first event comes 25 ms after its head, 4 streams at a time',
      unit: 'stream',
      job: streams({ ...small, wish: 'events=2&gapMs=5&firstMs=25' }, 4),
      stretch: { durationMs: 60_000, maxExchanges: isQuick ? 5 : 40 },
      metrics: ['headP50Ms', 'eventP50Ms', 'eventP99Ms'],
      baselines: ['direct', 'http-mitm-proxy', 'mitmproxy'],
    },
  ]
}

function memoryWorkloads(isQuick: boolean): Workload[] {
  const seconds = isQuick ? 0.8 : 5
  return [
    {
      ...defaults,
      name: 'streams-200',
      title: '200 live SSE streams, 20 events a second each',
      unit: 'event',
      freshProcess: true,
      needsProxy: true,
      job: {
        kind: 'streams',
        connections: 200,
        request: { ...small, wish: `events=${Math.round(seconds * 20)}&gapMs=50&firstMs=50` },
        warmExchanges: 1,
        warmRequest: small,
      },
      stretch: { durationMs: 60_000, maxExchanges: 1 },
      metrics: ['peakMb', 'growthMb', 'cpuUsPerUnit', 'eventP50Ms', 'eventP99Ms'],
      baselines: ['http-mitm-proxy', 'mitmproxy'],
    },
    {
      ...defaults,
      name: 'slow-reader',
      title: 'a reader that takes 2 MB a second of a 500 MB body',
      unit: 'reader',
      freshProcess: true,
      needsProxy: true,
      job: {
        kind: 'slow',
        connections: 1,
        request: {
          method: 'GET',
          path: '/v1/files/file-bench/content',
          wish: `bytes=${500 * megabyte}`,
          body: 'none',
        },
        warmExchanges: 20,
        warmRequest: small,
        readBytesPerSecond: 2 * megabyte,
      },
      stretch: { durationMs: isQuick ? 1200 : 6000, maxExchanges: 1 },
      metrics: ['peakMb', 'growthMb', 'headP50Ms'],
      baselines: ['http-mitm-proxy', 'mitmproxy'],
    },
  ]
}

function stallWorkload(isQuick: boolean): Workload {
  return {
    ...defaults,
    name: 'stall',
    title: '5 MB chat completion request: how late the event loop is while it passes',
    unit: 'body',
    needsProxy: true,
    watchesLoop: true,
    job: {
      kind: 'repeat',
      connections: 1,
      request: { ...small, body: 'context', bodyBytes: 5 * megabyte },
      warmExchanges: 1,
    },
    stretch: { durationMs: 60_000, maxExchanges: 1 },
    stretches: isQuick ? 2 : 12,
    metrics: ['stallP50Ms', 'stallP99Ms', 'cpuUsPerUnit', 'p50Ms'],
    baselines: ['forwarder', 'http-mitm-proxy'],
  }
}
