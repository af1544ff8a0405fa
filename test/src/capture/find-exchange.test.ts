import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { findExchange } from '../../../src/capture/find-exchange.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-find-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const header = '{"kind":"capture-opened","v":1,"porthole":"1.2.3","startedAt":5}'

async function record(drafts: ReadonlyArray<Readonly<Record<string, unknown>>>): Promise<void> {
  const lines = drafts.map((draft, seq) => JSON.stringify({ v: 1, seq, at: seq, ...draft }))
  await writeFile(path, `${[header, ...lines].join('\n')}\n{"cut`)
}

const request = (connectionId: string, exchangeId: string) => ({
  kind: 'request-started',
  connectionId,
  exchangeId,
  method: 'GET',
  url: 'https://h/',
  httpVersion: '1.1',
  headers: [],
  host: 'h',
})
const end = (exchangeId: string) => ({
  kind: 'exchange-completed',
  exchangeId,
  status: 200,
  requestBytes: 0,
  responseBytes: 0,
  durationMs: 1,
})
const opened = (connectionId: string) => ({
  kind: 'connection-opened',
  connectionId,
  clientAddress: '127.0.0.1',
  clientPort: 1,
})
const tunnel = (connectionId: string) => ({
  kind: 'tunnel-opened',
  connectionId,
  host: 'h',
  port: 443,
  reason: 'not-allowlisted',
})

describe('what is wanted is found', () => {
  beforeEach(() =>
    record([
      opened('p-c1'),
      request('p-c1', 'p-x1'),
      opened('p-c2'),
      request('p-c1', 'p-x2'),
      end('p-x1'),
      tunnel('p-c2'),
      end('p-x2'),
    ]),
  )

  test.each([
    ['p-x1', 'p-x1', 2],
    ['x2', 'p-x2', 2],
    ['p-c1', 'p-x2', 2],
    ['p-c2', 'p-c2', 0],
    [undefined, 'p-c2', 0],
  ])('%s is %s', async (wanted, id, count) => {
    const { found } = await findExchange(path, wanted)

    expect(found?.id).toBe(id)
    expect(found?.messages).toHaveLength(count)
    expect(found?.connection[0]).toMatchObject({ kind: 'connection-opened' })
  })

  test('what is not there is not, and what is there is named', async () => {
    expect(await findExchange(path, 'p-x3')).toEqual({
      found: undefined,
      ids: ['p-x1', 'p-x2', 'p-c2'],
    })
  })
})

test('what was told of a tunnel with an id of its own is there once', async () => {
  const closed = { bytesUp: 1, bytesDown: 1, durationMs: 1, kind: 'tunnel-closed' }
  await record([
    opened('p-c1'),
    { ...tunnel('p-c1'), exchangeId: 'p-x1' },
    { ...tunnel('p-c1'), exchangeId: 'p-x1', ...closed, reason: undefined },
  ])
  const { found } = await findExchange(path, undefined)

  expect(found?.connection.map(({ kind }) => kind)).toEqual(['connection-opened'])
  expect(found?.messages.map(({ kind }) => kind)).toEqual(['tunnel-opened', 'tunnel-closed'])
})

test('ids and connections are remembered within a bound', async () => {
  const drafts = Array.from({ length: 6000 }, (_, index) => [
    opened(`p-c${index}`),
    tunnel(`p-c${index}`),
  ])
  await record(drafts.flat())
  const { found, ids } = await findExchange(path, undefined)

  expect(ids).toHaveLength(1000)
  expect(found?.connection).toHaveLength(2)
  expect((await findExchange(path, 'p-c5')).found).toMatchObject({ id: 'p-c5', connection: [] })
})

test('a file that is not there is an error', async () => {
  await expect(findExchange(join(folder, 'none.jsonl'), undefined)).rejects.toMatchObject({
    code: 'ERR_CAPTURE_UNREADABLE',
  })
})
