/**
 * The proxy's side of `npm run bench -- viewer`: a control socket as a proxy has it, told 1,000
 * messages a second of model calls that stream, and how late its event loop was meanwhile.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

import type * as serverModule from '../../src/control/server.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { callEnd, callStart, responseStart, stamp, textEvent } from '../src/tui/sample-messages.ts'
import { builtUrl } from './built.ts'
import { serveParent, settingsFromParent } from './serve-parent.ts'

const { directory, perSecond } = settingsFromParent() as {
  readonly directory: string
  readonly perSecond: number
}
const { ControlServer } = (await import(
  builtUrl('src/control/server.js').href
)) as typeof serverModule
const server = await ControlServer.start({
  directory,
  pid: process.pid,
  info: { url: 'http://127.0.0.1:9', startedAt: Date.now(), command: 'bench', version: '0' },
})

/** Events of one answer, and answers that are written at a time. */
const eventsPerCall = 80
const callsAtATime = 8
const words = 'and so the river went on to the sea, past the mill and the sleeping town '

let made = 0
let sent = 0
const streams = Array.from({ length: callsAtATime }, () => messagesOfCalls())

function* messagesOfCalls(): Generator<AnalysisMsg> {
  for (;;) {
    made += 1
    const call = { id: `bench-${made}`, prompt: `What came of number ${made}?` }
    const fresh = (messages: readonly AnalysisMsg[]): AnalysisMsg[] =>
      messages.map((msg) => ({ ...msg, at: Date.now() }))
    yield* fresh(callStart(call))
    yield* fresh([responseStart(call)])
    for (let index = 0; index < eventsPerCall; index += 1) {
      const event = textEvent(call, index, words)
      const text = event.kind === 'sse-event' ? `data: ${event.data}\n\n` : ''
      yield* fresh([
        stamp({ kind: 'response-body', exchangeId: call.id, text, offset: index * text.length }),
        event,
      ])
    }
    yield* fresh(callEnd({ ...call, answer: words.repeat(20) }))
  }
}

let startedAt = performance.now()
const timer = setInterval(() => {
  const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000)
  for (; sent < due; sent += 1) {
    const next = streams[sent % callsAtATime]?.next()
    if (next?.done === false) server.broadcast(next.value)
  }
}, 5)

const histogram = monitorEventLoopDelay({ resolution: 1 })

serveParent(
  {
    'loop-start': () => {
      sent = 0
      startedAt = performance.now()
      histogram.enable()
      histogram.reset()
    },
    'loop-read': () => ({
      p50: histogram.percentile(50) / 1e6,
      p99: histogram.percentile(99) / 1e6,
      max: histogram.max / 1e6,
      sent,
    }),
  },
  { path: server.path },
  async () => {
    clearInterval(timer)
    await server.close()
  },
)
