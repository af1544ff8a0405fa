/** mockttp passing everything through, a process of its own; it is imported from where it lies. */
import { readFileSync } from 'node:fs'
import net from 'node:net'

import { serveParent, settingsFromParent } from '../serve-parent.ts'

/** The part of mockttp that is used here. */
interface Mockttp {
  generateCACertificate(): Promise<{ readonly key: string; readonly cert: string }>
  getLocal(options: object): {
    readonly port: number
    start(): Promise<void>
    forAnyRequest(): { thenPassThrough(options: object): Promise<unknown> }
  }
}

const settings = settingsFromParent() as { readonly modulePath: string; readonly rootPath: string }

// It has no option for the address to listen on, and would listen on all of them.
const servers = net.Server.prototype as unknown as Record<
  'listen',
  (this: unknown, ...args: unknown[]) => unknown
>
const { listen } = servers
servers.listen = function onLoopback(this: unknown, ...args: unknown[]) {
  const [first, ...rest] = args
  const place = typeof first === 'number' ? { port: first, host: '127.0.0.1' } : first
  return listen.call(this, place, ...rest)
}

const imported = (await import(settings.modulePath)) as Mockttp & { readonly default?: Mockttp }
const mockttp = imported.default ?? imported
const https = await mockttp.generateCACertificate()
const server = mockttp.getLocal({ https, http2: false, recordTraffic: false })
await server.start()
await server
  .forAnyRequest()
  .thenPassThrough({ trustAdditionalCAs: [{ cert: readFileSync(settings.rootPath, 'utf8') }] })
serveParent({}, { port: server.port, caPem: https.cert })
