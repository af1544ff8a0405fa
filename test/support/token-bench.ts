/**
 * A vault with a secret and its token, a proxy that replaces it, and an upstream that keeps every
 * byte and what it understood of them.
 */
import https from 'node:https'
import type { TLSSocket } from 'node:tls'

import { TokenReplacer } from '../../analyzers/token-replacer.ts'
import type { TokenReplacerOptions } from '../../analyzers/token-replacer.ts'
import type { Authority } from '../../ca/authority.ts'
import type { PortholeBuilder } from '../../src/builder.ts'
import type { TokenSource } from '../../src/policy/tokens/token-source.ts'
import type { NewToken } from '../../src/vault/token-store.ts'
import type { VaultOptions } from '../../src/vault/vault.ts'
import { canary } from './canary.ts'
import type { ProxyUnderTest } from './proxy.ts'
import { startProxy } from './proxy.ts'
import { readAnswer } from './raw-http.ts'
import type { RawAnswer } from './raw-http.ts'
import { createUpstreamRoot, listening, tlsOptions } from './upstream.ts'
import { connectAs } from './vault-proxy.ts'
import { agent, makeVault, secret } from './vault.ts'
import type { VaultUnderTest } from './vault.ts'

/** Of all that a place might have to escape. */
export const secretValue = `${canary}/a+b=c&d"e\\f 0123`
/** Plain where the place of the token is not the matter. */
export const plainValue = `${canary}-0123456789-plain`

export interface SeenRequest {
  readonly method: string
  readonly target: string
  /** As sent, in order. */
  readonly fields: ReadonlyArray<readonly [string, string]>
  readonly body: string
  readonly trailers: readonly string[]
}

export interface TokenUpstream {
  readonly port: number
  /** All bytes of all connections, as latin1. */
  received(): string
  readonly requests: readonly SeenRequest[]
  close(): Promise<void>
}

export async function startTokenUpstream(root: Authority, host: string): Promise<TokenUpstream> {
  let received = ''
  const requests: SeenRequest[] = []
  const server = https.createServer(tlsOptions(root, host), (incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('error', () => {})
    response.on('error', () => {})
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { rawHeaders, rawTrailers, method = '', url = '' } = incoming
      const fields = rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : [],
      )
      const body = Buffer.concat(chunks).toString('latin1')
      requests.push({ method, target: url, fields, body, trailers: rawTrailers })
      response.setHeader('Content-Length', '2')
      response.end('ok')
    })
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
  })
  const listener = await listening(server)
  return { ...listener, requests, received: () => received }
}

export interface TokenBench {
  readonly vault: VaultUnderTest
  readonly proxy: ProxyUnderTest
  readonly root: Authority
  /** By host. */
  readonly upstreams: Readonly<Record<string, TokenUpstream>>
  /** Of an agent that has every secret. */
  readonly agentToken: string
  /** Stands for the secret `one`, which is bound to `bound.example`. */
  readonly token: string
  readonly mint: (over?: Partial<NewToken>) => string
  close(): Promise<void>
}

export const boundHost = 'bound.example'
export const otherHost = 'other.example'

export interface TokenBenchSetup {
  readonly value?: string
  readonly options?: TokenReplacerOptions
  readonly vault?: Partial<VaultOptions>
  readonly configure?: (builder: PortholeBuilder) => void
  /** Beside the vault. */
  readonly source?: TokenSource
  /** Port of another upstream for `bound.example`. */
  readonly boundPort?: (root: Authority) => Promise<number>
}

export async function startTokenBench(setup: TokenBenchSetup = {}): Promise<TokenBench> {
  const vault = await makeVault(setup.vault)
  await vault.writable.secrets.add(secret('one', boundHost, setup.value ?? secretValue))
  const agentToken = vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const mint: TokenBench['mint'] = (over = {}) =>
    vault.writable.tokens.mint({
      secret: 'one',
      hosts: undefined,
      agent: undefined,
      expiresAt: undefined,
      ...over,
    }).token
  const token = mint()
  const root = createUpstreamRoot('bound.example', 'other.example')
  const upstreams = {
    [boundHost]: await startTokenUpstream(root, boundHost),
    [otherHost]: await startTokenUpstream(root, otherHost),
  }
  const boundPort = (await setup.boundPort?.(root)) ?? upstreams[boundHost].port
  const read = vault.read()
  const sources = [read.tokens, ...(setup.source === undefined ? [] : [setup.source])]
  const proxy = await startProxy({
    allow: [boundHost, otherHost],
    connectTo: {
      [`${boundHost}:443`]: boundPort,
      [`${otherHost}:443`]: upstreams[otherHost].port,
    },
    root,
    configure: (builder) => {
      builder.agents(read.agents).addAnalyzer(new TokenReplacer(sources, setup.options))
      setup.configure?.(builder)
    },
  })
  return {
    vault,
    proxy,
    root,
    upstreams,
    agentToken,
    token,
    mint,
    close: async () => {
      await proxy.close()
      for (const upstream of Object.values(upstreams)) await upstream.close()
      await vault.close()
    },
  }
}

/** Sends pieces of a request, each in a segment of its own, and reads the answer. */
export async function sendPieces(
  bench: TokenBench,
  host: string,
  pieces: ReadonlyArray<Buffer | string>,
): Promise<RawAnswer> {
  const socket = await connectAs(bench.proxy, host, bench.agentToken)
  socket.setNoDelay(true)
  const answer = readAnswer(socket)
  for (const piece of pieces) {
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const given = await answer
  socket.destroy()
  return given
}

/** A whole request with a body of known length. */
export function requestBytes(
  host: string,
  {
    target = '/',
    fields = [],
    body = '',
  }: {
    readonly target?: string
    readonly fields?: readonly string[]
    readonly body?: string | Buffer
  } = {},
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const lines = [`POST ${target} HTTP/1.1`, `Host: ${host}`, ...fields]
  const head = [...lines, `Content-Length: ${bytes.length}`, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}

/** A body in chunks (RFC 9112 §7.1). */
export function chunked(chunks: readonly Buffer[]): Buffer {
  const parts = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}
