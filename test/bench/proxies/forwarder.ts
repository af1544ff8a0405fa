/**
 * Porthole's exchange and forwarder behind plain node:https, without the http-mitm-proxy class,
 * registry, identity or observation: what the engine around them costs is the difference to this.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

import type * as authorityModule from '../../../ca/authority.ts'
import type * as clockModule from '../../../src/base/clock.ts'
import type * as boundsModule from '../../../src/config/bounds.ts'
import type * as deadlinesModule from '../../../src/proxy/deadlines.ts'
import type * as exchangeModule from '../../../src/proxy/exchange.ts'
import type * as messagesModule from '../../../src/proxy/http-messages.ts'
import type * as forwarderModule from '../../../src/proxy/http1-forwarder.ts'
import type * as connectorModule from '../../../src/proxy/upstream-connector.ts'
import { builtUrl } from '../built.ts'
import { serveParent, settingsFromParent } from '../serve-parent.ts'

const settings = settingsFromParent() as {
  readonly originPort: number
  readonly rootPath: string
}

function load(path: string): Promise<unknown> {
  return import(builtUrl(path).href)
}
const { createAuthority } = (await load('ca/authority.js')) as typeof authorityModule
const { runExchange } = (await load('src/proxy/exchange.js')) as typeof exchangeModule
const { createHttp1Forwarder } = (await load(
  'src/proxy/http1-forwarder.js',
)) as typeof forwarderModule
const { UpstreamConnector } = (await load(
  'src/proxy/upstream-connector.js',
)) as typeof connectorModule
const { toPairs } = (await load('src/proxy/http-messages.js')) as typeof messagesModule
const { createSystemClock } = (await load('src/base/clock.js')) as typeof clockModule

const { defaultBounds } = (await load('src/config/bounds.js')) as typeof boundsModule
const { Deadlines } = (await load('src/proxy/deadlines.js')) as typeof deadlinesModule

const clock = createSystemClock()
const now = new Date()
const authority = createAuthority({ permittedHosts: ['localhost'], now, days: 2 })
const leaf = authority.issueLeaf('localhost', now)
const origin = { host: 'localhost', port: settings.originPort, kind: 'name' } as const
const { maxHeaderBytes } = defaultBounds
const connector = new UpstreamConnector({
  connectTo: [{ from: origin, to: { host: '127.0.0.1', port: origin.port, kind: 'ipv4' } }],
  extraRoots: [readFileSync(settings.rootPath, 'utf8')],
  bounds: defaultBounds,
  allowPrivate: true,
  parent: undefined,
})
const services = {
  reporter: {
    clock,
    publish: () => {},
    publishBody: () => {},
    publishUnread: () => true,
  },
  forwarder: createHttp1Forwarder({ connector, maxHeaderBytes }),
  analyzers: [],
  limits: defaultBounds,
  deadlines: new Deadlines(defaultBounds, () => clock.monotonicMs()),
  isObserved: false,
  heldBodies: { held: 0, maxBytes: 0 },
}
const destination = { scheme: 'https', authority: origin } as const

const inner = https.createServer(
  {
    cert: leaf.certificatePem,
    key: leaf.privateKeyPem,
    ALPNProtocols: ['http/1.1'],
    keepAliveTimeout: 60_000,
    requestTimeout: 0,
    noDelay: true,
  },
  (request, response) => {
    const input = {
      connectionId: 'c',
      exchangeId: 'x',
      destination,
      method: request.method ?? '',
      path: request.url ?? '',
      httpVersion: request.httpVersion,
      headers: toPairs(request.rawHeaders),
      body: request,
      requestTrailers: () => toPairs(request.rawTrailers),
      response,
      onClientClosed: new Set<() => void>(),
      resetClient: () => request.socket.destroy(),
    }
    void runExchange(input, services)
  },
)
inner.on('tlsClientError', () => {})

const outer = http.createServer({ noDelay: true })
outer.on('connect', (_request, socket, head: Buffer) => {
  socket.on('error', () => {})
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
  if (head.length > 0) socket.unshift(head)
  inner.emit('connection', socket)
})
outer.listen(0, '127.0.0.1', () => {
  const { port } = outer.address() as AddressInfo
  serveParent({}, { port, caPem: authority.certificatePem })
})
