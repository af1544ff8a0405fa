/**
 * The proxy of the soak, a process of its own: the public builder of the build in dist/, its default
 * analyzers and a capture. Started with `--expose-gc`, so that memory can be asked for without what
 * only waits to be collected.
 */
import type * as libraryModule from '../../src/index.ts'
import { builtUrl } from '../bench/built.ts'
import { serveParent, settingsFromParent } from '../bench/serve-parent.ts'
import type { ProxySample, ProxySettings } from './proxy-process.ts'

const settings = settingsFromParent() as ProxySettings
const library = (await import(builtUrl('src/index.js').href)) as typeof libraryModule

const builder = new library.PortholeBuilder()
  .listen('127.0.0.1:0')
  .allowHosts(...settings.allow)
  .upstreamCa(settings.rootPem)
  .limit({
    connectTimeoutMs: settings.connectTimeoutMs,
    answerTimeoutMs: settings.idleTimeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
  })
for (const { host, port, to } of settings.connectTo) {
  builder.connectTo({ host, port, kind: 'name' }, { host: '127.0.0.1', port: to, kind: 'ipv4' })
}
for (const route of settings.routes) builder.route(route)
for (const analyzer of library.defaultAnalyzers()) builder.addAnalyzer(analyzer)
const problems: string[] = []
const capture = new library.FileLogger(settings.capturePath, {
  maxBytes: settings.captureBytes,
  onProblem: (problem) => problems.push(JSON.stringify(problem)),
})
// A second capture of some exchanges, with a queue so short that bursts must overflow it.
const narrow = new library.FileLogger(settings.narrowPath, {
  maxBytes: settings.narrowBytes,
  queueBytes: 100_000,
})
const rebuilt: ReadonlySet<string> = new Set(['http-parsed', 'sse-event'])
let offered = 0
builder.addAnalyzer({
  name: 'narrow-logger',
  onMessage: (msg, emit) => {
    if (msg.exchangeId?.endsWith('7') !== true || rebuilt.has(msg.kind)) return
    offered += 1
    narrow.onMessage(msg, emit)
  },
  close: () => narrow.close(),
})
builder.addAnalyzer(capture)
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    problems.push(`${event}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
  })
}
await capture.open()
await narrow.open()
const running = await builder.build().start()
let isClosed = false

async function close(): Promise<void> {
  await running.close({ drainMs: 2000 })
  isClosed = true
}

function sample(): ProxySample {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  return {
    heapBytes: heapUsed,
    outsideBytes: external + arrayBuffers,
    rssBytes: rss,
    resources: process.getActiveResourcesInfo(),
    stats: running.stats(),
    offered,
    problems: [...problems],
    isClosed,
  }
}

serveParent(
  { sample, close },
  { port: running.port, caPem: running.certificateAuthority.certificatePem },
  close,
)
