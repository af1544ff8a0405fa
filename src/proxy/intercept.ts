/**
 * TLS towards the client, on the very socket that carried its CONNECT: no port is opened, and what
 * is known of the connection is tied to the socket object, never to port numbers or headers.
 */
import http from 'node:http'
import type { Socket } from 'node:net'
import tls from 'node:tls'

import { errorCodeOf } from '../base/errors.ts'
import type { Authority } from '../policy/authority.ts'
import { parseHost } from '../policy/authority.ts'

/** Where certificates come from; the CA stands behind it. */
export interface LeafSource {
  contextFor(host: string): Promise<tls.SecureContext>
}

export interface TlsTrouble {
  readonly code: string
  readonly hint: string
  /** The client said nothing, it just left: trouble only if it never got through before. */
  readonly isSilent: boolean
  /** The client does not accept our certificate, as far as can be told. */
  readonly isDistrust: boolean
}

interface InterceptOptions {
  readonly socket: Socket
  readonly authority: Authority
  readonly secureContext: tls.SecureContext
  readonly handshakeTimeoutMs: number
  /** Of `socket.bytesRead`, what came before the client could have started TLS. */
  readonly bytesBeforeTls: number
  onSecure(socket: tls.TLSSocket): void
  onTrouble(trouble: TlsTrouble): void
}

const distrustHint =
  'the client does not trust the certificate authority: start it with `porthole run`, or give it the CA ' +
  '(NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CODEX_CA_CERTIFICATE, …; see `porthole ca export`)'
/** Alerts by which a client says that it rejects the certificate (RFC 8446 §6.2: 42–48). */
const distrustCodes =
  /UNKNOWN_CA|CERTIFICATE_UNKNOWN|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED/u

/** Starts the handshake. Bytes that came with the CONNECT must be back in `socket` already. */
export function interceptTls(options: InterceptOptions): void {
  const { socket, authority } = options
  const secured = new tls.TLSSocket(socket, {
    isServer: true,
    secureContext: options.secureContext,
    // A client that was told to speak HTTP/1.0 may offer it alone (curl does).
    ALPNProtocols: ['http/1.1', 'http/1.0'],
    SNICallback: (name, done) => {
      if (namesHost(name, authority.host)) done(null, options.secureContext)
      else
        done(
          Object.assign(new Error('SNI differs from the CONNECT authority'), {
            code: 'SNI_MISMATCH',
          }),
        )
    },
  })
  let settled = false
  let isSecure = false
  const settle = (): boolean => {
    const isFirst = !settled
    settled = true
    clearTimeout(timer)
    return isFirst
  }
  const timer = setTimeout(() => {
    if (settle())
      options.onTrouble({
        code: 'handshake-timeout',
        hint: 'the client did not finish its TLS handshake',
        isSilent: true,
        isDistrust: false,
      })
    secured.destroy()
  }, options.handshakeTimeoutMs)
  // A client that leaves before its ClientHello has seen no certificate: it had no use for the
  // connection (pools open spare ones), and that is no trouble.
  const hasStarted = (): boolean => socket.bytesRead > options.bytesBeforeTls
  secured.on('error', (error) => {
    if (settle() && hasStarted()) {
      options.onTrouble(explainClientTls(errorCodeOf(error) ?? 'unknown'))
    }
    secured.destroy()
  })
  // The socket may stay half open, as HTTP servers' sockets do; a handshake has no use for that.
  secured.once('end', () => {
    if (settle() && hasStarted()) options.onTrouble(explainClientTls('closed-during-handshake'))
    if (!secured.destroyed && !isSecure) secured.destroy()
  })
  secured.once('close', () => {
    if (settle() && hasStarted()) options.onTrouble(explainClientTls('closed-during-handshake'))
  })
  // Emitted when the handshake is done, on server-side sockets too; `secureConnect` is the client's.
  secured.once('secure', () => {
    isSecure = true
    if (settle()) options.onSecure(secured)
  })
}

function namesHost(name: string, host: string): boolean {
  if (name === host) return true
  const parsed = parseHost(name)
  return parsed.ok && parsed.host === host
}

export function explainClientTls(code: string): TlsTrouble {
  const isSilent = code === 'ECONNRESET' || code.startsWith('closed-')
  if (isSilent || distrustCodes.test(code)) {
    return { code, hint: distrustHint, isSilent, isDistrust: true }
  }
  return {
    code,
    hint: clientHints.get(code) ?? 'the TLS handshake with the client failed',
    isSilent,
    isDistrust: false,
  }
}

const noTlsHint = 'the client did not speak TLS after CONNECT'
const clientHints = new Map([
  ['SNI_MISMATCH', 'the client asked for another host in TLS than in CONNECT'],
  ['ERR_SSL_HTTP_REQUEST', noTlsHint],
  ['ERR_SSL_WRONG_VERSION_NUMBER', noTlsHint],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'the client speaks HTTP/2 only; porthole offers HTTP/1.1'],
])

/** The one HTTP server behind all intercepted connections. It never listens. */
export function createInnerServer(options: http.ServerOptions): http.Server {
  const server = http.createServer(options)
  // Node arms its header deadline when a server starts to listen; this one is fed by hand.
  server.emit('listening')
  return server
}
