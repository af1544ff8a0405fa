import { describe, expect, test } from 'vitest'

import { PendingMessages } from '../../../analyzers/providers/pending-messages.ts'
import type { ModelMessage } from '../../../src/messages/schema.ts'

const said = (text: string): ModelMessage => ({ role: 'user', parts: [{ type: 'text', text }] })

describe('PendingMessages', () => {
  test('keeps what was added, in order, until it is taken', () => {
    const pending = new PendingMessages()
    pending.add(said('a'))
    pending.add({ role: 'user', parts: [] })
    pending.add(said('b'))

    expect(pending.take()).toEqual([said('a'), said('b')])
    expect(pending.take()).toEqual([])
  })

  test('lets the oldest go where there are too many', () => {
    const pending = new PendingMessages()
    for (let at = 0; at < 300; at += 1) pending.add(said(String(at)))
    const taken = pending.take()

    expect(taken).toHaveLength(256)
    expect(taken[0]).toEqual(said('44'))
  })

  test('lets the oldest go where they hold too much, and keeps the newest in any case', () => {
    const pending = new PendingMessages()
    const large = 'x'.repeat(6 * 1024 * 1024)
    for (const name of ['a', 'b', 'c', 'd']) pending.add(said(name + large))
    expect(pending.take()).toEqual([said(`c${large}`), said(`d${large}`)])

    const largest = large.repeat(3)
    pending.add(said('a'))
    pending.add(said(largest))
    expect(pending.take()).toEqual([said(largest)])
    // What was taken counts no more.
    for (const name of ['a', 'b']) pending.add(said(name + large))
    expect(pending.take()).toHaveLength(2)
  })
})
