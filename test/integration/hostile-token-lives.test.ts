/**
 * Secrets that change while a token of theirs is on its way, and upstreams that send back what a
 * token became: each request has one value from its beginning to its end, and nobody is told of it.
 */
import type { ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'
import type { RawData } from 'ws'

import { formsOfValue } from '../../src/policy/credential-value.ts'
import { canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { readUntil } from '../support/proxy.ts'
import { boundHost, requestBytes, sendPieces, startTokenBench } from '../support/token-bench.ts'
import type { TokenBench, TokenBenchSetup } from '../support/token-bench.ts'
import { startHttpsUpstream } from '../support/upstream.ts'
import { connectAs } from '../support/vault-proxy.ts'
import { handshakeFor, startWebSocketServer } from '../support/websocket-peers.ts'
import { anyMask, encodeFrame } from '../support/websocket-wire.ts'

const older = `${canary}-older`
const newer = `${canary}-newer`
const open = closesAfterEach()

async function bench(setup: TokenBenchSetup = {}): Promise<TokenBench> {
  const all = await startTokenBench({ value: older, ...setup })
  open(all)
  return all
}

const json = 'Content-Type: application/json'
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
const rotated = { kind: 'value', text: newer } as const
type Change = (all: TokenBench) => unknown
const changes: ReadonlyArray<readonly [string, Change, next: string]> = [
  ['is rotated', ({ vault }) => vault.writable.secrets.rotate('one', rotated), newer],
  ['is removed', ({ vault }) => vault.writable.secrets.remove('one'), ''],
  [
    'loses its token',
    ({ vault: { writable } }) => writable.tokens.revoke(writable.tokens.list()[0]?.id ?? ''),
    '',
  ],
  ['is sealed anew', ({ vault }) => vault.writable.secrets.rotateKey(), older],
]

describe('a secret that', () => {
  test.each(changes)('S12 %s while a body streams is one value in it', async (...row) => {
    const [, change, next] = row
    const all = await bench()
    const received = (): string => all.upstreams[boundHost]?.received() ?? ''
    const socket = await connectAs(all.proxy, boundHost, all.agentToken)
    const fields = `${json}\r\nX-Key: ${all.token}\r\nTransfer-Encoding: chunked`
    socket.write(`POST / HTTP/1.1\r\nHost: ${boundHost}\r\n${fields}\r\n\r\n`)
    // Far more than is held back of a body that may still be taken in whole.
    socket.write(chunk(`{"a": "${all.token} ${'x'.repeat(2_000_000)}`))
    await expect
      .poll(() => received().includes(`{"a": "${older} x`), { timeout: 15_000 })
      .toBe(true)

    await change(all)
    socket.write(`${chunk(` ${all.token}"}`)}0\r\n\r\n`)
    await readUntil(socket, (bytes) => bytes.includes('\r\n\r\nok'))
    socket.destroy()
    await sendPieces(all, boundHost, [requestBytes(boundHost, { body: `next ${all.token}` })])

    const [first, second] = all.upstreams[boundHost]?.requests ?? []
    expect(first?.fields).toContainEqual(['X-Key', older])
    expect(first?.body.endsWith(`x ${older}"}`)).toBe(true)
    expect(second?.body).toBe(`next ${next}`)
    expect(JSON.stringify(all.proxy.messages)).not.toContain(canary)
  })

  test.each(changes)(
    'S12 %s while a WebSocket lives is so from its next message',
    async (...row) => {
      const [, change, next] = row
      const { all, heard } = await socketBench()
      const socket = await upgraded(all)
      socket.write(text(`one ${all.token}`))
      await expect.poll(() => heard.length).toBe(1)

      await change(all)
      socket.write(text(`two ${all.token}`))
      await expect.poll(() => heard.length, { timeout: 15_000 }).toBe(2)
      socket.destroy()

      expect(heard).toEqual([`one ${older}`, `two ${next}`])
    },
  )
})

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload, mask: anyMask })

/** An upstream that sends every message back. */
async function socketBench(): Promise<{ all: TokenBench; heard: string[] }> {
  const heard: string[] = []
  const all = await bench({
    boundPort: async (root) => {
      const server = await startWebSocketServer(root, boundHost, (socket) => {
        socket.on('message', (data: RawData) => {
          heard.push((data as Buffer).toString())
          socket.send(`you said ${(data as Buffer).toString()}`)
        })
      })
      open(server)
      return server.port
    },
  })
  return { all, heard }
}

async function upgraded(all: TokenBench): Promise<TLSSocket> {
  const socket = await connectAs(all.proxy, boundHost, all.agentToken)
  socket.write(handshakeFor(boundHost))
  await readUntil(socket, (bytes) => bytes.includes('\r\n\r\n'))
  return socket
}

type Answer = (sent: string, response: ServerResponse) => void
const type = { 'Content-Type': 'application/json' }
const answers: ReadonlyArray<readonly [string, Answer, places: readonly string[]]> = [
  ['as it was', (sent, response) => response.writeHead(200, type).end(sent), ['body raw']],
  [
    'in pieces',
    (sent, response) => {
      response.writeHead(200, type)
      for (let at = 0; at < sent.length; at += 5) response.write(sent.slice(at, at + 5))
      response.end()
    },
    ['body raw'],
  ],
  [
    'in gzip',
    (sent, response) =>
      response.writeHead(200, { ...type, 'Content-Encoding': 'gzip' }).end(gzipSync(sent)),
    ['body coded'],
  ],
  [
    'in br',
    (sent, response) =>
      response.writeHead(200, { ...type, 'Content-Encoding': 'br' }).end(brotliCompressSync(sent)),
    ['body coded'],
  ],
  [
    'in every form that is known',
    (_sent, response) => response.writeHead(200, type).end(formsOfValue(older).join('\n')),
    ['body'],
  ],
  [
    'in its status, a field and a redirect',
    (_sent, response) =>
      response
        .writeHead(307, `OK ${older}`, { 'X-You-Sent': older, Location: `/?k=${older}` })
        .end(),
    ['status raw', 'header raw', 'header raw'],
  ],
]

describe('what a token became', () => {
  test.each(answers)('S7 that comes back %s is told to nobody', async (_how, answer, places) => {
    const all = await bench({
      boundPort: async (root) => {
        const server = await startHttpsUpstream(root, boundHost, (_request, response) => {
          answer(JSON.stringify({ k: older, also: `x${older}y` }), response)
        })
        open(server)
        return server.port
      },
    })
    const body = `{"k": "${all.token}"}`
    const fields = [json, 'Connection: close', `X-Key: ${all.token}`]

    await sendPieces(all, boundHost, [requestBytes(boundHost, { fields, body })])
    await all.proxy.waitFor('exchange-completed')

    const echoes = all.proxy.of('credential-echoed')
    expect(echoes.map(({ where, form }) => `${where} ${form}`)).toEqual(
      places.map((place) => expect.stringContaining(place)),
    )
    expect(new Set(echoes.map(({ secretId }) => secretId))).toEqual(new Set(['one']))
    const told = JSON.stringify([all.proxy.messages, all.proxy.running.drainAudit()])
    expect([canary, ...formsOfValue(older)].filter((form) => told.includes(form))).toEqual([])
  })

  test('S7 that comes back in a WebSocket is told to nobody', async () => {
    const { all } = await socketBench()
    const socket = await upgraded(all)
    const answered = readUntil(socket, (bytes) => bytes.includes(older))

    socket.write(text(`my ${all.token}`))
    expect((await answered).toString('latin1')).toContain(`you said my ${older}`)
    await all.proxy.waitFor('credential-echoed')
    socket.destroy()

    expect(all.proxy.of('credential-echoed')).toMatchObject([
      { secretId: 'one', where: 'websocket' },
    ])
    expect(JSON.stringify(all.proxy.messages)).not.toContain(canary)
  })
})
