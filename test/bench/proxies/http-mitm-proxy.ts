/**
 * http-mitm-proxy, a process of its own: its own CONNECT, certificates and forwarder. As shipped,
 * `keepAlive` is off: it answers `Connection: close` and opens a new upstream connection each time.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Proxy } from 'http-mitm-proxy'

import { serveParent, settingsFromParent } from '../serve-parent.ts'

const { directory, keepAlive } = settingsFromParent() as {
  readonly directory: string
  readonly keepAlive: boolean
}

const proxy = new Proxy()
proxy.onError(() => {})
proxy.listen({ host: '127.0.0.1', port: 0, keepAlive, sslCaDir: directory }, (error) => {
  if (error !== undefined && error !== null) throw error
  serveParent(
    {},
    { port: proxy.httpPort, caPem: readFileSync(join(directory, 'certs', 'ca.pem'), 'utf8') },
  )
})
