/** A proxy with a vault in front of upstreams that keep every byte, and clients with tokens. */
import { once } from 'node:events'
import tls from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import type { OwnKeys } from '../../analyzers/credential-injector.ts'
import type { Authority } from '../../ca/authority.ts'
import type { PortholeBuilder } from '../../src/builder.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { connectThrough, startProxy } from './proxy.ts'
import type { ProxyUnderTest } from './proxy.ts'
import { ask, requestText } from './raw-http.ts'
import type { RawAnswer } from './raw-http.ts'
import { createUpstreamRoot, startRawTlsUpstream } from './upstream.ts'

export interface VaultUpstream {
  readonly port: number
  /** All bytes of all connections, as latin1. */
  received(): string
  close(): Promise<void>
}

const ok = (): string => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Answers every request head with what `answer` makes of it. */
export async function startVaultUpstream(
  root: Authority,
  host: string,
  answer: (head: string) => string = ok,
): Promise<VaultUpstream> {
  let received = ''
  const server = await startRawTlsUpstream(root, host, (socket) => {
    let pending = ''
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      pending += chunk.toString('latin1')
      const end = pending.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      socket.write(answer(head), 'latin1')
    })
  })
  return { ...server, received: () => received }
}

export interface VaultProxySetup {
  readonly vault: Vault
  readonly root: Authority
  /** Host to its upstream. */
  readonly upstreams: Readonly<Record<string, { readonly port: number }>>
  readonly allow?: readonly string[]
  /** As the command line sets it. */
  readonly ownKeys?: OwnKeys
  readonly configure?: (builder: PortholeBuilder) => void
}

export function startVaultProxy(setup: VaultProxySetup): Promise<ProxyUnderTest> {
  const { vault, root, upstreams } = setup
  const hosts = Object.entries(upstreams).map(([host, { port }]) => [`${host}:443`, port])
  return startProxy({
    allow: setup.allow ?? Object.keys(upstreams),
    connectTo: Object.fromEntries(hosts) as Record<string, number>,
    root,
    configure: (builder) => {
      const credentials = new CredentialInjector(vault.credentials)
      builder.agents(vault.agents).addAnalyzer(credentials.ownKeys(setup.ownKeys ?? 'replace'))
      builder.routeCredentials(credentials, { agent: 'porthole' })
      setup.configure?.(builder)
    },
  })
}

export const rootFor = (...hosts: string[]): Authority => createUpstreamRoot(...hosts)

/** `Proxy-Authorization` as proxy URLs have it, with its line end. */
export function basicToken(token: string, user = 'agent'): string {
  const pair = Buffer.from(`${user}:${token}`).toString('base64')
  return `Proxy-Authorization: Basic ${pair}\r\n`
}

/** CONNECT with a token, and TLS; rejects where the proxy refuses. */
export async function connectAs(
  proxy: ProxyUnderTest,
  host: string,
  token: string,
): Promise<TLSSocket> {
  const { socket, head } = await connectThrough(proxy, `${host}:443`, basicToken(token))
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(head.split('\r\n', 1)[0])
  const secured = tls.connect({
    socket,
    servername: host,
    ca: proxy.running.certificateAuthority.certificatePem,
  })
  secured.on('error', () => {})
  await once(secured, 'secureConnect')
  return secured
}

/** One request on a connection of its own. */
export async function askAs(
  proxy: ProxyUnderTest,
  token: string,
  request: { readonly host: string; readonly path?: string; readonly fields?: readonly string[] },
): Promise<RawAnswer> {
  const socket = await connectAs(proxy, request.host, token)
  const text = requestText(`GET ${request.path ?? '/'}`, request.host, request.fields ?? [])
  const answer = await ask(socket, text)
  socket.destroy()
  return answer
}
