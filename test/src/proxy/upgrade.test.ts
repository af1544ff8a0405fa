import { once } from 'node:events'
import { Duplex } from 'node:stream'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { relayUpgrade } from '../../../src/proxy/upgrade.ts'
import type { UpgradeEnd } from '../../../src/proxy/upgrade.ts'

/** One peer's socket in memory: what the peer sends is pushed, what it is sent is kept. */
class Side extends Duplex {
  readonly received: Buffer[] = []

  constructor(allowHalfOpen: boolean) {
    super({ allowHalfOpen, autoDestroy: true, emitClose: true })
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

interface Relayed {
  readonly client: Side
  readonly upstream: Side
  readonly ended: Promise<UpgradeEnd>
  /** What was seen, and whether the other side had it by then. */
  readonly seen: Array<{ direction: string; text: string; wasWritten: boolean }>
}

const switching =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Caf\u00e9: \u00e9\r\n\r\n'

function relay(heads: { up?: string; down?: string } = {}): Relayed {
  const client = new Side(true)
  // As the sockets of node's agents are.
  const upstream = new Side(false)
  const seen: Relayed['seen'] = []
  const ended = relayUpgrade(
    { socket: client, head: Buffer.from(heads.up ?? ''), reset: () => client.destroy() },
    {
      status: 101,
      statusText: 'Switching Protocols',
      headers: [
        ['Upgrade', 'websocket'],
        ['X-Caf\u00e9', '\u00e9'],
      ],
      socket: upstream,
      head: Buffer.from(heads.down ?? ''),
    },
    (direction, chunk) => {
      const other = direction === 'request' ? upstream : client
      const text = chunk.toString('latin1')
      seen.push({ direction, text, wasWritten: other.text().endsWith(text) })
    },
  )
  return { client, upstream, ended, seen }
}

describe('an upgraded connection', () => {
  property.prop([
    fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 30 })), {
      maxLength: 30,
    }),
    fc.string({ unit: 'binary-ascii', maxLength: 10 }),
    fc.string({ unit: 'binary-ascii', maxLength: 10 }),
  ])('carries the head and any bytes both ways unchanged', async (writes, up, down) => {
    const { client, upstream, ended, seen } = relay({ up, down })
    const sent = {
      up: [Buffer.from(up)],
      down: [Buffer.from(switching, 'latin1'), Buffer.from(down)],
    }
    for (const [isUp, chunk] of writes) {
      sent[isUp ? 'up' : 'down'].push(Buffer.from(chunk))
      ;(isUp ? client : upstream).push(chunk)
    }
    client.push(null)
    upstream.push(null)

    expect(await ended).toEqual({ ok: true })
    expect(upstream.text()).toBe(Buffer.concat(sent.up).toString('latin1'))
    expect(client.text()).toBe(Buffer.concat(sent.down).toString('latin1'))
    expect(seen.every(({ wasWritten }) => wasWritten)).toBe(true)
    const of = (direction: string): string =>
      seen.flatMap((each) => (each.direction === direction ? [each.text] : [])).join('')
    expect(of('request')).toBe(upstream.text())
    expect(switching + of('response')).toBe(client.text())
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('passes on that the %s is done, and goes on the other way', async (first, second) => {
    const joined = relay()

    joined[first].push('last words')
    joined[first].push(null)
    await once(joined[second], 'finish')
    joined[second].push('and the answer')
    joined[second].push(null)

    expect(await joined.ended).toEqual({ ok: true })
    expect(joined[second].text()).toMatch(/last words$/u)
    expect(joined[first].text()).toMatch(/and the answer$/u)
  })

  test.each(['client', 'upstream'] as const)(
    'that the %s resets was broken off by it',
    async (by) => {
      const joined = relay()

      joined[by].destroy(Object.assign(new Error('reset'), { code: 'EPIPE' }))

      expect(await joined.ended).toEqual({ ok: false, by, code: 'EPIPE' })
      expect([joined.client.destroyed, joined.upstream.destroyed]).toEqual([true, true])
    },
  )

  test.each(['client', 'upstream'] as const)(
    'that closes at the %s without an end was broken off by it',
    async (by) => {
      const joined = relay()

      joined[by].destroy()

      expect(await joined.ended).toEqual({ ok: false, by, code: 'ECONNRESET' })
    },
  )

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('that the %s has ended is over, however the %s then goes', async (first, second) => {
    const joined = relay()

    joined[first].push(null)
    await once(joined[second], 'finish')
    joined[second].destroy(new Error('reset'))

    expect(await joined.ended).toEqual({ ok: true })
  })
})
