/**
 * Carries out one job: opens exactly the connections asked for, warms each, then works through
 * measured stretches. Any answer but the expected one, and any connection that ends, fails the job.
 */
import { setTimeout as delay } from 'node:timers/promises'

import { contextRequestBody, fileBody, smallRequestBody } from '../payloads.ts'
import { quantile } from '../statistics.ts'
import { createDialler } from './client-connection.ts'
import type { ClientConnection, Dial, ExchangeWatcher } from './client-connection.ts'
import type { Delays, RequestShape, RoutedJob, Stretch, StretchResult } from './jobs.ts'

export interface RunningJob {
  run(stretch: Stretch): Promise<StretchResult>
  close(): Promise<void>
}

/** Connections opened at the same time: a proxy's accept queue is not what is measured. */
const openAtOnce = 8
/** How often a slow reader looks for more, in milliseconds. */
const slowReadEveryMs = 50
/** Delays kept for percentiles. */
const maxDelays = 2_000_000

export async function openJob(job: RoutedJob): Promise<RunningJob> {
  const dial = createDialler(job)
  const request = renderRequest(job.request, job.originPort)
  const warmShape = job.warmRequest ?? job.request
  const warm = job.warmRequest === undefined ? request : renderRequest(warmShape, job.originPort)
  const connections = job.fresh === true ? [] : await openAll(dial, job.connections)
  const workers = connections.map((connection) => keptWorker(connection))
  if (job.fresh === true) {
    for (let index = 0; index < job.connections; index += 1) workers.push(freshWorker(dial))
  }
  const record = createRecord()
  await Promise.all(
    workers.map(async (worker) => {
      for (let done = 0; done < job.warmExchanges; done += 1) {
        await oneExchange(worker, warm, warmShape, record, false)
      }
    }),
  )
  return {
    run: (stretch) =>
      job.kind === 'slow'
        ? runSlow(connections[0], request, job.readBytesPerSecond ?? 0, stretch)
        : runStretch(workers, { request, job, stretch }),
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()))
    },
  }
}

/** Sends one request; how it gets a connection is its own business. */
type Worker = (request: Buffer, watcher: ExchangeWatcher) => Promise<Outcome>
type Outcome = Awaited<ReturnType<ClientConnection['exchange']>>

function keptWorker(connection: ClientConnection): Worker {
  return (request, watcher) => connection.exchange(request, watcher)
}

function freshWorker(dial: Dial): Worker {
  return async (request, watcher) => {
    const connection = await dial()
    const outcome = await connection.exchange(request, watcher)
    await connection.close()
    return outcome
  }
}

async function openAll(dial: Dial, count: number): Promise<ClientConnection[]> {
  const opened: ClientConnection[] = []
  while (opened.length < count) {
    const batch = Math.min(openAtOnce, count - opened.length)
    opened.push(...(await Promise.all(Array.from({ length: batch }, dial))))
  }
  return opened
}

async function runStretch(
  workers: readonly Worker[],
  plan: { readonly request: Buffer; readonly job: RoutedJob; readonly stretch: Stretch },
): Promise<StretchResult> {
  const { request, job, stretch } = plan
  const record = createRecord()
  const startMs = performance.now()
  const deadline = startMs + stretch.durationMs
  await Promise.all(
    workers.map(async (worker) => {
      for (let done = 0; done < stretch.maxExchanges; done += 1) {
        if (performance.now() >= deadline) break
        await oneExchange(worker, request, job.request, record, job.kind === 'streams')
      }
    }),
  )
  return record.result((performance.now() - startMs) / 1000)
}

async function oneExchange(
  worker: Worker,
  request: Buffer,
  shape: RequestShape,
  record: Record,
  watchesEvents: boolean,
): Promise<void> {
  const startMs = performance.now()
  const counter = watchesEvents ? createEventCounter(record) : undefined
  const outcome = await worker(request, {
    onHead: () => record.head.push(performance.now() - startMs),
    ...(counter === undefined ? {} : { onBody: counter }),
  })
  if (outcome.status !== 200) throw new Error(`a request was answered with ${outcome.status}`)
  if (shape.answerBytes !== undefined && outcome.bytes !== shape.answerBytes) {
    throw new Error(`an answer had ${outcome.bytes} bytes instead of ${shape.answerBytes}`)
  }
  record.exchanges += 1
  record.bytes += outcome.bytes
  if (record.exchange.length < maxDelays) record.exchange.push(performance.now() - startMs)
}

interface Record {
  exchanges: number
  events: number
  bytes: number
  readonly exchange: number[]
  readonly head: number[]
  readonly event: number[]
  result(seconds: number): StretchResult
}

function createRecord(): Record {
  return {
    exchanges: 0,
    events: 0,
    bytes: 0,
    exchange: [],
    head: [],
    event: [],
    result(seconds) {
      const { exchanges, events, bytes } = this
      return {
        exchanges,
        events,
        bytes,
        seconds,
        exchange: delaysOf(this.exchange),
        head: delaysOf(this.head),
        event: delaysOf(this.event),
      }
    },
  }
}

function delaysOf(values: readonly number[]): Delays {
  if (values.length === 0) return { p50Ms: Number.NaN, p99Ms: Number.NaN, count: 0 }
  return { p50Ms: quantile(values, 0.5), p99Ms: quantile(values, 0.99), count: values.length }
}

/** Counts events and reads the stamps in them: both processes share one monotonic clock. */
function createEventCounter(record: Record): (piece: Buffer) => void {
  let rest = ''
  return (piece) => {
    const now = process.hrtime.bigint()
    rest += piece.toString('latin1')
    let from = 0
    for (let at = rest.indexOf('\n\n'); at !== -1; at = rest.indexOf('\n\n', from)) {
      record.events += 1
      const stampAt = rest.indexOf('"t', from)
      if (stampAt !== -1 && stampAt < at && record.event.length < maxDelays) {
        const stamp = rest.slice(stampAt + 2, rest.indexOf('.', stampAt))
        record.event.push(Number(now - BigInt(stamp)) / 1e6)
      }
      from = at + 2
    }
    rest = rest.slice(from)
  }
}

/** Reads a little at a time and leaves in the middle, as a client on a bad line would. */
async function runSlow(
  connection: ClientConnection | undefined,
  request: Buffer,
  bytesPerSecond: number,
  stretch: Stretch,
): Promise<StretchResult> {
  if (connection === undefined) throw new Error('a slow reader needs a connection')
  const record = createRecord()
  const { socket } = connection
  const startMs = performance.now()
  const isAhead = (): boolean =>
    record.bytes > ((performance.now() - startMs) / 1000) * bytesPerSecond
  const broken = connection.exchange(request, {
    onHead: () => record.head.push(performance.now() - startMs),
    onBody: (piece) => {
      record.bytes += piece.length
      if (isAhead()) socket.pause()
    },
  })
  const early = broken.then((): never => {
    throw new Error('the slow reader got the whole body: nothing was slow')
  })
  early.catch(() => {})
  while (performance.now() - startMs < stretch.durationMs) {
    await Promise.race([delay(slowReadEveryMs), early])
    if (!isAhead()) socket.resume()
  }
  record.exchanges = 1
  return record.result((performance.now() - startMs) / 1000)
}

function renderRequest(shape: RequestShape, originPort: number): Buffer {
  const body = renderBody(shape)
  const type = shape.body === 'file' ? 'application/octet-stream' : 'application/json'
  const framing = shape.body === 'none' ? [] : [`Content-Length: ${body.length}`]
  const lines = [
    `${shape.method} ${shape.path} HTTP/1.1`,
    `Host: localhost:${originPort}`,
    'Accept: application/json',
    ...(shape.body === 'none' ? [] : [`Content-Type: ${type}`]),
    'Authorization: Bearer sk-bench-0000000000000000000000000000',
    'User-Agent: OpenAI/JS 6.0.0',
    'X-Stainless-Lang: js',
    'X-Stainless-Runtime: node',
    `X-Bench: ${shape.wish}`,
    ...framing,
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body])
}

function renderBody(shape: RequestShape): Buffer {
  switch (shape.body) {
    case 'none':
      return Buffer.alloc(0)
    case 'small':
      return smallRequestBody()
    case 'file':
      return fileBody(shape.bodyBytes ?? 0)
    case 'context':
      return contextRequestBody(shape.bodyBytes ?? 0)
  }
}
