import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft, HeaderPairs } from '../../../src/messages/schema.ts'
import type { BodyChunk } from '../../../src/pipeline/body-assembler.ts'
import { BodyMasking } from '../../../src/pipeline/body-masking.ts'

const exchangeId = 'x1'
const canary = 'Q7canary-value-Zx9'
const secretBody = JSON.stringify({ user: 'jo', password: canary, rest: 'words '.repeat(200) })

function started(headers: HeaderPairs): AnalysisMsgDraft {
  return {
    kind: 'response-started',
    exchangeId,
    status: 200,
    headers,
    ttfbMs: 1,
  }
}

const ended: AnalysisMsgDraft = { kind: 'response-ended', exchangeId, bytes: 0, durationMs: 1 }

interface Told {
  readonly chunks: BodyChunk[]
  readonly withheldBytes: number
}

function tell(
  masking: BodyMasking,
  headers: HeaderPairs,
  body: Uint8Array,
  size: number,
  known?: readonly string[],
): Told {
  const chunks: BodyChunk[] = []
  let withheldBytes = 0
  const take = (part: ReturnType<BodyMasking['push']>): void => {
    chunks.push(...part.chunks)
    withheldBytes += part.withheld?.bytes ?? 0
  }
  take(masking.before(started(headers)))
  for (let offset = 0; offset < body.length; offset += size) {
    const chunk = body.subarray(offset, offset + size)
    take(
      masking.push({ kind: 'response-body', connectionId: 'c', exchangeId, offset, chunk, known }),
    )
  }
  take(masking.before(ended))
  return { chunks, withheldBytes }
}

function joined({ chunks }: Told): Buffer {
  let at = 0
  for (const { offset, chunk } of chunks) {
    expect(offset).toBe(at)
    at += chunk.length
  }
  return Buffer.concat(chunks.map(({ chunk }) => chunk))
}

describe('a plain body', () => {
  test('comes masked, whole and in order, in any chunks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), (size) => {
        const told = tell(new BodyMasking('secrets'), [], Buffer.from(secretBody), size)

        const text = joined(told).toString()
        expect(JSON.parse(text)).toMatchObject({ user: 'jo', password: '[REDACTED]********' })
        expect(text).toHaveLength(secretBody.length)
        expect(told.withheldBytes).toBe(0)
      }),
    )
  })

  test('hides what became known of its exchange', () => {
    const body = Buffer.from(`you sent me ${canary}.`)

    const told = tell(new BodyMasking('off'), [], body, 4, [canary])

    expect(joined(told).toString()).toBe('you sent me [REDACTED]********.')
  })

  test('of a form hides its fields', () => {
    const headers: HeaderPairs = [['Content-Type', 'application/x-www-form-urlencoded']]

    const told = tell(new BodyMasking('off'), headers, Buffer.from('code=abc123&x=1'), 3)

    expect(joined(told).toString()).toBe('code=******&x=1')
  })

  test('with a gap is told on both sides of it, each masked', () => {
    const masking = new BodyMasking('secrets')
    const part = { kind: 'request-body', connectionId: 'c', exchangeId } as const
    const first = masking.push({ ...part, offset: 0, chunk: Buffer.from('{"password":"abc') })
    const second = masking.push({ ...part, offset: 100, chunk: Buffer.from('visible\n') })

    const told = [...first.chunks, ...second.chunks]
    expect(told.map(({ offset, chunk }) => [offset, Buffer.from(chunk).toString()])).toEqual([
      [0, '{'],
      [1, '"password":"***'],
      [100, 'visible\n'],
    ])
  })
})

describe.each([
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
])('a body in %s', (coding, compress) => {
  const headers: HeaderPairs = [['Content-Encoding', coding]]

  test('without a secret is told byte for byte, in any chunks', () => {
    const body = compress(Buffer.from(JSON.stringify({ a: 'words '.repeat(300) })))
    for (const size of [1, 7, 64, 10_000]) {
      const told = tell(new BodyMasking('secrets'), headers, body, size)

      expect(joined(told)).toEqual(body)
      expect(told.withheldBytes).toBe(0)
    }
  })

  test('is not told from where a secret shows in it', () => {
    const body = compress(Buffer.from(secretBody))
    for (const size of [1, 7, 64, 10_000]) {
      const told = tell(new BodyMasking('secrets'), headers, body, size)

      const bytes = told.chunks.reduce((sum, { chunk }) => sum + chunk.length, 0)
      expect(bytes + told.withheldBytes).toBe(body.length)
      expect(told.withheldBytes).toBeGreaterThan(0)
    }
  })
})

test('what an exchange that ended remembers is forgotten', () => {
  const masking = new BodyMasking('secrets')
  const part = { kind: 'response-body', connectionId: 'c', exchangeId } as const
  masking.push({ ...part, offset: 0, chunk: Buffer.from('{"password":"abc') })
  const end: AnalysisMsgDraft = {
    kind: 'exchange-failed',
    exchangeId,
    by: 'client',
    phase: 'response',
    code: 'ABORTED',
    durationMs: 1,
  }

  expect(masking.before(end).chunks).toHaveLength(1)
  expect(masking.before(end).chunks).toEqual([])
})
