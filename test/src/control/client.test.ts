import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { attach } from '../../../src/control/client.ts'
import type { AttachEnd } from '../../../src/control/client.ts'

let folder = ''
let server: Server | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-client-'))
})
afterEach(() => {
  server?.close()
  rmSync(folder, { recursive: true })
})

const hello = { v: 1, pid: 1, url: 'http://127.0.0.1:1', startedAt: 1, version: '1' }
const greeting = `${JSON.stringify({ hello })}\n`
const message = { v: 1, seq: 3, at: 1, kind: 'request-ended', bytes: 4 }

/** Attaches to a server that sends `chunks` and ends; returns what the viewer was told. */
async function attachTo(chunks: readonly (string | Buffer)[], maxLineBytes?: number) {
  const socket = join(folder, 'x.sock')
  server = createServer((connection) => {
    for (const chunk of chunks) connection.write(chunk)
    connection.end()
  })
  await new Promise<void>((resolve) => server?.listen(socket, resolve))
  const told: unknown[] = []
  const end = await new Promise<AttachEnd>((resolve) => {
    attach(
      { socket },
      {
        onHello: (from) => told.push(from),
        onMessage: (msg) => told.push(msg),
        onInvalidLine: (problem, count) => told.push(`${count}: ${problem}`),
        onClose: resolve,
      },
      { maxLineBytes },
    )
  })
  return { told, end }
}

test('tells the greeting and the messages', async () => {
  const { told, end } = await attachTo([greeting, `${JSON.stringify(message)}\n`])

  expect(told).toEqual([hello, message])
  expect(end).toEqual({ reason: 'ended', message: '' })
})

test('counts lines that are no messages, and goes on', async () => {
  const lines = [greeting, 'garbage\n', Buffer.from([0xff, 0x0a]), '{"kind":"later"}\n', '\n']
  const { told } = await attachTo([...lines, `${JSON.stringify(message)}\n`])

  expect(told).toEqual([
    hello,
    '1: not JSON',
    '2: not UTF-8 text',
    '3: an unknown kind of message',
    message,
  ])
})

test('keeps no more of a line than its bound', async () => {
  const { told } = await attachTo(
    [greeting, 'x'.repeat(5000), `\n${JSON.stringify(message)}\n`],
    1000,
  )

  expect(told).toEqual([hello, '1: the line is too long to read (5000 bytes)', message])
})

test('does without a greeting', async () => {
  expect((await attachTo([`${JSON.stringify(message)}\n`])).told).toEqual([message])
})

test('takes no harm from a greeting of the wrong shape', async () => {
  const { told } = await attachTo(['{"hello":{"v":9}}\n', `${JSON.stringify(message)}\n`])

  expect(told).toEqual(['1: not a message: no "kind"', message])
})

test('says that nobody is there', async () => {
  const end = await new Promise<AttachEnd>((resolve) => {
    attach({ socket: join(folder, 'none.sock') }, { onMessage: () => {}, onClose: resolve })
  })

  expect(end).toMatchObject({ reason: 'gone' })
})
