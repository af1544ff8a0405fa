import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../../analyzers/http-parser.ts'
import { SseMerger } from '../../../analyzers/sse-merger.ts'
import { decodeBytes } from '../../../src/messages/codec.ts'
import type { AnalysisMsg, HeaderPairs, MsgOf } from '../../../src/messages/schema.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { namedForms } from '../../../src/policy/credential-value.ts'
import { ExchangeReport } from '../../../src/proxy/exchange-report.ts'

const clock = { now: () => 1, monotonicMs: () => 1 }

interface Bench {
  readonly report: ExchangeReport
  /** All messages, as sinks see them. */
  readonly told: () => AnalysisMsg[]
  readonly echoes: () => Array<MsgOf<'credential-echoed'>>
}

function bench(value: string): Bench {
  const analyzers = [new HttpParser(), new SseMerger()]
  const pipeline = new Pipeline({ analyzers, clock, queueBytes: 2 ** 26 })
  const messages: AnalysisMsg[] = []
  pipeline.subscribe((msg) => messages.push(msg))
  const report = new ExchangeReport(
    {
      clock,
      publish: (draft) => pipeline.publish(draft),
      publishBody: (body) => pipeline.publishBody(body),
      publishUnread: (unread) => pipeline.publishUnread(unread),
    },
    {
      connectionId: 'c1',
      exchangeId: 'x1',
      path: '/',
      method: 'POST',
      httpVersion: '1.1',
      headers: [['Host', 'a.example']],
      destination: { authority: { host: 'a.example' } },
    },
    { observed: true, withholdBodies: false },
  )
  report.started('https://a.example/')
  report.conceal(value, { secretId: 'one' })
  const told = (): AnalysisMsg[] => {
    pipeline.flush()
    return messages
  }
  const echoes = (): ReturnType<Bench['echoes']> =>
    told().filter((msg) => msg.kind === 'credential-echoed')
  return { report, told, echoes }
}

const head = { status: 200, statusText: 'OK', httpVersion: '1.1' }

/** What a reader of the messages could put together. */
function readable(messages: readonly AnalysisMsg[]): string {
  const bodies = messages.map((msg) =>
    msg.kind === 'response-body' ? decodeBytes(msg).toString('latin1') : '',
  )
  return `${JSON.stringify(messages)}\n${bodies.join('')}`
}

const codings = {
  identity: (bytes: Buffer) => bytes,
  gzip: gzipSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
  deflate: deflateSync,
} as const

/** As keys look; and as nothing but a password does. */
const values = fc.oneof(
  fc.stringMatching(/^sk-[\w-]{12,60}$/u),
  fc.stringMatching(/^[!-~][ -~]{8,40}[!-~]$/u),
)

describe('S7 a value that comes back in a body', () => {
  property.prop(
    [
      values,
      fc.constantFrom(...(Object.keys(codings) as Array<keyof typeof codings>)),
      fc.integer({ min: 1, max: 64 }),
      fc.nat(40),
      fc.string({ maxLength: 40 }),
    ],
    { numRuns: 150 },
  )(
    'is in no message, in no form and chunking, and told once',
    (value, coding, size, which, before) => {
      const forms = [...namedForms(value)]
      const [form = '', name] = forms[which % forms.length] ?? []
      const text = Buffer.from(`${before} ${form}\n${form} and after`, 'utf8')
      const body = codings[coding](text)
      const { report, told, echoes } = bench(value)

      const headers: HeaderPairs = coding === 'identity' ? [] : [['Content-Encoding', coding]]
      report.responseStarted({ ...head, headers })
      for (let at = 0; at < body.length; at += size)
        report.responseBody(body.subarray(at, at + size))
      report.responseEnded([])
      report.completed(200)

      expect(readable(told())).not.toContain(form)
      expect(echoes()).toHaveLength(1)
      expect(echoes()).toMatchObject([{ secretId: 'one', where: 'body', exchangeId: 'x1' }])
      if (coding !== 'identity') expect(echoes()[0]?.form).toBe('coded')
      // One form may stand within another: raw within percent-encoded, say.
      else if (forms.filter(([other]) => form.includes(other)).length === 1) {
        expect(echoes()[0]?.form).toBe(name)
      }
    },
  )

  test('is told where it stands within a secret that is longer than what is held back', () => {
    const value = 'sk-CANARY-7f3a-0123456789'
    const { report, told, echoes } = bench(value)
    const body = Buffer.from(`{"password":"${'x'.repeat(20_000)}${value}${'y'.repeat(9_000)}"}`)

    report.responseStarted({ ...head, headers: [] })
    for (let at = 0; at < body.length; at += 777) report.responseBody(body.subarray(at, at + 777))
    report.responseEnded([])

    expect(readable(told())).not.toContain('CANARY')
    expect(echoes()).toMatchObject([{ where: 'body', form: 'raw' }])
  })

  test('is told where a model spells it in several events', () => {
    const value = 'sk-CANARY-7f3a-0123456789'
    const { report, told, echoes } = bench(value)
    const events = [value.slice(0, 9), value.slice(9)].map((content) => {
      const data = { object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] }
      return `data: ${JSON.stringify(data)}\n\n`
    })

    report.responseStarted({ ...head, headers: [['Content-Type', 'text/event-stream']] })
    for (const event of events) report.responseBody(Buffer.from(event))
    report.responseBody(Buffer.from('data: [DONE]\n\n'))
    report.responseEnded([])

    const merged = told().filter(({ kind }) => kind === 'stream-merged')
    expect(merged).toHaveLength(1)
    expect(JSON.stringify(merged)).not.toContain(value)
    expect(echoes()).toMatchObject([{ secretId: 'one', where: 'body', form: 'raw' }])
  })
})

describe('S7 a value that comes back in a head', () => {
  property.prop([values, fc.nat(40)])(
    'is in no message, and told once for each place',
    (value, which) => {
      const forms = [...namedForms(value).keys()]
      const form = forms[which % forms.length] ?? ''
      const { report, told, echoes } = bench(value)

      report.responseStarted({
        ...head,
        statusText: `no ${form}`,
        headers: [
          ['Location', `https://evil.example/?x=${form}`],
          ['Refresh', `0; url=https://evil.example/${form}`],
          ['Set-Cookie', `sid=${form}`],
          ['location', form],
          [`X-${form}`, 'in a name'],
          ['X-Plain', 'words'],
        ],
      })
      report.responseEnded([['X-Trailer', form]])

      expect(readable(told())).not.toContain(JSON.stringify(form).slice(1, -1))
      expect(echoes().map(({ where, name }) => [where, name?.slice(0, 10)])).toEqual([
        ['status', undefined],
        ['header', 'Location'],
        ['header', 'Refresh'],
        ['header', 'Set-Cookie'],
        ['header', expect.stringMatching(/^X-/u)],
        ['trailer', 'X-Trailer'],
      ])
    },
  )
})

describe('S7 a value that comes back in a WebSocket', () => {
  test.each(['text', 'closeReason'] as const)('is masked in its %s, and told once', (field) => {
    const value = 'sk-CANARY-7f3a-0123456789'
    const { report, told, echoes } = bench(value)
    const opcode = field === 'text' ? 1 : 8
    const frames = (['request', 'response', 'response'] as const).map((direction) =>
      Object.assign({ kind: 'websocket-message', opcode, direction } as const, {
        [field]: `a ${value}`,
      }),
    )

    report.publishUnread({ bytes: 10, read: () => frames.values() })

    expect(readable(told())).not.toContain('CANARY')
    expect(told().filter(({ kind }) => kind === 'websocket-message')).toHaveLength(3)
    expect(echoes()).toMatchObject([{ secretId: 'one', where: 'websocket', exchangeId: 'x1' }])
  })
})

test('what the client itself sent is masked where it comes back, and no echo', () => {
  const { report, told, echoes } = bench('sk-CANARY-7f3a-0123456789')
  report.sends({ headers: [['Authorization', 'Bearer OWN-KEY-0123456789']], path: '/' })

  report.responseStarted({ ...head, headers: [['X-Echo', 'OWN-KEY-0123456789']] })
  report.responseBody(Buffer.from('OWN-KEY-0123456789\n'))
  report.responseEnded([])

  expect(readable(told())).not.toContain('OWN-KEY')
  expect(echoes()).toEqual([])
})
