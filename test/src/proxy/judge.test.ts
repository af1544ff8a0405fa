import { PassThrough } from 'node:stream'

import { describe, expect, test, vi } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Analyzer, OutgoingRequest, Refusal } from '../../../src/pipeline/analyzer.ts'
import { BodyUnavailable } from '../../../src/pipeline/body-unavailable.ts'
import { createHeaderList } from '../../../src/proxy/http-messages.ts'
import { judgeConnection, judgeRequest } from '../../../src/proxy/judge.ts'

const refusal: Refusal = { status: 403, reason: 'blocked', message: 'no' }

function request(): { outgoing: OutgoingRequest; emitted: AnalysisMsgDraft[] } {
  const emitted: AnalysisMsgDraft[] = []
  const outgoing: OutgoingRequest = {
    connectionId: 'c1',
    exchangeId: 'x1',
    scheme: 'https',
    host: 'api.openai.com',
    port: 443,
    method: 'POST',
    path: '/v1',
    headers: createHeaderList([]),
    readBody: () => Promise.resolve(Buffer.alloc(0)),
    conceal: () => {},
    emit: (draft) => emitted.push(draft),
  }
  return { outgoing, emitted }
}

function judging(name: string, onRequest: NonNullable<Analyzer['onRequest']>): Analyzer {
  return { name, onRequest }
}

describe('analyzers', () => {
  test('are asked in chain order, one after the other, and see what those before changed', async () => {
    const seen: string[] = []
    const adding = (name: string): Analyzer =>
      judging(name, async (outgoing) => {
        await Promise.resolve()
        seen.push(outgoing.path)
        outgoing.path += name
      })
    const { outgoing } = request()

    const verdict = await judgeRequest([adding('a'), { name: 'none' }, adding('b')], outgoing, 1000)

    expect(verdict).toEqual({ transforms: [] })
    expect(seen).toEqual(['/v1', '/v1a'])
    expect(outgoing.path).toBe('/v1ab')
  })

  test.each([
    ['at once', () => refusal],
    ['later', () => Promise.resolve(refusal)],
  ])('may refuse %s; those after are not asked', async (_when, onRequest) => {
    const after = vi.fn<() => void>()
    const { outgoing, emitted } = request()

    const verdict = await judgeRequest(
      [judging('a', onRequest), judging('b', after)],
      outgoing,
      1000,
    )

    expect(verdict).toBe(refusal)
    expect(after).not.toHaveBeenCalled()
    expect(emitted).toEqual([])
  })

  test('may transform the body, in chain order', async () => {
    const [first, second] = [new PassThrough(), new PassThrough()]
    const { outgoing } = request()

    const verdict = await judgeRequest(
      [
        { name: 'a', transformRequestBody: () => first },
        { name: 'b', transformRequestBody: () => undefined },
        { name: 'c', transformRequestBody: () => second },
      ],
      outgoing,
      1000,
    )

    expect(verdict).toEqual({ transforms: [first, second] })
  })
})

describe('a faulty analyzer', () => {
  const failing: ReadonlyArray<readonly [string, Analyzer]> = [
    [
      'throws',
      judging('bad', () => {
        throw new Error('no')
      }),
    ],
    ['rejects', judging('bad', () => Promise.reject(new Error('no')))],
    [
      'throws when asked for a transform',
      {
        name: 'bad',
        transformRequestBody() {
          throw new Error('no')
        },
      },
    ],
  ]
  test.each(failing)('that %s refuses the request and is named', async (_how, analyzer) => {
    const after = vi.fn<() => void>()
    const { outgoing, emitted } = request()

    const verdict = await judgeRequest([analyzer, judging('after', after)], outgoing, 1000)

    expect(verdict).toMatchObject({ status: 502, reason: 'analyzer-failed' })
    expect(JSON.stringify(verdict)).toContain('bad')
    expect(emitted).toEqual([{ kind: 'analyzer-failed', analyzer: 'bad', error: 'no' }])
    expect(after).not.toHaveBeenCalled()
  })

  test('that does not answer in time refuses the request', async () => {
    const { outgoing, emitted } = request()

    const verdict = await judgeRequest(
      [judging('stuck', () => new Promise<void>(() => {}))],
      outgoing,
      20,
    )

    expect(verdict).toMatchObject({ status: 502, reason: 'analyzer-failed' })
    expect(emitted).toMatchObject([{ analyzer: 'stuck', error: 'no answer within 20 ms' }])
  })

  test('that rejects after its deadline has no further effect', async () => {
    let reject: (error: Error) => void = () => {}
    const { outgoing } = request()
    const late = judging(
      'late',
      () =>
        new Promise<void>((_resolve, given) => {
          reject = given
        }),
    )

    await judgeRequest([late], outgoing, 5)

    // An unhandled rejection here would fail the run.
    reject(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('an analyzer that waits for the client', () => {
  test('is not late as long as the client is', async () => {
    vi.useFakeTimers()
    try {
      const sent = Promise.withResolvers<undefined>()
      let awaited: Promise<unknown> | undefined = sent.promise
      const analyzer = judging('waiting', async () => {
        await sent.promise
        awaited = undefined
        await new Promise((resolve) => setTimeout(resolve, 50))
        return refusal
      })
      const verdict = judgeRequest([analyzer], request().outgoing, 100, () => awaited)

      await vi.advanceTimersByTimeAsync(1000)
      sent.resolve(undefined)
      await vi.advanceTimersByTimeAsync(60)

      expect(await verdict).toBe(refusal)
    } finally {
      vi.useRealTimers()
    }
  })

  test('is late again when the client is not to blame', async () => {
    vi.useFakeTimers()
    try {
      const sent = Promise.withResolvers<undefined>()
      let awaited: Promise<unknown> | undefined = sent.promise
      const analyzer = judging('stuck', () => new Promise<undefined>(() => {}))
      const verdict = judgeRequest([analyzer], request().outgoing, 100, () => awaited)

      await vi.advanceTimersByTimeAsync(150)
      awaited = undefined
      sent.resolve(undefined)
      await vi.advanceTimersByTimeAsync(150)

      expect(await verdict).toMatchObject({ status: 502, reason: 'analyzer-failed' })
    } finally {
      vi.useRealTimers()
    }
  })

  test('and leaves what it hears to the judge refuses with that, and has not failed', async () => {
    const { outgoing, emitted } = request()
    const analyzer = judging('reading', () =>
      Promise.reject(new BodyUnavailable(413, 'body-too-large', 'too large')),
    )

    expect(await judgeRequest([analyzer], outgoing, 100)).toEqual({
      status: 413,
      reason: 'body-too-large',
      message: 'too large',
    })
    expect(emitted).toEqual([])
  })
})

describe('a connection', () => {
  const emitted: AnalysisMsgDraft[] = []
  const connection = {
    connectionId: 'c1',
    host: 'a.example',
    port: 443,
    fate: 'not-allowlisted',
    emit: (draft: AnalysisMsgDraft) => emitted.push(draft),
  } as const

  test('passes where nobody objects, and is refused by the first who does', () => {
    const asked: string[] = []
    const analyzer = (name: string, answer?: Refusal): Analyzer => ({
      name,
      onConnect: () => {
        asked.push(name)
        return answer
      },
    })

    expect(judgeConnection([{ name: 'silent' }, analyzer('a')], connection)).toBeUndefined()
    expect(judgeConnection([analyzer('b', refusal), analyzer('c')], connection)).toBe(refusal)
    expect(asked).toEqual(['a', 'b'])
  })

  test('is refused where an analyzer fails', () => {
    const analyzer: Analyzer = {
      name: 'broken',
      onConnect: () => {
        throw new Error('oops')
      },
    }

    expect(judgeConnection([analyzer], connection)).toMatchObject({ status: 502 })
    expect(emitted).toEqual([{ kind: 'analyzer-failed', analyzer: 'broken', error: 'oops' }])
  })
})
