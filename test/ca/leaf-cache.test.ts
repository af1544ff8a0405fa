import { describe, expect, it } from 'vitest'

import type { Authority } from '../../ca/authority.ts'
import { createAuthority } from '../../ca/authority.ts'
import { LeafCache } from '../../ca/leaf-cache.ts'

const start = Date.now()
const dayMs = 86_400_000
const ca = createAuthority({ permittedHosts: ['example.com'], now: new Date(start), days: 30 })

function setUp(capacity?: number): {
  cache: LeafCache
  minted: string[]
  clock: { nowMs: number }
} {
  const minted: string[] = []
  const clock = { nowMs: start }
  const counted: Authority = {
    ...ca,
    issueLeaf(host, now) {
      minted.push(host)
      return ca.issueLeaf(host, now)
    },
  }
  const cache = new LeafCache(counted, { capacity, clock: { now: () => clock.nowMs } })
  return { cache, minted, clock }
}

describe('LeafCache', () => {
  it('makes one certificate for a host, and keeps it', async () => {
    const { cache, minted } = setUp()

    const first = await cache.contextFor('a.example.com')

    expect(await cache.contextFor('a.example.com')).toBe(first)
    expect(minted).toEqual(['a.example.com'])
  })

  it('makes one certificate however many ask at once', async () => {
    const { cache, minted } = setUp()

    const all = await Promise.all(
      Array.from({ length: 50 }, () => cache.contextFor('b.example.com')),
    )

    expect(new Set(all).size).toBe(1)
    expect(minted).toEqual(['b.example.com'])
  })

  it('drops the host that was not used for longest', async () => {
    const { cache, minted } = setUp(2)
    await cache.contextFor('a.example.com')
    await cache.contextFor('b.example.com')
    await cache.contextFor('a.example.com')
    await cache.contextFor('c.example.com')
    minted.length = 0

    await cache.contextFor('a.example.com')
    await cache.contextFor('b.example.com')

    expect(minted).toEqual(['b.example.com'])
    expect(cache.size).toBe(2)
  })

  it('keeps 1,000 hosts unless told otherwise', async () => {
    const { cache } = setUp()

    const hosts = Array.from({ length: 1010 }, (_, index) => `h${index}.example.com`)
    await Promise.all(hosts.map((host) => cache.contextFor(host)))

    expect(cache.size).toBe(1000)
  })

  it('makes a new certificate once two thirds of the life are over', async () => {
    const { cache, minted, clock } = setUp()
    await cache.contextFor('a.example.com')

    clock.nowMs = start + (7 * dayMs * 2) / 3 - 1
    await cache.contextFor('a.example.com')
    expect(minted).toHaveLength(1)

    clock.nowMs += 1
    await cache.contextFor('a.example.com')
    expect(minted).toHaveLength(2)
  })

  it('makes a new certificate when the clock was set back before the old one', async () => {
    const { cache, minted, clock } = setUp()
    clock.nowMs = start + 3 * dayMs
    await cache.contextFor('a.example.com')

    clock.nowMs = start
    await cache.contextFor('a.example.com')

    expect(minted).toHaveLength(2)
  })

  it('rejects for a host that is not permitted, and does not remember it', async () => {
    const { cache, minted } = setUp()
    const failure = { code: 'ERR_CA_NOT_PERMITTED' }

    await expect(cache.contextFor('evil.com')).rejects.toMatchObject(failure)
    await expect(cache.contextFor('evil.com')).rejects.toMatchObject(failure)

    expect(minted).toHaveLength(2)
    expect(cache.size).toBe(0)
    await expect(cache.contextFor('a.example.com')).resolves.toBeDefined()
  })

  it('rejects once the CA has expired', async () => {
    const { cache, clock } = setUp()
    clock.nowMs = start + 31 * dayMs

    await expect(cache.contextFor('a.example.com')).rejects.toMatchObject({
      code: 'ERR_CA_UNUSABLE',
    })
  })

  it('lets other work go on between the certificates of a burst', async () => {
    const { cache, minted } = setUp()
    const between: number[] = []
    const watch = (): void => {
      between.push(minted.length)
      if (minted.length < 20) setImmediate(watch)
    }
    setImmediate(watch)

    await Promise.all(Array.from({ length: 20 }, (_, i) => cache.contextFor(`h${i}.example.com`)))

    await expect.poll(() => between.at(-1)).toBe(20)
    const steps = between.map((count, index) => count - (between[index - 1] ?? 0))
    expect(Math.max(...steps)).toBe(1)
  })
})
