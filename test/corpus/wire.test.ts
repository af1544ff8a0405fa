/**
 * Every recorded exchange carried through a real proxy, under its own host name and with nasty
 * boundaries: the client receives what was recorded, the capture holds it, and reading the capture
 * gives the messages that were live.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { readCapture } from '../../src/capture/reader.ts'
import { reanalyze } from '../../src/capture/reanalyze.ts'
import { decodeBytes, encodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg, HeaderPairs } from '../../src/messages/schema.ts'
import { expectWellFormed, only } from '../support/live-lines.ts'
import type { ProxiedAnswer } from '../support/proxied-client.ts'
import { createProxiedClient } from '../support/proxied-client.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { startProxy } from '../support/proxy.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import { bodyBytes, corpusPath, readCorpus } from '../support/recorded-exchanges.ts'
import type { Framing, RecordedHosts, ServedExchange } from '../support/recorded-hosts.ts'
import { endToEnd, startRecordedHosts } from '../support/recorded-hosts.ts'
import type { Chunking } from '../support/recorded-provider.ts'
import { recordedIdHeader } from '../support/recorded-provider.ts'
import { createUpstreamRoot } from '../support/upstream.ts'

const corpus = readCorpus()
const numbers = new Map(corpus.map(({ id }, index) => [id, index]))
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'

/** Client, proxy and upstream share one thread: more at a time would run into deadlines. */
const atATime = 8
/** Most parts of a body: beyond it, parts grow, so that a long body does not take minutes. */
const maxParts = 300
const maxSizes = [1, 2, 7, 61, 997, 16_384]
const framings: readonly Framing[] = ['chunked', 'content-length', 'close']

/** By the exchange's place in the corpus, so that every run has the same boundaries. */
function chunkingOf({ id, response }: ServedExchange): Chunking {
  const seed = numbers.get(id) ?? 0
  const bytes = decodeBytes(response.body ?? {}).length
  const maxSize = maxSizes[seed % maxSizes.length] ?? 1
  return { seed, maxSize: Math.max(maxSize, Math.ceil((2 * bytes) / maxParts)) }
}

function framingOf({ id }: ServedExchange): Framing {
  return framings[(numbers.get(id) ?? 0) % framings.length] ?? 'chunked'
}

interface Carried {
  readonly recording: RecordedExchange
  readonly answer: ProxiedAnswer
}

let folder = ''
let capture = ''
let upstream: RecordedHosts
let proxy: ProxyUnderTest
let carried: Carried[] = []

async function carryAll(): Promise<Carried[]> {
  const urls = corpus.map(({ request }) => new URL(request.url))
  const secure = [
    ...new Set(urls.filter(({ protocol }) => protocol === 'https:').map((url) => url.hostname)),
  ]
  const plain = [
    ...new Set(urls.filter(({ protocol }) => protocol === 'http:').map(({ host }) => host)),
  ]
  const root = createUpstreamRoot(...secure)
  upstream = await startRecordedHosts({
    root,
    exchanges: corpus,
    chunking: chunkingOf,
    framing: framingOf,
  })
  proxy = await startProxy({
    allow: [...secure, ...plain],
    connectTo: Object.fromEntries([
      ...secure.map((host) => [`${host}:443`, upstream.httpsPort]),
      ...plain.map((host) => [host, upstream.httpPort]),
    ]) as Record<string, number>,
    root,
    configure: (builder) => {
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.addAnalyzer(new FileLogger(capture))
    },
  })
  const { url, certificateAuthority } = proxy.running
  using client = createProxiedClient(url, certificateAuthority.certificatePem)
  const waiting = corpus.values()
  const answers: Carried[] = []
  const work = async (): Promise<void> => {
    for (const recording of waiting) {
      const { id, request } = recording
      const answer = await client.request({
        url: request.url,
        method: request.method.toUpperCase(),
        headers: [...ownHeaders(request.headers), [recordedIdHeader, id]],
        ...(request.body === undefined ? {} : { body: bodyBytes(request.body) }),
      })
      answers.push({ recording, answer })
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
  return answers
}

/** What the client adds itself is left out. */
function ownHeaders(pairs: HeaderPairs): HeaderPairs {
  return endToEnd(pairs).filter(
    ([name]) => !['host', 'content-length', 'date'].includes(name.toLowerCase()),
  )
}

describe.skipIf(corpusPath === undefined)(
  `the corpus on the wire (${corpusPath ?? reason})`,
  () => {
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'porthole-wire-'))
      capture = join(folder, 'traffic.jsonl')
      carried = await carryAll()
      await proxy.running.close()
    }, 300_000)
    afterAll(async () => {
      await proxy.running.close()
      await upstream.close()
      await rm(folder, { recursive: true, force: true })
    })

    test('reaches the client byte for byte, with its status and fields', () => {
      expect(carried).toHaveLength(corpus.length)
      for (const { recording, answer } of carried) {
        const { id, response } = recording
        expect(answer.status, id).toBe(response.status)
        expect(ownHeaders(answer.headers), id).toEqual(ownHeaders(response.headers))
        expect(answer.body.equals(bodyBytes(response.body)), id).toBe(true)
      }
    })

    test('reaches the upstream byte for byte, under its path and with its fields', () => {
      const received = new Map(upstream.requests.map((request) => [request.servedId, request]))
      expect(received.size).toBe(corpus.length)
      for (const { id, request } of corpus) {
        const { pathname, search } = new URL(request.url)
        const got = received.get(id)
        expect(got?.url, id).toBe(`${pathname}${search}`)
        expect(got?.body.equals(bodyBytes(request.body)), id).toBe(true)
        const sent = [...ownHeaders(request.headers), [recordedIdHeader, id]]
        expect(ownHeaders(got?.rawHeaders ?? []), id).toEqual(sent)
      }
    })

    test('is told as one exchange each, with one end, and nothing is lost', () => {
      expectWellFormed(proxy.messages)
      expect(only('exchange-completed', proxy.messages)).toHaveLength(corpus.length)
      for (const kind of ['messages-dropped', 'analyzer-failed', 'tls-failed'] as const) {
        expect(only(kind, proxy.messages)).toEqual([])
      }
    })

    test('stands in the capture byte for byte', async () => {
      const messages: AnalysisMsg[] = []
      for await (const line of readCapture(capture)) {
        if (line.type === 'message') messages.push(line.msg)
      }

      const recorded = bodiesById(messages)
      expect(recorded.size).toBe(corpus.length)
      for (const { id, request, response } of corpus) {
        expect(recorded.get(id)?.request.equals(bodyBytes(request.body)), id).toBe(true)
        expect(recorded.get(id)?.response.equals(bodyBytes(response.body)), id).toBe(true)
      }
    })

    test('gives the messages that were live when the capture is read', async () => {
      let index = 0
      for await (const line of reanalyze(readCapture(capture), defaultAnalyzers())) {
        if (line.type !== 'message') {
          expect(line.type).toBe('header')
          continue
        }
        const live = proxy.messages[index]
        // Compared as text, which is a hundred times faster, and told as objects.
        if (live === undefined || `${line.raw}\n` !== encodeLine(live))
          expect(line.msg).toEqual(live)
        index += 1
      }

      expect(index).toBe(proxy.messages.length)
    })
  },
)

interface Bodies {
  request: Buffer
  response: Buffer
}

/** The bodies of each exchange, put together from their chunks; the id is in a request field. */
function bodiesById(messages: readonly AnalysisMsg[]): Map<string, Bodies> {
  const byExchange = new Map<string | undefined, { id: string; parts: Record<Side, Buffer[]> }>()
  const found = new Map<string, Bodies>()
  for (const msg of messages) {
    if (msg.kind === 'request-started') {
      const id = msg.headers.find(([name]) => name === recordedIdHeader)?.[1] ?? ''
      byExchange.set(msg.exchangeId, { id, parts: { request: [], response: [] } })
    }
    const exchange = byExchange.get(msg.exchangeId)
    if (exchange === undefined) continue
    if (msg.kind === 'request-body' || msg.kind === 'response-body') {
      const parts = exchange.parts[msg.kind === 'request-body' ? 'request' : 'response']
      expect(msg.offset, exchange.id).toBe(parts.reduce((sum, { length }) => sum + length, 0))
      parts.push(decodeBytes(msg))
    }
    if (msg.kind === 'exchange-completed') {
      const { request, response } = exchange.parts
      found.set(exchange.id, {
        request: Buffer.concat(request),
        response: Buffer.concat(response),
      })
    }
  }
  return found
}

type Side = 'request' | 'response'
