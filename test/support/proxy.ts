/** A proxy under test, with every message it told, and ways to wait for one. */
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'

import type { Authority } from '../../ca/authority.ts'
import { PortholeBuilder } from '../../src/builder.ts'
import type { AnalysisMsg, MsgKind, MsgOf } from '../../src/messages/schema.ts'
import { parseAuthority } from '../../src/policy/authority.ts'
import type { RunningPorthole } from '../../src/porthole.ts'
import { createCanarySearch } from './canary-search.ts'
import { canary, reportFindings } from './canary.ts'

const search = createCanarySearch(canary)

export interface ProxyUnderTest {
  readonly running: RunningPorthole
  readonly messages: AnalysisMsg[]
  /** The first message of a kind that satisfies `where`, past or future. */
  waitFor<K extends MsgKind>(kind: K, where?: (msg: MsgOf<K>) => boolean): Promise<MsgOf<K>>
  of<K extends MsgKind>(kind: K): Array<MsgOf<K>>
  close(): Promise<void>
}

export interface ProxySetup {
  readonly allow?: readonly string[]
  /** `'host:port'` → port on 127.0.0.1. */
  readonly connectTo?: Readonly<Record<string, number>>
  readonly root?: Authority
  readonly configure?: (builder: PortholeBuilder) => void
  /** The guard of private addresses as users have it; off here, since every test is on loopback. */
  readonly guardAddresses?: boolean
}

export async function startProxy(setup: ProxySetup): Promise<ProxyUnderTest> {
  const builder = new PortholeBuilder().listen('127.0.0.1:0')
  builder.allowHosts(...(setup.allow ?? ['api.openai.com']))
  for (const [from, port] of Object.entries(setup.connectTo ?? {})) {
    const parsed = parseAuthority(from)
    if (!parsed.ok) throw new Error(parsed.problem)
    builder.connectTo(parsed.authority, { host: '127.0.0.1', port, kind: 'ipv4' })
  }
  if (setup.root !== undefined) builder.upstreamCa(setup.root.certificatePem)
  if (setup.guardAddresses !== true) builder.allowPrivateAddresses()
  const audit: unknown[] = []
  builder.audit({
    decided: (decision) => void audit.push(decision),
    ended: (outcome) => void audit.push(outcome),
  })
  setup.configure?.(builder)
  const running = await builder.build().start()
  const messages: AnalysisMsg[] = []
  const waiters = new Set<(msg: AnalysisMsg) => void>()
  running.subscribe((msg) => {
    messages.push(msg)
    for (const waiter of waiters) waiter(msg)
  })
  const waitFor: ProxyUnderTest['waitFor'] = (kind, where = () => true) => {
    type Wanted = MsgOf<typeof kind>
    const fits = (msg: AnalysisMsg): boolean => msg.kind === kind && where(msg as Wanted)
    const past = messages.find(fits)
    if (past !== undefined) return Promise.resolve(past as Wanted)
    return new Promise((resolve) => {
      const waiter = (msg: AnalysisMsg): void => {
        if (!fits(msg)) return
        waiters.delete(waiter)
        resolve(msg as Wanted)
      }
      waiters.add(waiter)
    })
  }
  return {
    running,
    messages,
    waitFor,
    of: (kind) => messages.filter((msg): msg is MsgOf<typeof kind> => msg.kind === kind),
    close: async () => {
      await running.close({ drainMs: 0 })
      // What control socket, stdout and captures are made of, and what the audit is.
      const told = { messages, audit }
      const found = Object.entries(told).flatMap(([place, what]) =>
        search.formsIn(JSON.stringify(what)).map((form) => ({ place, form })),
      )
      reportFindings(found, 'a proxy under test')
    },
  }
}

/** A plain TCP connection to the proxy. */
export async function connectRaw(proxy: ProxyUnderTest): Promise<Socket> {
  const socket = net.connect({ host: '127.0.0.1', port: proxy.running.port, allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** What came between two calls of `readUntil`: the socket flows on, and nobody else listens. */
const unread = new WeakMap<Socket, { readonly chunks: Buffer[]; readonly stop: () => void }>()

function keepUnread(socket: Socket): void {
  const chunks: Buffer[] = []
  const keep = (chunk: Buffer): void => {
    if (socket.listenerCount('data') === 1) chunks.push(chunk)
  }
  socket.on('data', keep)
  unread.set(socket, { chunks, stop: () => void socket.off('data', keep) })
}

/** Reads until `done` says so, or the other side ends; returns everything that came since the last. */
export function readUntil(socket: Socket, done: (all: Buffer) => boolean): Promise<Buffer> {
  const kept = unread.get(socket)
  kept?.stop()
  unread.delete(socket)
  const chunks = kept?.chunks ?? []
  return new Promise((resolve) => {
    const isDone = (): boolean => chunks.length > 0 && done(Buffer.concat(chunks))
    const finish = (): void => {
      socket.off('data', onData).off('end', finish).off('close', finish)
      keepUnread(socket)
      resolve(Buffer.concat(chunks))
    }
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      if (isDone()) finish()
    }
    socket.on('data', onData).on('end', finish).on('close', finish)
    if (socket.destroyed || socket.readableEnded || isDone()) finish()
  })
}

/** CONNECT on a fresh connection; returns the socket and the proxy's answer head. */
export async function connectThrough(
  proxy: ProxyUnderTest,
  authority: string,
  headers = '',
): Promise<{ socket: Socket; head: string }> {
  const socket = await connectRaw(proxy)
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${headers}\r\n`)
  const answer = await readUntil(socket, (all) => all.includes('\r\n\r\n'))
  return { socket, head: answer.toString('latin1') }
}

/** CONNECT and TLS, trusting the proxy's CA alone. */
export async function connectTls(
  proxy: ProxyUnderTest,
  authority: string,
  options: tls.ConnectionOptions = {},
): Promise<tls.TLSSocket> {
  const { socket, head } = await connectThrough(proxy, authority)
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`no tunnel: ${head}`)
  const host = authority.replace(/:\d+$/u, '')
  const secured = tls.connect({
    socket,
    servername: host,
    ca: proxy.running.certificateAuthority.certificatePem,
    ...options,
  })
  secured.on('error', () => {})
  await Promise.race([
    once(secured, 'secureConnect'),
    once(secured, 'close').then(() => Promise.reject(new Error('TLS failed'))),
  ])
  return secured
}
