import { once } from 'node:events'

import { describe, expect, test } from 'vitest'
import type { RawData, WebSocket } from 'ws'
import { WebSocket as Client } from 'ws'

/**
 * Opaque tokens cut at every byte: over segments, chunks and WebSocket frames. And WebSockets whose
 * client says what no upstream may hear.
 */
import { canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { readUntil } from '../support/proxy.ts'
import {
  boundHost,
  chunked,
  otherHost,
  plainValue,
  requestBytes,
  sendPieces,
  startTokenBench,
} from '../support/token-bench.ts'
import type { TokenBench, TokenBenchSetup } from '../support/token-bench.ts'
import { connectAs } from '../support/vault-proxy.ts'
import { handshakeFor, startWebSocketServer } from '../support/websocket-peers.ts'
import { anyMask, encodeFrame, encodeHead } from '../support/websocket-wire.ts'

const open = closesAfterEach()
const bench = async (setup: TokenBenchSetup = {}): Promise<TokenBench> =>
  open(await startTokenBench({ value: plainValue, ...setup }))

const json = 'Content-Type: application/json'

describe('a token', () => {
  test('S2 cut at every byte over segments is replaced in head and body', async () => {
    const all = await bench()
    const request = requestBytes(boundHost, {
      target: `/x?k=${all.token}`,
      fields: [json, `X-Key: ${all.token}`],
      body: `{"k":"${all.token}"}`,
    })

    for (let cut = 1; cut < request.length; cut += 1) {
      const answer = await sendPieces(all, boundHost, [
        request.subarray(0, cut),
        request.subarray(cut),
      ])
      expect(answer.status).toBe(200)
    }

    const seen = all.upstreams[boundHost]?.requests ?? []
    expect(seen).toHaveLength(request.length - 1)
    for (const { target, fields, body } of seen) {
      expect(target).toBe(`/x?k=${plainValue}`)
      expect(fields).toContainEqual(['X-Key', plainValue])
      expect(body).toBe(`{"k":"${plainValue}"}`)
    }
  })

  test('S2 cut at every byte over chunks is replaced for one host and taken out for another', async () => {
    const all = await bench()
    const body = Buffer.from(`{"k":"${all.token}"}`)
    const send = (host: string, cut: number) => {
      const head = `POST / HTTP/1.1\r\nHost: ${host}\r\n${json}\r\nTransfer-Encoding: chunked\r\n\r\n`
      return sendPieces(all, host, [head, chunked([body.subarray(0, cut), body.subarray(cut)])])
    }

    for (let cut = 1; cut < body.length; cut += 1) {
      expect((await send(boundHost, cut)).status).toBe(200)
      expect((await send(otherHost, cut)).status).toBe(200)
    }

    const bodies = (host: string): Set<string> =>
      new Set(all.upstreams[host]?.requests.map((request) => request.body))
    expect(bodies(boundHost)).toEqual(new Set([`{"k":"${plainValue}"}`]))
    expect(bodies(otherHost)).toEqual(new Set(['{"k":""}']))
    expect(all.upstreams[otherHost]?.received()).not.toContain(all.token.slice(-8))
  })
})

/** What the upstream's WebSocket heard, in order; and how it was closed. */
interface Heard {
  readonly messages: Array<{ readonly text: string; readonly isBinary: boolean }>
  readonly pings: string[]
  readonly codes: number[]
  readonly extensions: string[]
}

async function socketBench(
  setup: TokenBenchSetup = {},
  onSocket: (socket: WebSocket) => void = () => {},
): Promise<{ all: TokenBench; heard: Heard }> {
  const heard: Heard = { messages: [], pings: [], codes: [], extensions: [] }
  const all = await bench({
    ...setup,
    boundPort: async (root) => {
      const server = await startWebSocketServer(
        root,
        boundHost,
        (socket) => {
          heard.extensions.push(socket.extensions)
          socket.on('message', (data: RawData, isBinary) => {
            heard.messages.push({ text: (data as Buffer).toString(), isBinary })
          })
          socket.on('ping', (data) => heard.pings.push(data.toString()))
          socket.on('close', (code) => heard.codes.push(code))
          onSocket(socket)
        },
        { perMessageDeflate: true },
      )
      open(server)
      return server.port
    },
  })
  return { all, heard }
}

/** A socket that has switched, as raw bytes. */
async function rawSocket(all: TokenBench) {
  const socket = await connectAs(all.proxy, boundHost, all.agentToken)
  socket.write(handshakeFor(boundHost))
  const head = await readUntil(socket, (bytes) => bytes.includes('\r\n\r\n'))
  expect(head.toString('latin1')).toContain(' 101 ')
  return socket
}

const text = (payload: string, over = {}): Buffer =>
  encodeFrame({ opcode: 1, payload, mask: anyMask, ...over })

describe('a token in a WebSocket', () => {
  test('S2 cut at every byte over frames and segments is replaced, text and binary', async () => {
    const { all, heard } = await socketBench()
    const socket = await rawSocket(all)
    const payload = `{"k":"${all.token}"}`

    for (let cut = 0; cut <= payload.length; cut += 1) {
      for (const opcode of [1, 2]) {
        const first = text(payload.slice(0, cut), { opcode, isFinal: false })
        const ping = encodeFrame({ opcode: 9, payload: `${cut}`, mask: anyMask })
        const rest = text(payload.slice(cut), { opcode: 0 })
        const bytes = Buffer.concat([first, ping, rest])
        socket.write(bytes.subarray(0, cut + 3))
        socket.write(bytes.subarray(cut + 3))
      }
    }
    const count = 2 * (payload.length + 1)
    await expect.poll(() => heard.messages.length, { timeout: 15_000 }).toBe(count)
    socket.destroy()

    expect(new Set(heard.messages.map((message) => message.text))).toEqual(
      new Set([`{"k":"${plainValue}"}`]),
    )
    expect(heard.messages.filter(({ isBinary }) => isBinary)).toHaveLength(count / 2)
    expect(heard.pings).toHaveLength(count)
    await all.proxy.waitFor('exchange-completed')
    const told = JSON.stringify(all.proxy.messages)
    expect(told).not.toContain(canary)
    expect(told).not.toContain(all.token.slice(12))
    expect(all.proxy.of('token-replaced')).toHaveLength(count)
  })

  test('W7 is replaced from real clients too, nothing is compressed, and answers stay as they are', async () => {
    const { all, heard } = await socketBench({}, (socket) => {
      socket.on('message', () => socket.send('x'.repeat(70_000)))
    })
    const socket = await connectAs(all.proxy, boundHost, all.agentToken)
    const client = new Client(`wss://${boundHost}/`, { createConnection: () => socket })
    const answer = once(client, 'message')
    await once(client, 'open')
    client.send(`${'y'.repeat(70_000)}${all.token}`)

    expect(String((await answer)[0])).toBe('x'.repeat(70_000))
    expect(heard.messages[0]?.text).toBe(`${'y'.repeat(70_000)}${plainValue}`)
    expect(heard.extensions).toEqual([''])
    const closed = once(client, 'close')
    client.close(4321, 'done')
    expect((await closed)[0]).toBe(4321)
    await expect.poll(() => heard.codes).toEqual([4321])
    expect(await all.proxy.waitFor('exchange-completed')).toMatchObject({ status: 101 })
  })

  test('W7 that was revoked while the socket lives is taken out from then on', async () => {
    const { all, heard } = await socketBench()
    const socket = await rawSocket(all)
    socket.write(text(`one ${all.token}`))
    await expect.poll(() => heard.messages.length).toBe(1)

    all.vault.writable.tokens.revoke(all.vault.writable.tokens.list()[0]?.id ?? '')
    socket.write(text(`two ${all.token}`))
    await expect.poll(() => heard.messages.length).toBe(2)
    socket.destroy()

    expect(heard.messages.map((message) => message.text)).toEqual([`one ${plainValue}`, 'two '])
  })

  test('W7 that is not for this host ends the socket where the user says so', async () => {
    const { all, heard } = await socketBench({ options: { onMismatch: 'block' } })
    const socket = await rawSocket(all)
    const end = readUntil(socket, () => false)

    socket.write(text('before'))
    socket.write(text(`x ${all.mint({ expiresAt: 1 })}`))
    socket.write(text('after'))
    const down = await end

    expect(heard.messages.map((message) => message.text)).toEqual(['before'])
    expect(heard.codes).toEqual([1008])
    expect(down.subarray(0, 4)).toEqual(Buffer.from([0x88, 2, 0x03, 0xf0]))
    expect(await all.proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'proxy',
      code: 'token-host-mismatch',
    })
  })
})

describe('a WebSocket that is looked into', () => {
  const bad: ReadonlyArray<readonly [string, Buffer, string, number]> = [
    [
      'a frame without a mask',
      encodeFrame({ opcode: 1, payload: 'x' }),
      'websocket-unreadable',
      1002,
    ],
    ['a compressed frame', text('x', { reserved: 4 }), 'websocket-unreadable', 1002],
    [
      'more than is kept of a message',
      Buffer.concat([encodeHead(0x81, 2_000_000, true), anyMask, Buffer.alloc(2_000_000)]),
      'websocket-message-too-large',
      1009,
    ],
  ]
  test.each(bad)(
    'ends with %s, and the upstream hears nothing of it',
    async (_what, bytes, code, close) => {
      const { all, heard } = await socketBench({
        configure: (builder) => builder.limit({ maxWebSocketMessageBytes: 1_000_000 }),
      })
      const socket = await rawSocket(all)
      const end = readUntil(socket, () => false)

      socket.write(bytes)
      await end

      expect(heard.messages).toEqual([])
      await expect.poll(() => heard.codes).toEqual([close])
      expect(await all.proxy.waitFor('exchange-failed')).toMatchObject({ by: 'proxy', code })
    },
  )

  test('is relayed as it is, extensions and all, where there is no token in the vault', async () => {
    const { all, heard } = await socketBench()
    all.vault.writable.tokens.revoke(all.vault.writable.tokens.list()[0]?.id ?? '')
    const socket = await connectAs(all.proxy, boundHost, all.agentToken)
    const client = new Client(`wss://${boundHost}/`, { createConnection: () => socket })
    await once(client, 'open')
    client.send(all.token)
    await expect.poll(() => heard.messages.length).toBe(1)
    client.terminate()

    expect(heard.extensions).toEqual(['permessage-deflate'])
    expect(heard.messages).toEqual([{ text: all.token, isBinary: false }])
  })
})
