import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

import { expect, test } from 'vitest'

import { ViewerConnection } from '../../../src/control/viewer-connection.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'

/** A socket whose far end reads only when told to. */
function stalledSocket() {
  const received: string[] = []
  let release: (() => void) | undefined
  let isReading = false
  const socket = new Duplex({
    highWaterMark: 10,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      received.push(chunk.toString())
      if (isReading) setImmediate(done)
      else release = done
    },
  })
  const readOn = (): void => {
    isReading = true
    release?.()
  }
  return { socket: socket as unknown as Socket, received, readOn }
}

function failed(seq: number): AnalysisMsg {
  return { v: 1, seq, at: seq, kind: 'analyzer-failed', analyzer: 'a', error: 'e' }
}

function send(viewer: ViewerConnection, seq: number): void {
  viewer.send(failed(seq), Buffer.from(`${seq}\n`.padStart(100)))
}

function numbers(received: readonly string[]): Array<number | string> {
  return received
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((line) => (line.includes('{') ? line : Number(line)))
}

test('sends what it is given first before anything else', async () => {
  const { socket, received, readOn } = stalledSocket()
  const first = [Buffer.from('1\n'), Buffer.from('2\n')]
  const viewer = new ViewerConnection(socket, { first, queueBytes: 10_000, onGone: () => {} })
  send(viewer, 3)
  readOn()
  await viewer.close()

  expect(numbers(received)).toEqual([1, 2, 3])
})

test('tells a gap in its place, once, and then goes on', async () => {
  const { socket, received, readOn } = stalledSocket()
  const first = [Buffer.from('a snapshot that fills the socket\n')]
  const viewer = new ViewerConnection(socket, { first, queueBytes: 500, onGone: () => {} })
  for (let seq = 0; seq < 10; seq += 1) send(viewer, seq)
  readOn()
  await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))))
  send(viewer, 10)
  await viewer.close()

  const note = {
    v: 1,
    seq: 3,
    at: 3,
    kind: 'messages-dropped',
    where: 'viewer',
    count: 7,
    bytes: 700,
  }
  expect(numbers(received).slice(1)).toEqual([0, 1, 2, JSON.stringify(note), 10])
})

test('tells when it is gone, and takes no harm from what is sent later', async () => {
  const { socket, readOn } = stalledSocket()
  const gone = Promise.withResolvers<void>()
  const viewer = new ViewerConnection(socket, { first: [], queueBytes: 500, onGone: gone.resolve })
  readOn()
  socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  await gone.promise
  send(viewer, 1)

  await expect(viewer.close()).resolves.toBeUndefined()
})
