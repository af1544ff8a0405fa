/** A proxy with a module in it, an upstream behind it, and exchanges read to their last byte. */
import type { IncomingMessage, ServerResponse } from 'node:http'

import { afterEach, beforeEach, expect, vi } from 'vitest'

import type { PortholeBuilder } from '../../src/builder.ts'
import { connectTls, readUntil, startProxy } from './proxy.ts'
import type { ProxyUnderTest } from './proxy.ts'
import { requestText } from './raw-http.ts'
import { createUpstreamRoot, startHttpsUpstream } from './upstream.ts'
import type { TestUpstream } from './upstream.ts'

export type Done = (error?: Error | null, chunk?: Buffer | null) => void
type Limits = Parameters<PortholeBuilder['limit']>[0]
type Handler = (request: IncomingMessage, response: ServerResponse) => void

export const host = 'api.openai.com'
export const root = createUpstreamRoot(host)
/** Closed after each test, last one first. */
export const opened: Array<{ close(): Promise<void> }> = []

/** Closes what a test has opened, and fails one in which anything was printed or warned of. */
export function closeAndStayQuiet(): void {
  const printed: string[] = []
  const onWarning = (warning: Error): void => void printed.push(warning.message)
  beforeEach(() => {
    printed.length = 0
    process.on('warning', onWarning)
    for (const name of ['log', 'info', 'debug', 'warn', 'error'] as const)
      vi.spyOn(console, name).mockImplementation((...parts) => void printed.push(parts.join(' ')))
  })
  afterEach(async () => {
    for (const item of opened.splice(0).toReversed()) await item.close()
    vi.restoreAllMocks()
    process.off('warning', onWarning)
    expect(printed).toEqual([])
  })
}

export async function bench(
  module: object,
  handler: Handler = (_request, response) => response.end('answer'),
  limits: Limits = {},
): Promise<{ proxy: ProxyUnderTest; upstream: TestUpstream }> {
  const upstream = await startHttpsUpstream(root, host, handler)
  opened.push(upstream)
  return { proxy: await through(module, upstream.port, limits), upstream }
}

export async function through(
  module: object,
  port: number,
  limits: Limits = {},
): Promise<ProxyUnderTest> {
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: port },
    root,
    configure: (builder) => builder.limit(limits).use(module),
  })
  opened.push(proxy)
  return proxy
}

interface Answer {
  readonly status: number
  readonly head: string
  readonly body: Buffer
  /** False for a chunked body without its last chunk. */
  readonly isWhole: boolean
}

/** One exchange on a connection of its own, which the client asks to close. */
export async function exchange(
  proxy: ProxyUnderTest,
  line: string,
  body = '',
  fields: string[] = [],
): Promise<Answer> {
  const socket = await connectTls(proxy, `${host}:443`)
  socket.write(requestText(line, host, ['Connection: close', ...fields], body))
  const all = await readUntil(socket, () => false)
  const end = all.indexOf('\r\n\r\n')
  const head = all.subarray(0, end === -1 ? all.length : end).toString('latin1')
  const rest = end === -1 ? Buffer.alloc(0) : all.subarray(end + 4)
  const status = Number(/^HTTP\/1\.1 (?<status>\d+)/u.exec(head)?.groups?.['status'] ?? 0)
  if (!/transfer-encoding: chunked/iu.test(head)) return { status, head, body: rest, isWhole: true }
  return { status, head, ...dechunked(rest) }
}

export function dechunked(bytes: Buffer): { body: Buffer; isWhole: boolean } {
  const chunks: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16)
    if (size === 0) return { body: Buffer.concat(chunks), isWhole: true }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
  return { body: Buffer.concat(chunks), isWhole: false }
}

/** How the one exchange of a proxy ended; fails where it ended twice. */
export async function ending(proxy: ProxyUnderTest): Promise<Record<string, unknown>> {
  await Promise.race([proxy.waitFor('exchange-completed'), proxy.waitFor('exchange-failed')])
  await proxy.running.close({ drainMs: 0 })
  const ends = [...proxy.of('exchange-completed'), ...proxy.of('exchange-failed')]
  expect(ends).toHaveLength(1)
  return { ...ends[0] }
}

export function bodyIn(proxy: ProxyUnderTest, kind: 'request-body' | 'response-body'): string {
  return proxy
    .of(kind)
    .map(({ text }) => text ?? '')
    .join('')
}
