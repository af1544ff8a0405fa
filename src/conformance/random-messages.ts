/**
 * Messages of any kind in any order, by a seed: what a damaged capture, lost messages and hostile
 * content may come to. The same seed gives the same messages in every process.
 */
import type { AnalysisMsgDraft, HeaderPairs } from '../messages/schema.ts'
import type { Reported } from './sample-exchanges.ts'
import { reportOf, sampleExchanges } from './sample-exchanges.ts'

export interface Chance {
  /** From 0 to below `bound`. */
  below(bound: number): number
  /** One of `values`, which must not be empty. */
  of<T>(values: readonly T[]): T
}

/** Mulberry32. */
export function createChance(seed: number): Chance {
  let state = seed | 0

  function below(bound: number): number {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }

  return {
    below,
    of(values) {
      const [first] = values
      if (first === undefined) throw new RangeError('nothing to choose from')
      return values[below(values.length)] ?? first
    },
  }
}

/** Bodies that are nearly what an analyzer looks for. */
const texts: readonly string[] = [
  ...sampleExchanges.flatMap(({ request, response }) => [request, response]),
  '',
  'null',
  '{',
  '[]',
  '{"messages":[{"role":1,"content":[{"type":"image_url","image_url":"data:;base64,"}]}]}',
  'data: {"choices":[{"index":5,"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}\n\n',
  'data: {"type":"message_start","message":{"usage":{"input_tokens":-1}}}\n\n',
  'data: {"error":{"__proto__":{"a":1},"message":7}}\n\ndata: [DONE]\n\n',
  '{"choices":[null,{"message":{"content":1e999}}],"usage":{"prompt_tokens":9e99}}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7,"arguments":[]}}',
  `{"messages":${'['.repeat(600)}${']'.repeat(600)}}`,
]
const bytes: readonly string[] = [
  '',
  '/w==',
  'H4sIAAAAAAAA',
  Buffer.alloc(60, 0xf0).toString('base64'),
]
const types: readonly string[] = [
  'text/event-stream',
  'application/json',
  'application/json; charset=utf-16le',
  'multipart/form-data; boundary=b',
  'audio/mpeg',
  ';;',
]
const codings: readonly string[] = ['gzip', 'br, zstd', 'deflate', 'unheard-of']
const urls: readonly string[] = [
  ...sampleExchanges.map(({ url }) => url),
  '/openai/deployments/%zz/chat/completions',
  'not a url',
]

/** Up to `most` messages of two exchanges, or of none. */
export function randomMessages(chance: Chance, most: number): Reported[] {
  return Array.from({ length: chance.below(most + 1) }, () => {
    const exchangeId = chance.of(['x1', 'x1', 'x2', undefined])
    const ids = exchangeId === undefined ? {} : { exchangeId }
    return { ...ids, ...randomDraft(chance), at: chance.below(2 ** 31) }
  })
}

/** What is reported of a sample, with pieces of any size. */
export function randomSizes(chance: Chance): number[] {
  return Array.from({ length: 1 + chance.below(6) }, () => 1 + chance.below(200))
}

/** Some of the messages of a sample. */
export function withLosses(chance: Chance): Reported[] {
  const report = reportOf(chance.of(sampleExchanges), randomSizes(chance))
  const lost = 1 + chance.below(8)
  return report.filter(() => chance.below(lost + 4) >= 2)
}

function randomDraft(chance: Chance): AnalysisMsgDraft {
  const count = chance.below(200)
  const sizes = { requestBytes: count, responseBytes: count, durationMs: count }
  switch (chance.below(9)) {
    case 0:
      return {
        kind: 'request-started',
        method: chance.of(['POST', 'POST', 'GET', '']),
        url: chance.of(urls),
        httpVersion: '1.1',
        headers: randomHeaders(chance),
        host: chance.of(['api.openai.com', 'api.anthropic.com:443', '127.0.0.1:8080', '']),
      }
    case 1:
    case 2: {
      const kind = chance.of(['request-body', 'response-body'] as const)
      // Bodies begin at 0 often enough to be read.
      return { kind, offset: chance.of([0, 0, count]), ...randomBytes(chance) }
    }
    case 3:
      return { kind: 'request-ended', bytes: count }
    case 4:
      return {
        kind: 'response-started',
        status: chance.of([200, 204, 404, 529]),
        headers: randomHeaders(chance),
        ttfbMs: count,
      }
    case 5:
      return { kind: 'response-ended', bytes: count, durationMs: count }
    case 6:
      return { kind: 'exchange-completed', status: 200, ...sizes }
    case 7:
      return {
        kind: 'exchange-failed',
        by: chance.of(['client', 'upstream', 'proxy'] as const),
        phase: chance.of(['request', 'response'] as const),
        code: 'ECONNRESET',
        durationMs: count,
      }
    default:
      return {
        kind: 'websocket-message',
        direction: chance.of(['request', 'response'] as const),
        opcode: chance.of([1, 2, 8]),
        text: chance.of(texts),
      }
  }
}

function randomBytes(chance: Chance): { text: string } | { base64: string } {
  if (chance.below(4) === 0) return { base64: chance.of(bytes) }
  const text = chance.of(texts)
  return { text: chance.below(2) === 0 ? text : text.slice(0, chance.below(text.length + 1)) }
}

function randomHeaders(chance: Chance): HeaderPairs {
  const headers: Array<[string, string]> = []
  if (chance.below(4) > 0) headers.push(['Content-Type', chance.of(types)])
  if (chance.below(4) === 0) headers.push(['content-encoding', chance.of(codings)])
  return headers
}
