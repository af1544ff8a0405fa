import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
/**
 * `npm run bench -- analyzers`: what analysis costs on one core, without any proxy around it: CPU
 * per event of streamed answers and per megabyte of JSON. The bodies are the recorded exchanges
 * where they lie beside the checkout, else the fixtures here; and one large model context.
 */
import type { Chain as ChainClass } from '../../src/pipeline/chain.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import {
  bodyBytes,
  corpusPath,
  readCorpus,
  readRecorded,
  specOf,
} from '../support/recorded-exchanges.ts'
import { exchangeMessages } from '../support/run-analyzers.ts'
import { builtUrl } from './built.ts'
import { contextRequestBody } from './payloads.ts'
import { spreadOf } from './statistics.ts'

/** Used where there is no corpus. */
const fixtures = [
  'chat-tools-stream',
  'chat-usage-stream',
  'messages-tools-stream',
  'messages-thinking-stream',
  'responses-text-stream',
  'chat-gzip',
]
/** As much as a socket gives at a time. */
const chunkBytes = 64 * 1024
/** The first ones warm up: what is measured is a proxy that has been running for a while. */
const droppedRounds = 5

interface Load {
  readonly name: string
  readonly unit: string
  readonly target: string
  readonly messages: ReadonlyArray<readonly AnalysisMsg[]>
  /** What one run over the messages is divided by. */
  readonly units: number
}

/** Prints one line per load: the median and the quartiles of `rounds` rounds, interleaved. */
export async function benchAnalyzers(rounds: number): Promise<string> {
  const { Chain } = (await import(builtUrl('src/pipeline/chain.js').href)) as {
    readonly Chain: typeof ChainClass
  }
  const { defaultAnalyzers } = (await import(builtUrl('analyzers/index.js').href)) as {
    readonly defaultAnalyzers: () => Analyzer[]
  }
  const run = (messages: readonly AnalysisMsg[], take: (msg: AnalysisMsg) => void): void => {
    const chain = new Chain(defaultAnalyzers(), take)
    for (const msg of messages) chain.run(msg, msg.at)
  }
  const loads = makeLoads((messages) => countEvents(messages, run))
  const samples = loads.map(() => [] as number[])
  for (let round = 0; round < rounds + droppedRounds; round += 1) {
    for (const [index, load] of loads.entries()) {
      const before = process.cpuUsage()
      for (const messages of load.messages) run(messages, () => undefined)
      const { user, system } = process.cpuUsage(before)
      if (round >= droppedRounds) samples[index]?.push((user + system) / load.units)
    }
  }
  const rows = loads.map((load, index) => rowOf(load, samples[index] ?? []))
  const source =
    corpusPath === undefined ? 'fixtures (no corpus beside the checkout)' : 'the corpus'
  return [
    `analysis alone, default analyzers, ${rounds} rounds, streams from ${source}`,
    ...rows,
  ].join('\n')
}

function makeLoads(eventsOf: (messages: readonly AnalysisMsg[]) => number): Load[] {
  const recordings = corpusPath === undefined ? fixtures.map(readRecorded) : readCorpus()
  const streams = recordings.filter(isStream).map(messagesByEvent)
  const plain = recordings.filter((recording) => !isStream(recording))
  const plainBytes = plain.reduce(
    (sum, { request, response }) =>
      sum + bodyBytes(request.body).length + bodyBytes(response.body).length,
    0,
  )
  const context = contextRequestBody(4_000_000)
  const events = streams.reduce((sum, messages) => sum + eventsOf(messages), 0)
  return [
    {
      name: `${streams.length} streams`,
      unit: 'µs per event',
      target: '10',
      messages: streams,
      units: events,
    },
    {
      name: `${plain.length} plain exchanges`,
      unit: 'ms per MB',
      target: '-',
      messages: plain.map((recording) =>
        exchangeMessages({ ...specOf(recording), chunkSize: chunkBytes }),
      ),
      units: plainBytes / 1_000,
    },
    {
      name: `a context of ${(context.length / 1e6).toFixed(1)} MB`,
      unit: 'ms per MB',
      target: '15',
      messages: [
        exchangeMessages({
          request: { url: 'https://api.openai.com/v1/chat/completions', body: context },
          chunkSize: chunkBytes,
        }),
      ],
      units: context.length / 1_000,
    },
  ]
}

function isStream({ response }: RecordedExchange): boolean {
  return response.headers.some(
    ([name, value]) =>
      name.toLowerCase() === 'content-type' && value.startsWith('text/event-stream'),
  )
}

/** Events come one by one, as providers send them. */
function messagesByEvent(recording: RecordedExchange): AnalysisMsg[] {
  const text = bodyBytes(recording.response.body).toString('latin1')
  const sizes = text.split(/(?<=\n\n)/u).map((event) => event.length)
  return exchangeMessages({ ...specOf(recording), chunkSize: sizes })
}

function countEvents(
  messages: readonly AnalysisMsg[],
  run: (messages: readonly AnalysisMsg[], take: (msg: AnalysisMsg) => void) => void,
): number {
  let events = 0
  run(messages, (msg) => {
    if (msg.kind === 'sse-event') events += 1
  })
  return events
}

function rowOf({ name, unit, target }: Load, samples: readonly number[]): string {
  const spread = spreadOf(samples)
  if (spread === undefined) return `  ${name}: not measured`
  const [median, lower, upper] = [spread.median, spread.lower, spread.upper].map((value) =>
    value.toFixed(1),
  )
  return `  ${name.padEnd(26)}${median} ${unit} (${lower}–${upper}), at most ${target}`
}
