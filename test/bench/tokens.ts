/**
 * `npm run bench -- tokens`: what looking for opaque tokens costs a body of 1 MB, on one core,
 * without any proxy around it: a stream that does nothing, one that finds nothing, and one that
 * replaces ten tokens.
 */
import { PassThrough, Readable, Writable } from 'node:stream'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { TokenReplacer as ReplacerClass } from '../../analyzers/token-replacer.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import type { formatToken as Format } from '../../src/policy/tokens/token-format.ts'
import type { TokenSource } from '../../src/policy/tokens/token-source.ts'
import type { createHeaderList as CreateHeaders } from '../../src/proxy/http-messages.ts'
import { builtUrl } from './built.ts'

const bodyBytes = 1_000_000
const chunkBytes = 64 * 1024
const warmUps = 20
const rounds = 100
const tokensPerBody = 10

const imported = <T>(path: string): Promise<T> => import(builtUrl(path).href) as Promise<T>

/** One line each: milliseconds for the body at the median, and megabytes a second. */
export async function benchTokens(): Promise<string> {
  const { TokenReplacer } = await imported<{ TokenReplacer: typeof ReplacerClass }>(
    'analyzers/token-replacer.js',
  )
  const { formatToken } = await imported<{ formatToken: typeof Format }>(
    'src/policy/tokens/token-format.js',
  )
  const { createHeaderList } = await imported<{ createHeaderList: typeof CreateHeaders }>(
    'src/proxy/http-messages.js',
  )
  const source: TokenSource = {
    lookup: () => ({
      find: () => ({ decision: 'replace', secretId: 's', reveal: () => 'sk-of-a-usual-length-0' }),
    }),
  }
  const replacer = new TokenReplacer(source)
  const transform = (): Duplex => {
    const request: OutgoingRequest = {
      connectionId: 'c1',
      exchangeId: 'x1',
      scheme: 'https',
      host: 'a.example',
      port: 443,
      method: 'POST',
      path: '/',
      headers: createHeaderList([
        ['Content-Type', 'application/json'],
        ['Content-Length', String(bodyBytes)],
      ]),
      readBody: () => Promise.resolve(Buffer.alloc(0)),
      emit: () => {},
      conceal: () => {},
    }
    void replacer.onRequest(request)
    const made = replacer.transformRequestBody(request)
    if (made === undefined) throw new Error('nothing is transformed')
    return made.stream
  }
  const token = formatToken(new Uint8Array(32).fill(7))
  const [plain, withTokens] = [chunksOf([]), chunksOf(Array<string>(tokensPerBody).fill(token))]
  return [
    'tokens in a body of 1 MB            p50',
    describe('no transform', await measure(plain, () => new PassThrough())),
    describe('no token in it', await measure(plain, transform)),
    describe(`${tokensPerBody} tokens in it`, await measure(withTokens, transform)),
  ].join('\n')
}

/** A conversation as agents send it, with the tokens spread over it. */
function chunksOf(tokens: readonly string[]): Buffer[] {
  const line = 'He said "use C:\\path\\to\\%TEMP%" and so the model did; then it stopped. '
  const parts = Math.max(1, tokens.length)
  const messages = Array.from({ length: parts }, (_, index) => ({
    role: 'user',
    content: line.repeat(Math.floor(bodyBytes / parts / (line.length + 8))) + (tokens[index] ?? ''),
  }))
  const body = Buffer.from(JSON.stringify({ messages }))
  return Array.from({ length: Math.ceil(body.length / chunkBytes) }, (_, index) =>
    body.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  )
}

async function measure(chunks: readonly Buffer[], make: () => Duplex): Promise<number> {
  const took: number[] = []
  for (let round = -warmUps; round < rounds; round += 1) {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
    const stream = make()
    const startedMs = performance.now()
    await pipeline(Readable.from(chunks), stream, sink)
    if (round >= 0) took.push(performance.now() - startedMs)
  }
  took.sort((a, b) => a - b)
  return took[rounds / 2] ?? 0
}

function describe(name: string, ms: number): string {
  const rate = `${Math.round(bodyBytes / 1000 / ms)} MB/s`
  return `${name.padEnd(28)} ${ms.toFixed(2).padStart(7)} ms ${rate.padStart(12)}`
}
