/**
 * A request whose head and body come in two TLS records of one packet, while the answer to the one
 * before still waits for the client: Node's server pauses between the two.
 */
import { once } from 'node:events'
import net from 'node:net'
import { Duplex } from 'node:stream'
import tls from 'node:tls'

import { expect, test } from 'vitest'

import { startProxy } from '../support/proxy.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const large = Buffer.alloc(4 * 1024 * 1024, 'x')
const body = JSON.stringify({ model: 'm', messages: [] })

/** Gathers what is written until it is let go, and then sends it as one. */
class Gathering extends Duplex {
  readonly #socket: net.Socket
  #held: Buffer[] | undefined

  constructor(socket: net.Socket) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
  }

  hold(): void {
    this.#held = []
  }

  letGo(): void {
    this.#socket.write(Buffer.concat(this.#held ?? []))
    this.#held = undefined
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#held === undefined) this.#socket.write(chunk)
    else this.#held.push(chunk)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}

test('a request behind an answer that still waits for its client is read whole', async () => {
  const root = createUpstreamRoot(host)
  const upstream = await startHttpsUpstream(root, host, (request, response) => {
    response.end(request.method === 'GET' ? large : 'second answer')
  })
  const proxy = await startProxy({ root, connectTo: { [`${host}:443`]: upstream.port } })
  const raw = net.connect(proxy.running.port, '127.0.0.1')
  await once(raw, 'connect')
  raw.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`)
  await once(raw, 'data')
  const gathering = new Gathering(raw)
  const client = tls.connect({ socket: gathering, servername: host, rejectUnauthorized: false })
  await once(client, 'secureConnect')

  client.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  // Nobody reads the answer: it fills every buffer on its way, and the proxy waits for room.
  await proxy.waitFor('response-body')
  gathering.hold()
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n`
  await new Promise((resolve) => client.write(head, resolve))
  await new Promise((resolve) => client.write(body, resolve))
  gathering.letGo()

  const chunks: Buffer[] = []
  const ended = Promise.withResolvers<undefined>()
  client.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    if (chunk.includes('second answer') || chunk.includes('Bad Request')) ended.resolve(undefined)
  })
  await ended.promise

  expect(
    Buffer.concat(chunks)
      .toString('latin1')
      .match(/HTTP\/1\.1 \d+/gu),
  ).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  expect(upstream.requests.at(-1)?.body.toString()).toBe(body)
  client.destroy()
  await proxy.close()
  await upstream.close()
})
