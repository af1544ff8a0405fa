/**
 * What every observing analyzer must hold to, as one suite: call `analyzerConformance` in the test
 * of an analyzer. Nothing that happens to a message may throw, leak or depend on chance or chunks.
 */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import { readRecorded, specOf } from './recorded-exchanges.ts'
import { exchangeMessages, runAnalyzers } from './run-analyzers.ts'

interface ConformanceOptions {
  /** The analyzers that stand before it in a real chain; default none. */
  readonly before?: () => readonly Analyzer[]
  /** It remembers ended exchanges on purpose, so that the same one again is another one to it. */
  readonly remembers?: boolean
}

export function analyzerConformance(
  name: string,
  makeAnalyzer: () => Analyzer,
  { before = () => [], remembers = false }: ConformanceOptions = {},
): void {
  const makeChain = (): Analyzer[] => [...before(), makeAnalyzer()]
  const emitted = (chain: readonly Analyzer[], messages: readonly AnalysisMsg[]): AnalysisMsg[] => {
    const own = chain.at(-1)?.name
    return runAnalyzers(chain, messages).filter((msg) => msg.by === own)
  }

  describe(`${name} as an analyzer`, () => {
    test('has a name that can stand as "by"', () => {
      expect(makeAnalyzer().name).toMatch(/^[a-z][a-z0-9-]*$/u)
    })

    test('takes any messages in any order, and emits only valid messages', () => {
      fc.assert(
        fc.property(anyMessages, (messages) => {
          for (const msg of emitted(makeChain(), messages)) expectValid(msg)
        }),
        { numRuns: 300 },
      )
    })

    test('emits only valid messages when a real exchange loses some of its messages', () => {
      fc.assert(
        fc.property(anyRecording, chunking, fc.array(fc.nat(50)), (recording, sizes, lost) => {
          const messages = exchangeMessages({ ...specOf(recording), chunkSize: sizes })
          const left = messages.filter((_, index) => !lost.includes(index))
          for (const msg of emitted(makeChain(), left)) expectValid(msg)
        }),
        { numRuns: 100 },
      )
    })

    test('emits the same on every run', () => {
      fc.assert(
        fc.property(anyMessages, (messages) => {
          expect(emitted(makeChain(), messages)).toEqual(emitted(makeChain(), messages))
        }),
        { numRuns: 100 },
      )
    })

    test('emits the same however the bodies are chunked', () => {
      fc.assert(
        fc.property(anyRecording, chunking, (recording, chunkSize) => {
          // No time passes, so that only the chunks can make a difference.
          const spec = { ...specOf(recording), stepMs: 0 }
          const whole = emitted(makeChain(), exchangeMessages(spec))
          const chunked = emitted(makeChain(), exchangeMessages({ ...spec, chunkSize }))
          expect(chunked.map(withoutSeq)).toEqual(whole.map(withoutSeq))
        }),
        { numRuns: 100 },
      )
    })

    test('has forgotten an exchange that has ended', () => {
      for (const recording of recordings) {
        const chain = makeChain()
        const messages = exchangeMessages({ ...specOf(recording), chunkSize: 100 })
        const first = emitted(chain, messages)
        const again = emitted(chain, messages)
        expect(again.map((msg) => msg.kind)).toEqual(first.map((msg) => msg.kind))
        if (!remembers) expect(again).toEqual(first)
        expect(emitted(chain, messages.slice(1)).map((msg) => msg.kind)).toEqual([])
      }
    })

    test('holds no memory of exchanges that have ended', () => {
      const chain = makeChain()
      const body = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'.repeat(20_000)
      const run = (index: number, failAfterBytes?: number): void => {
        const messages = exchangeMessages({
          exchangeId: `m${index}`,
          request: { url: 'https://api.openai.com/v1/chat/completions', body: '{"messages":[]}' },
          response: { headers: [['content-type', 'text/plain']], body },
          chunkSize: 65_536,
          ...(failAfterBytes === undefined ? {} : { failAfterBytes }),
        })
        for (const msg of messages) for (const analyzer of chain) analyzer.onMessage?.(msg, ignore)
      }
      run(0)
      const before = usedBytes()
      for (let index = 1; index <= 40; index += 1) run(index, index % 2 === 0 ? 500_000 : undefined)

      expect(usedBytes() - before).toBeLessThan(10 * 1024 * 1024)
    })
  })
}

const ignore = (): void => undefined

function withoutSeq({ seq: _seq, ...rest }: AnalysisMsg): object {
  return rest
}

function expectValid(msg: AnalysisMsg): void {
  const copy: unknown = JSON.parse(JSON.stringify(msg))
  expect(copy).toEqual(msg)
  const result = analysisMsgSchema.safeParse(copy)
  expect(result.error?.issues ?? []).toEqual([])
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const fixtures = resolve(import.meta.dirname, '..', 'fixtures', 'analyzers')
const recordings = readdirSync(fixtures)
  .filter((file) => file.endsWith('.json'))
  .map((file) => readRecorded(file.slice(0, -'.json'.length)))
const anyRecording = fc.constantFrom(...recordings)

const chunking = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 })

const bodyText = fc.oneof(
  fc.string(),
  fc.json(),
  fc.constantFrom(
    'data: {"choices":[{"index":5,"delta":{"tool_calls":[{"function":{"arguments":"{"}}]}}]}\n\n',
    'data: {"type":"message_start","message":{"usage":{"input_tokens":-1}}}\n\n',
    'event: x\ndata: {"type":"content_block_delta","index":3,"delta":{"type":"text_delta"}}\n\n',
    'data: {"type":"response.output_text.delta","output_index":1,"delta":"a"}\r\n\r\n',
    'data: {"error":"broken"}\n\n',
    'data: {"error":{"__proto__":{"a":1},"message":7}}\n\ndata: [DONE]\n\n',
    '{"messages":[{"role":1,"content":[{"type":"image_url","image_url":"data:;base64,"}]}]}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7,"arguments":[]}}',
    '{"type":"response.create","response":[],"input":[{"type":"message","content":{}}]}',
    '{"type":"response.done","response":{"output":[{"content":[null]}],"usage":{"input_tokens":1}}}',
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n--b--',
    '{"choices":[null,{"message":{"content":1e999}}],"usage":{"prompt_tokens":9e99}}',
    `{"messages":${'['.repeat(600)}${']'.repeat(600)}}`,
  ),
)
const body = fc.oneof(
  bodyText.map((text) => ({ text })),
  fc
    .uint8Array({ maxLength: 60 })
    .map((bytes) => ({ base64: Buffer.from(bytes).toString('base64') })),
)
const headers = fc.array(
  fc.tuple(
    fc.constantFrom('Content-Type', 'content-encoding', 'X-Other'),
    fc.constantFrom(
      'text/event-stream',
      'application/json; charset=utf-16le',
      'application/json',
      'text/plain; charset=none',
      'multipart/form-data; boundary=b',
      'audio/mpeg',
      'gzip',
      'br, zstd',
      'deflate',
      ';;',
    ),
  ),
  { maxLength: 3 },
)
const count = fc.nat(200)
const url = fc.constantFrom(
  'https://api.openai.com/v1/chat/completions?x=1',
  'https://api.openai.com/v1/responses',
  'https://api.anthropic.com/v1/messages',
  'https://example.com/v1/completions',
  'https://example.com/v1/embeddings',
  'https://api.openai.com/v1/audio/speech',
  'https://api.openai.com/v1/realtime?model=m',
  'https://api.openai.com/v1/threads/t1/runs',
  'https://api.openai.com/v1/files/f1',
  'https://example.com/mcp',
  '/openai/deployments/%zz/chat/completions',
  'not a url',
)

const anyDraft: fc.Arbitrary<AnalysisMsgDraft> = fc.oneof(
  fc.record({
    kind: fc.constant('request-started' as const),
    method: fc.constantFrom('POST', 'GET'),
    url,
    httpVersion: fc.constant('1.1'),
    headers,
    host: fc.constantFrom('api.openai.com', 'api.anthropic.com:443', '127.0.0.1:8080', ''),
  }),
  fc.tuple(fc.constantFrom('request-body' as const, 'response-body' as const), count, body).map(
    // Bodies begin at 0 often enough to be read.
    ([kind, offset, bytes]) =>
      Object.assign({ kind, offset: offset % 3 === 0 ? offset : 0 }, bytes),
  ),
  fc.record({ kind: fc.constant('request-ended' as const), bytes: count }),
  fc.record({
    kind: fc.constant('websocket-message' as const),
    direction: fc.constantFrom('request' as const, 'response' as const),
    opcode: fc.constantFrom(1, 2, 8),
    text: bodyText,
  }),
  fc.record({
    kind: fc.constant('request-refused' as const),
    status: fc.constantFrom(403, 429),
    reason: fc.string(),
  }),
  fc.record({
    kind: fc.constant('response-started' as const),
    status: fc.constantFrom(200, 204, 404, 529),
    headers,
    ttfbMs: count,
  }),
  fc.record({ kind: fc.constant('response-ended' as const), bytes: count, durationMs: count }),
  fc.record({
    kind: fc.constant('exchange-completed' as const),
    status: count,
    requestBytes: count,
    responseBytes: count,
    durationMs: count,
  }),
  fc.record({
    kind: fc.constant('exchange-failed' as const),
    by: fc.constantFrom('client' as const, 'upstream' as const, 'proxy' as const),
    phase: fc.constantFrom('request' as const, 'response' as const),
    code: fc.string(),
    durationMs: count,
  }),
  fc.record({
    kind: fc.constant('messages-dropped' as const),
    where: fc.constant('analysis'),
    count,
    bytes: count,
  }),
)

const anyMessages: fc.Arbitrary<AnalysisMsg[]> = fc.array(
  fc
    .tuple(anyDraft, fc.constantFrom('x1', 'x2', undefined), fc.integer({ min: 0, max: 2 ** 41 }))
    .map(([draft, exchangeId, at]): AnalysisMsg => {
      const ids = exchangeId === undefined ? {} : { exchangeId }
      return Object.assign({ v: 1 as const, seq: 0, at }, ids, draft)
    }),
  { maxLength: 40 },
)
