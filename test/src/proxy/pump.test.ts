import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test, vi } from 'vitest'

import { pump } from '../../../src/proxy/pump.ts'

/** A sink that takes one chunk at a time, each when `release` is called. */
function slowSink(): { sink: Writable; release: () => void; taken: Buffer[] } {
  const taken: Buffer[] = []
  let finish: (() => void) | undefined
  const sink = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk)
      finish = done
    },
  })
  return { sink, taken, release: () => finish?.() }
}

function collectingSink(highWaterMark: number): { sink: Writable; taken: Buffer[] } {
  const taken: Buffer[] = []
  const sink = new Writable({
    highWaterMark,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk)
      setImmediate(done)
    },
  })
  return { sink, taken }
}

describe('bytes', () => {
  property.prop([
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 }),
    fc.integer({ min: 1, max: 100 }),
  ])('arrive whole and in order, and are seen once each', async (chunks, highWaterMark) => {
    const { sink, taken } = collectingSink(highWaterMark)
    const seen: Buffer[] = []
    const source = Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: false },
    )

    const outcome = await pump(source, sink, (chunk) => seen.push(chunk))
    sink.end()
    await once(sink, 'finish')

    expect(outcome).toEqual({ ended: true })
    const all = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
    expect(Buffer.concat(taken).equals(all)).toBe(true)
    expect(Buffer.concat(seen).equals(all)).toBe(true)
  })

  test('are seen after they were written', async () => {
    const order: string[] = []
    const sink = new Writable({
      write(_chunk, _encoding, done) {
        order.push('written')
        done()
      },
    })

    await pump(Readable.from([Buffer.from('a')], { objectMode: false }), sink, () =>
      order.push('seen'),
    )

    expect(order).toEqual(['written', 'seen'])
  })
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a sink that is full', () => {
  test('holds the source back until it drains', async () => {
    const { sink, release, taken } = slowSink()
    const source = new PassThrough()
    const outcome = pump(source, sink, () => {})
    source.write('one')
    await turn()
    source.write('two')
    await turn()
    expect(source.isPaused()).toBe(true)
    expect(taken.map(String)).toEqual(['one'])

    release()
    await turn()

    expect(taken.map(String)).toEqual(['one', 'two'])
    source.end()
    release()
    expect(await outcome).toEqual({ ended: true })
  })
})

describe('a body of known length', () => {
  test('ends the sink with its last byte, in one call, and is over with it', async () => {
    const { sink, taken } = collectingSink(100)
    const write = vi.spyOn(sink, 'write')
    const end = vi.spyOn(sink, 'end')
    const source = new PassThrough()
    const seen: string[] = []
    const outcome = pump(source, sink, (chunk) => seen.push(String(chunk)), { length: 5 })

    source.write('abc')
    await turn()
    source.write('de')

    expect(await outcome).toEqual({ ended: true })
    expect(write.mock.calls.map(String)).toEqual(['abc'])
    expect(end.mock.calls.map(String)).toEqual(['de'])
    expect(seen).toEqual(['abc', 'de'])
    await once(sink, 'finish')
    expect(Buffer.concat(taken).toString()).toBe('abcde')
  })

  test('that is cut short is broken, and the sink stays open', async () => {
    const source = new PassThrough()
    const sink = new PassThrough()
    const outcome = pump(source, sink, () => {}, { length: 5 })

    source.write('abc')
    await turn()
    source.destroy()

    expect(await outcome).toMatchObject({ ended: false, side: 'source' })
    expect(sink.writableEnded).toBe(false)
  })
})

describe('a head', () => {
  test.each([
    ['goes alone where no byte comes with it', [], 1],
    ['goes with the first bytes where they are there', ['x'], 0],
  ])('%s', async (_case, waiting, times) => {
    const source = new PassThrough()
    for (const piece of waiting) source.write(piece)
    let flushes = 0
    const flushHead = (): void => {
      flushes += 1
    }

    const outcome = pump(source, new PassThrough(), () => {}, { flushHead })
    await turn()
    await turn()

    expect(flushes).toBe(times)
    source.end()
    expect(await outcome).toEqual({ ended: true })
  })
})

describe('a broken stream', () => {
  test('that is the source is named with its error', async () => {
    const source = new PassThrough()
    const error = new Error('reset')
    const outcome = pump(source, new PassThrough(), () => {})

    source.on('error', () => {})
    source.destroy(error)

    expect(await outcome).toEqual({ ended: false, side: 'source', error })
  })

  test('that is the source and closes without an error is no clean end', async () => {
    const source = new PassThrough()
    const outcome = pump(source, new PassThrough(), () => {})

    source.write('half')
    source.destroy()

    expect(await outcome).toMatchObject({ ended: false, side: 'source' })
  })

  test.each([[new Error('reset')], [undefined]])('that is the sink is named: %s', async (error) => {
    const sink = new PassThrough()
    const outcome = pump(new PassThrough(), sink, () => {})

    sink.on('error', () => {})
    sink.destroy(error)

    expect(await outcome).toMatchObject({ ended: false, side: 'sink' })
  })

  test('that is a full sink ends the wait for its drain', async () => {
    const { sink } = slowSink()
    const source = new PassThrough()
    const outcome = pump(source, sink, () => {})
    source.write('one')
    await turn()
    expect(source.isPaused()).toBe(true)

    sink.destroy()

    expect(await outcome).toMatchObject({ ended: false, side: 'sink' })
  })

  test.each([
    ['source', true],
    ['sink', false],
  ])('before it begins is told at once: %s', async (side, isSource) => {
    const source = new PassThrough()
    const sink = new PassThrough()
    const broken = isSource ? source : sink
    broken.destroy()

    expect(await pump(source, sink, () => {})).toMatchObject({ ended: false, side })
  })
})

describe('afterwards', () => {
  test('a source that had ended before counts as ended', async () => {
    const source = Readable.from([], { objectMode: false })
    source.resume()
    await once(source, 'end')

    expect(await pump(source, new PassThrough(), () => {})).toEqual({ ended: true })
  })

  test('the sink is left open and neither stream keeps a listener', async () => {
    const source = new PassThrough()
    const sink = new PassThrough()
    const names = ['data', 'end', 'error', 'close', 'drain']
    const count = (): number[] =>
      names.flatMap((name) => [source.listenerCount(name), sink.listenerCount(name)])
    const before = count()

    const outcome = pump(source, sink, () => {})
    source.end('x')
    await outcome

    expect(count()).toEqual(before)
    expect(sink.writableEnded).toBe(false)
  })
})
