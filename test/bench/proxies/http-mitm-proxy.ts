/**
 * http-mitm-proxy as shipped, a process of its own: its own CONNECT, certificates and forwarder.
 * `keepAlive` is on, in its favour: without it every request would open a new upstream connection.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Proxy } from 'http-mitm-proxy'

import { serveParent, settingsFromParent } from '../serve-parent.ts'

const { directory } = settingsFromParent() as { readonly directory: string }

const proxy = new Proxy()
proxy.onError(() => {})
proxy.listen({ host: '127.0.0.1', port: 0, keepAlive: true, sslCaDir: directory }, (error) => {
  if (error !== undefined && error !== null) throw error
  serveParent(
    {},
    { port: proxy.httpPort, caPem: readFileSync(join(directory, 'certs', 'ca.pem'), 'utf8') },
  )
})
