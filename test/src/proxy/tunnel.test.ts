import { once } from 'node:events'
import { Duplex } from 'node:stream'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { joinSockets } from '../../../src/proxy/tunnel.ts'
import type { TunnelCounters, TunnelFailure } from '../../../src/proxy/tunnel.ts'

/** One side of a tunnel in memory: what its peer sends is pushed, what it is sent is kept. */
class Side extends Duplex {
  readonly received: Buffer[] = []

  constructor() {
    super({ allowHalfOpen: true, autoDestroy: true, emitClose: true })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received.push(chunk)
    done()
  }

  text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }
}

interface Joined {
  readonly client: Side
  readonly upstream: Side
  readonly ended: Promise<TunnelFailure | undefined>
  readonly bytes: { up: number; down: number }
}

function join(): Joined {
  const client = new Side()
  const upstream = new Side()
  const bytes = { up: 0, down: 0 }
  const counters: TunnelCounters = {
    onUp: (count) => {
      bytes.up += count
    },
    onDown: (count) => {
      bytes.down += count
    },
  }
  return { client, upstream, bytes, ended: joinSockets(client, upstream, counters) }
}

describe('a tunnel', () => {
  property.prop([
    fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 30 })), {
      maxLength: 30,
    }),
  ])('carries bytes both ways unchanged and counts them', async (writes) => {
    const { client, upstream, ended, bytes } = join()
    const sent: { up: Buffer[]; down: Buffer[] } = { up: [], down: [] }
    for (const [isUp, chunk] of writes) {
      sent[isUp ? 'up' : 'down'].push(Buffer.from(chunk))
      ;(isUp ? client : upstream).push(chunk)
    }
    client.push(null)
    upstream.push(null)

    expect(await ended).toBeUndefined()
    expect(Buffer.concat(upstream.received).equals(Buffer.concat(sent.up))).toBe(true)
    expect(Buffer.concat(client.received).equals(Buffer.concat(sent.down))).toBe(true)
    expect(bytes).toEqual({
      up: Buffer.concat(sent.up).byteLength,
      down: Buffer.concat(sent.down).byteLength,
    })
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('passes on that the %s is done, and goes on the other way', async (first, second) => {
    const joined = join()

    joined[first].push('last words')
    joined[first].push(null)
    await once(joined[second], 'finish')
    joined[second].push('and the answer')
    joined[second].push(null)

    expect(await joined.ended).toBeUndefined()
    expect(joined[second].text()).toBe('last words')
    expect(joined[first].text()).toBe('and the answer')
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('ends with the error of the %s, and takes the other along', async (first, second) => {
    const joined = join()
    const error = new Error('reset')

    joined[first].destroy(error)

    expect(await joined.ended).toEqual({ by: first, error })
    expect(joined[second].destroyed).toBe(true)
  })

  test.each(['client', 'upstream'] as const)(
    'ends when the %s closes without having ended',
    async (side) => {
      const joined = join()
      joined[side].push('half')

      joined[side].destroy()

      expect(await joined.ended).toBeUndefined()
      expect([joined.client.destroyed, joined.upstream.destroyed]).toEqual([true, true])
    },
  )

  test.each(['client', 'upstream'] as const)('ends when the %s had gone before', async (side) => {
    const client = new Side()
    const upstream = new Side()
    const gone = side === 'client' ? client : upstream
    gone.destroy()

    await joinSockets(client, upstream, { onUp: () => {}, onDown: () => {} })

    expect([client.destroyed, upstream.destroyed]).toEqual([true, true])
  })
})
