import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  called,
  chunkHooks,
  gateAfter,
  moduleAnswer,
  throughStages,
} from '../../../src/proxy/hook-filters.ts'
import type { ChunkHook } from '../../../src/proxy/hook-filters.ts'

const deadline = { ms: 10_000, hook: 'onAnything' }

function afterTurns(turns: number, act: () => void): void {
  if (turns === 0) act()
  else setImmediate(() => afterTurns(turns - 1, act))
}

describe('chunk hooks', () => {
  test('see every chunk once, one at a time and in order, however late they call back', async () => {
    const bodies = fc.array(
      fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }), turns: fc.nat(3) }),
    )
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        let running = 0
        let turn = 0
        const late: ChunkHook = (chunk, done) => {
          running += 1
          expect(running).toBe(1)
          afterTurns(body[turn]?.turns ?? 0, () => {
            running -= 1
            done(null, chunk)
          })
          turn += 1
        }
        const source = Readable.from(
          body.map(({ bytes }) => Buffer.from(bytes)),
          { objectMode: false },
        )

        const result = await buffer(source.pipe(chunkHooks([late, late], deadline)))

        expect(result).toEqual(Buffer.concat(body.map(({ bytes }) => bytes)))
        return undefined
      }),
      { numRuns: 30 },
    )
  })

  test.each([
    ['null', null, ''],
    ['undefined', undefined, ''],
    ['an empty buffer', Buffer.alloc(0), ''],
    ['a string', 'text', 'text'],
    ['an array of bytes', Uint8Array.of(65, 66), 'AB'],
  ])('may call back with %s', async (_what, given, expected) => {
    const stream = chunkHooks([(_chunk, done) => done(null, given as Buffer)], deadline)
    stream.end('in')

    expect((await buffer(stream)).toString()).toBe(expected)
  })

  test('that call back with anything else fail', async () => {
    const stream = chunkHooks([(_chunk, done) => done(null, 7 as unknown as Buffer)], deadline)
    stream.end('in')

    await expect(buffer(stream)).rejects.toThrow('a chunk hook called back with number')
  })
})

describe('a hook', () => {
  test('that calls back twice counts once', async () => {
    await expect(
      called<number>((done) => {
        done(null, 1)
        done(new Error('late'))
      }, deadline),
    ).resolves.toBe(1)
  })

  test('that does not call back in time fails with its name and what to do', async () => {
    const late = called(() => undefined, { ms: 10, hook: 'onRequest' })

    await expect(late).rejects.toThrow(/the onRequest hook .* within 10ms; --limit hook-timeout/u)
    expect(moduleAnswer(await late.catch((error: unknown) => error), 'request')).toMatchObject({
      status: 502,
      code: 'module-timeout',
    })
  })

  test('that has taken the answer over may never call back', async () => {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }

    called(() => undefined, { ms: 1, hook: 'onRequest', isMoot: () => true }).then(settle, settle)
    await new Promise((resolve) => setTimeout(resolve, 30))

    expect(isSettled).toBe(false)
  })

  test('that refuses is told as such', () => {
    expect(moduleAnswer(new Error('not you'), 'connection')).toEqual({
      status: 403,
      code: 'refused',
      message: 'a module refused the connection: not you',
    })
  })

  test('may fail with what is no error', async () => {
    await expect(called((done) => done('no' as unknown as Error), deadline)).rejects.toThrow('no')
  })
})

describe('stages', () => {
  test('that fail are told once; the rest of the source is drained', async () => {
    const told: string[] = []
    const source = new PassThrough()
    const broken = new PassThrough()
    const after = new PassThrough()
    const last = throughStages(
      source,
      [
        { stream: broken, kind: 'first' },
        { stream: after, kind: 'second' },
      ],
      (kind, error) => told.push(`${kind}: ${error.message}`),
    )
    const closed = new Promise((resolve) => {
      last.once('close', resolve)
    })
    broken.destroy(new Error('gone'))
    await closed

    source.end(Buffer.alloc(1024 * 1024))
    await new Promise((resolve) => {
      source.once('close', resolve)
    })

    expect(told).toEqual(['first: gone'])
  })

  test.each([true, false])(
    'are cut with their source, which is no failure of theirs (cut before: %s)',
    async (isBefore) => {
      const told: string[] = []
      const source = new PassThrough()
      if (isBefore) source.destroy()
      const last = throughStages(source, [{ stream: new PassThrough(), kind: 'x' }], (kind) =>
        told.push(kind),
      )
      const closed = new Promise((resolve) => {
        last.once('close', resolve)
      })
      source.destroy()
      await closed

      expect(last.readableEnded).toBe(false)
      expect(told).toEqual([])
    },
  )

  test('before a gate: the end may add to them, in order', async () => {
    const body = new PassThrough()
    const gate = new PassThrough()
    const whole = gateAfter(
      body,
      gate,
      () =>
        new Promise((resolve) => {
          setImmediate(() => {
            gate.write(', end')
            resolve()
          })
        }),
      () => {},
    )
    body.end('body')

    expect((await buffer(whole)).toString()).toBe('body, end')
  })
})
