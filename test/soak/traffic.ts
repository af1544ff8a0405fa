/**
 * The mixed traffic of the soak: workers that open connections one after the other and do what
 * chance tells them. Chance comes from the seed, one stream for each worker; only the timing differs
 * between two runs of the same seed.
 */
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'

import { WebSocket } from 'ws'

import { createRandom } from '../support/fault-injector.ts'
import { bodyOf, largestBody } from './bodies.ts'
import type { ClientEntry, Ledger } from './ledger.ts'
import { exchange, openLink, throughTunnel } from './link.ts'

/** What stands between the proxy and an upstream, by the name of its hosts. */
export type FaultName = string

export interface TrafficSetup {
  readonly ledger: Ledger
  readonly proxyPort: number
  readonly caPem: string
  readonly seed: number
  readonly workers: number
  /** Exchanges and tunnels in all; no more are begun after that. */
  readonly maxExchanges: number
  /** Hosts of the decrypted upstreams: `HOST` by name of the fault in front of them. */
  readonly faulty: Readonly<Record<FaultName, string>>
  readonly cleanHost: string
  readonly plainHost: string
  readonly tunnelHosts: readonly string[]
  readonly routeName: string
}

type Random = () => number

/** Longest pause of a worker between two connections, in milliseconds. */
const pauseMs = 120

export class Traffic {
  readonly #setup: TrafficSetup
  readonly #context: tls.SecureContext
  #isOver = false
  #resume: PromiseWithResolvers<void> | undefined
  #busy = 0
  #begun = 0
  #idle: (() => void) | undefined
  readonly #workers: Array<Promise<void>>

  constructor(setup: TrafficSetup) {
    this.#setup = setup
    this.#context = tls.createSecureContext({ ca: setup.caPem })
    this.#workers = Array.from({ length: setup.workers }, (_, index) =>
      this.#work(createRandom(setup.seed * 1009 + index)),
    )
  }

  /** Begins nothing new; resolves when all that was begun has ended. */
  async pause(): Promise<void> {
    this.#resume ??= Promise.withResolvers()
    if (this.#busy === 0) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
    })
  }

  resume(): void {
    this.#resume?.resolve()
    this.#resume = undefined
  }

  async stop(): Promise<void> {
    this.#isOver = true
    this.resume()
    await Promise.all(this.#workers)
  }

  async #work(random: Random): Promise<void> {
    while (!this.#isOver && this.#begun < this.#setup.maxExchanges) {
      await this.#resume?.promise
      this.#busy += 1
      try {
        await this.#session(random)
      } finally {
        this.#busy -= 1
        if (this.#busy === 0) this.#idle?.()
      }
      await delay(random() * pauseMs)
    }
  }

  async #session(random: Random): Promise<void> {
    const draw = random()
    if (draw < 0.1) await this.#tunnel(random)
    else if (draw < 0.17) await this.#webSocket(random)
    else if (draw < 0.21) await this.#abandon(random)
    else await this.#exchanges(random)
  }

  #open(
    kind: ClientEntry['kind'],
    what: string,
    bodies: { readonly request?: string; readonly answer?: string } = {},
  ): ClientEntry {
    this.#begun += 1
    return this.#setup.ledger.open(kind, what, bodies)
  }

  async #exchanges(random: Random): Promise<void> {
    const { proxyPort, faulty, cleanHost, plainHost, routeName } = this.#setup
    const draw = random()
    const way = draw < 0.12 ? 'route' : draw < 0.2 ? 'plain' : 'secure'
    const fault = random() < 0.65 ? 'clean' : pick(random, Object.keys(faulty))
    const host = way === 'plain' ? plainHost : (faulty[fault] ?? cleanHost)
    const base = { secure: '', plain: `http://${host}`, route: `/${routeName}` }[way]
    const route =
      way === 'secure'
        ? { proxyPort, authority: `${host}:443`, secure: { host, context: this.#context } }
        : { proxyPort }
    const socket = await openLink(route, undefined)
    if (socket === undefined) return
    for (let left = 1 + Math.floor(random() * 4); left > 0; left -= 1) {
      const shape = chooseShape(random)
      const entry = this.#open('exchange', `${way} ${shape.name} ${fault}`, shape)
      const leaves = random() < 0.08 ? chooseLeave(random, shape) : undefined
      const framing = shape.isChunked
        ? 'Transfer-Encoding: chunked'
        : `Content-Length: ${shape.bytes}`
      const wish = new URLSearchParams({
        id: entry.id,
        request: shape.request,
        answer: shape.answer,
        gapMs: String(shape.gapMs),
      })
      const head = [
        `POST ${base}${shape.path}?soak=${entry.id} HTTP/1.1`,
        `Host: ${way === 'route' ? `127.0.0.1:${proxyPort}` : host}`,
        'Content-Type: application/json',
        framing,
        `X-Soak: ${wish.toString()}`,
      ]
      const goesOn = await exchange(socket, {
        entry,
        head: `${head.join('\r\n')}\r\n\r\n`,
        isChunked: shape.isChunked,
        sliceBytes: shape.sliceBytes,
        readBytesPerSecond: shape.readBytesPerSecond,
        leave: leaves,
      })
      if (!goesOn) break
    }
    await endLink(socket, random)
  }

  async #tunnel(random: Random): Promise<void> {
    const host = pick(random, this.#setup.tunnelHosts)
    const entry = this.#open('tunnel', host, {
      request: `file:${chooseSize(random)}`,
      answer: `file:${chooseSize(random)}`,
    })
    const authority = `${host}:443`
    const socket = await openLink({ proxyPort: this.#setup.proxyPort, authority }, entry)
    if (socket === undefined) {
      entry.outcome = 'broken'
      return
    }
    const leaveAfter = random() < 0.15 ? Math.floor(random() * 100_000) : undefined
    await throughTunnel(socket, entry, leaveAfter)
  }

  async #webSocket(random: Random): Promise<void> {
    const { proxyPort, cleanHost, faulty } = this.#setup
    const host = random() < 0.7 ? cleanHost : (faulty['slices'] ?? cleanHost)
    const secure = { host, context: this.#context }
    const socket = await openLink({ proxyPort, authority: `${host}:443`, secure }, undefined)
    if (socket === undefined) return
    const entry = this.#open('websocket', host)
    await converse(socket, entry, { random, host, leaves: random() < 0.15 })
  }

  /** Clients that leave before they have asked for anything. */
  async #abandon(random: Random): Promise<void> {
    const { proxyPort, cleanHost } = this.#setup
    const authority = `${cleanHost}:443`
    const secure = { host: cleanHost, context: this.#context }
    const routes = [{ proxyPort }, { proxyPort, authority }, { proxyPort, authority, secure }]
    const socket = await openLink(pick(random, routes), undefined)
    if (random() < 0.5) socket?.write('POST /never HTTP/1.1\r\nHost: ')
    socket?.destroy()
  }
}

interface Shape {
  readonly name: string
  readonly path: string
  readonly request: string
  readonly bytes: number
  readonly answer: string
  readonly gapMs: number
  readonly isChunked: boolean
  readonly sliceBytes: number
  readonly readBytesPerSecond: number | undefined
}

function chooseShape(random: Random): Shape {
  const draw = random()
  const base: Shape = {
    name: 'json',
    path: '/v1/chat/completions',
    request: 'call',
    bytes: callBytes,
    answer: 'answer',
    gapMs: 0,
    isChunked: random() < 0.3,
    sliceBytes: 100 + Math.floor(random() * 60_000),
    readBytesPerSecond: undefined,
  }
  if (draw < 0.5) return base
  if (draw < 0.75) {
    const count = pick(random, [1, 8, 40, 150])
    return { ...base, name: 'stream', answer: `events:${count}`, gapMs: Math.floor(random() * 12) }
  }
  if (draw < 0.83) return { ...base, name: 'down', answer: `file:${largestBody}` }
  if (draw < 0.86) {
    const pace = { readBytesPerSecond: 300_000 }
    return { ...base, ...pace, name: 'slow reader', answer: `file:${largestBody}` }
  }
  const size = draw < 0.93 ? largestBody : 1 + Math.floor(random() * 300_000)
  const upload = { request: `file:${size}`, bytes: size, path: '/v1/files' }
  return { ...base, ...upload, name: size === largestBody ? 'up' : 'upload' }
}

const callBytes = bodyOf('call').length

function chooseLeave(random: Random, shape: Shape): { at: 'request' | 'answer'; bytes: number } {
  const at = random() < 0.4 ? 'request' : 'answer'
  const whole =
    at === 'request' ? shape.bytes : shape.answer.startsWith('file') ? largestBody : 2000
  return { at, bytes: Math.floor(random() * whole) }
}

function chooseSize(random: Random): number {
  return random() < 0.2 ? largestBody : 1 + Math.floor(random() * 50_000)
}

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

/** Half of the clients end politely, as pools do; the others just go. */
async function endLink(socket: Socket, random: Random): Promise<void> {
  if (socket.destroyed) return
  if (random() < 0.5) socket.end()
  else socket.destroy()
  socket.resume()
  const closed = new Promise((resolve) => {
    socket.once('close', resolve)
  })
  await Promise.race([closed, delay(1000, undefined, { ref: false })])
  socket.destroy()
}

async function converse(
  socket: Socket,
  entry: ClientEntry,
  plan: { readonly random: Random; readonly host: string; readonly leaves: boolean },
): Promise<void> {
  const { random, host, leaves } = plan
  const client = new WebSocket(`wss://${host}/v1/realtime?soak=${entry.id}`, {
    createConnection: () => socket,
  })
  const over = Promise.withResolvers<'complete' | 'left' | 'broken' | 'stuck'>()
  const timer = setTimeout(() => over.resolve('stuck'), 30_000)
  const wanted = 1 + Math.floor(random() * 20)
  const say = (): void => {
    const text = `${entry.sentMessages} ${'word '.repeat(Math.floor(random() * 3000))}`
    entry.sent += Buffer.byteLength(text)
    entry.sentMessages += 1
    client.send(text)
  }
  client.on('error', () => over.resolve('broken'))
  client.once('open', say)
  client.once('close', (code) => over.resolve(code === 1000 ? 'complete' : 'broken'))
  client.on('message', (data: Buffer) => {
    entry.received += data.length
    if (entry.sentMessages < wanted) say()
    else if (leaves) {
      over.resolve('left')
      client.terminate()
    } else client.close(1000)
  })
  entry.outcome = await over.promise
  entry.endedAt = Date.now()
  clearTimeout(timer)
  client.terminate()
  socket.destroy()
}
