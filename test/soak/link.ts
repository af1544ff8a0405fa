/**
 * A client's connection to the proxy, and one exchange over it: with back pressure, at any pace, and
 * left at any point. What comes is checked against what the origin was asked for, piece by piece.
 */
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'

import { createResponseReader } from '../bench/load/response-reader.ts'
import { bodyOf, isPieceOf } from './bodies.ts'
import type { ClientEntry } from './ledger.ts'

export interface LinkRoute {
  readonly proxyPort: number
  /** Asks the proxy for a tunnel to here first. */
  readonly authority?: string
  /** Speaks TLS to this name, trusting this root alone. */
  readonly secure?: { readonly host: string; readonly context: tls.SecureContext }
}

export interface ExchangePlan {
  readonly entry: ClientEntry
  /** The request's head, with its empty line. */
  readonly head: string
  readonly isChunked: boolean
  /** Bytes handed over at once. */
  readonly sliceBytes: number
  /** Undefined: as fast as it comes. */
  readonly readBytesPerSecond: number | undefined
  /** Leaves once so many bytes of the body have been sent, or of the answer have come. */
  readonly leave: { readonly at: 'request' | 'answer'; readonly bytes: number } | undefined
}

/** How long a client waits for anything at all before it counts as forgotten, in milliseconds. */
const patienceMs = 30_000

/** Undefined where the proxy did not open the way. */
export async function openLink(
  route: LinkRoute,
  entry: ClientEntry | undefined,
): Promise<Socket | undefined> {
  const socket = net.connect({
    host: '127.0.0.1',
    port: route.proxyPort,
    noDelay: true,
    allowHalfOpen: true,
  })
  socket.on('error', () => {})
  const closed = once(socket, 'close').then(() => 'closed' as const)
  if ((await Promise.race([once(socket, 'connect'), closed])) === 'closed') return undefined
  if (entry !== undefined) {
    entry.localPort = socket.localPort ?? 0
    entry.openedAt = Date.now()
  }
  if (route.authority !== undefined) {
    socket.write(`CONNECT ${route.authority} HTTP/1.1\r\nHost: ${route.authority}\r\n\r\n`)
    const head = await readHead(socket)
    if (!head.startsWith('HTTP/1.1 200 ')) {
      socket.destroy()
      return undefined
    }
  }
  if (route.secure === undefined) return socket
  const secured = tls.connect({
    socket,
    servername: route.secure.host,
    secureContext: route.secure.context,
    ALPNProtocols: ['http/1.1'],
  })
  secured.on('error', () => socket.destroy())
  const failed = once(secured, 'close').then(() => 'closed' as const)
  if ((await Promise.race([once(secured, 'secureConnect'), failed])) === 'closed') return undefined
  return secured
}

function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let head = ''
    const finish = (): void => {
      clearTimeout(timer)
      socket.off('data', onData).off('close', finish).off('end', finish).pause()
      resolve(head)
    }
    const onData = (bytes: Buffer): void => {
      head += bytes.toString('latin1')
      if (head.includes('\r\n\r\n')) finish()
    }
    const timer = setTimeout(finish, patienceMs)
    socket.on('data', onData).once('close', finish).once('end', finish)
  })
}

/** Carries one exchange through; true where the connection can carry another. Never rejects. */
export async function exchange(socket: Socket, plan: ExchangePlan): Promise<boolean> {
  const { entry } = plan
  const over = Promise.withResolvers<'complete' | 'broken' | 'left' | 'stuck'>()
  let timer = setTimeout(() => over.resolve('stuck'), patienceMs)
  const touch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => over.resolve('stuck'), patienceMs)
  }
  const leave = (): void => {
    over.resolve('left')
    socket.destroy()
  }
  const wanted = bodyOf(entry.answer)
  const reader = createResponseReader({
    onHead: (status) => {
      entry.status = status
      if (plan.leave?.at === 'answer' && plan.leave.bytes === 0) leave()
    },
    onBody: (piece) => {
      if (entry.status === 200) {
        if (!isPieceOf(wanted, entry.received, piece)) entry.problem = 'the answer came changed'
        entry.received += piece.length
      }
      if (plan.leave?.at === 'answer' && entry.received >= plan.leave.bytes) leave()
    },
    onEnd: () => over.resolve('complete'),
  })
  const onData = (bytes: Buffer): void => {
    touch()
    try {
      reader.push(bytes)
    } catch (error) {
      entry.problem = `not an answer: ${String(error)}`
      over.resolve('broken')
    }
    slowDown(socket, bytes.length, plan.readBytesPerSecond)
  }
  const onEnd = (): void => over.resolve('broken')
  socket.on('data', onData).on('end', onEnd).on('close', onEnd)
  void send(socket, plan, leave, touch)
  const outcome = await over.promise
  clearTimeout(timer)
  socket.off('data', onData).off('end', onEnd).off('close', onEnd)
  entry.outcome = outcome
  entry.endedAt = Date.now()
  if (outcome !== 'complete') socket.destroy()
  return outcome === 'complete' && entry.status === 200 && !socket.destroyed
}

function slowDown(socket: Socket, bytes: number, bytesPerSecond: number | undefined): void {
  if (bytesPerSecond === undefined) return
  socket.pause()
  setTimeout(() => socket.resume(), (bytes / bytesPerSecond) * 1000)
}

async function send(
  socket: Socket,
  plan: ExchangePlan,
  leave: () => void,
  touch: () => void,
): Promise<void> {
  const { entry, isChunked, sliceBytes } = plan
  const body = bodyOf(entry.request)
  socket.write(plan.head, 'latin1')
  while (entry.sent < body.length && !socket.destroyed) {
    if (plan.leave?.at === 'request' && entry.sent >= plan.leave.bytes) {
      leave()
      return
    }
    // An answer that came before the request was whole: nobody reads the rest.
    if (entry.status >= 400) return
    const piece = body.subarray(entry.sent, entry.sent + sliceBytes)
    entry.sent += piece.length
    if (isChunked) socket.write(`${piece.length.toString(16)}\r\n`)
    let hasRoom = socket.write(piece)
    if (isChunked) hasRoom = socket.write('\r\n')
    if (!hasRoom) await drained(socket)
    touch()
  }
  if (isChunked && !socket.destroyed) socket.write('0\r\n\r\n')
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    if (socket.destroyed) resolve()
    else socket.on('drain', done).on('close', done)
  })
}

/** Sends bytes through a tunnel, ends, and reads what comes back; or leaves in the middle. */
export async function throughTunnel(
  socket: Socket,
  entry: ClientEntry,
  leaveAfter: number | undefined,
): Promise<void> {
  const wanted = bodyOf(entry.answer)
  const first = Buffer.from(`${entry.id} ${wanted.length}\n`)
  const over = Promise.withResolvers<'complete' | 'broken' | 'left' | 'stuck'>()
  const timer = setTimeout(() => over.resolve('stuck'), patienceMs)
  const leave = (): void => {
    over.resolve('left')
    socket.destroy()
  }
  socket.on('data', (piece: Buffer) => {
    if (!isPieceOf(wanted, entry.received, piece)) entry.problem = 'the tunnel changed bytes'
    entry.received += piece.length
    if (leaveAfter !== undefined && entry.received >= leaveAfter) leave()
  })
  socket.once('end', () => over.resolve(entry.received === wanted.length ? 'complete' : 'broken'))
  socket.once('close', () => over.resolve('broken'))
  // It was paused after the head of the proxy's answer.
  socket.resume()
  const body = bodyOf(entry.request)
  for (const part of [first, body]) {
    entry.sent += part.length
    if (!socket.write(part)) await drained(socket)
  }
  socket.end()
  if (leaveAfter === 0) leave()
  entry.outcome = await over.promise
  entry.endedAt = Date.now()
  clearTimeout(timer)
  socket.destroy()
}
