/**
 * CONNECT (RFC 9110 §9.3.6): authority, then token, then policy; from there a blind tunnel or TLS
 * on that very socket. Nothing is dialled, and no name looked up, before all three have agreed.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import type { IdSource } from '../base/ids.ts'
import { headerValues } from '../messages/header-values.ts'
import type { MsgOf } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority, parseAuthority } from '../policy/authority.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import { refusalFor } from './admission.ts'
import type { Authenticator } from './client-auth.ts'
import { mayReach, outOfScopeAnswer, unauthenticatedAnswer } from './client-auth.ts'
import { answerFor, rawAnswer } from './client-response.ts'
import type { ProxyAnswer } from './client-response.ts'
import { idsOf } from './connections.ts'
import type { ClientConnection, ConnectionRegistry, InterceptedConnection } from './connections.ts'
import type { Deadlines } from './deadlines.ts'
import { tellOfConnection, unrecordedAnswer } from './decisions.ts'
import type { Reporter } from './exchange-report.ts'
import type { GuessBrake } from './guess-brake.ts'
import { moduleAnswer } from './hook-filters.ts'
import { announcesBody, toPairs } from './http-messages.ts'
import { explainClientTls, interceptTls } from './intercept.ts'
import type { LeafSource, TlsTrouble } from './intercept.ts'
import { relayTunnel } from './tunnel-relay.ts'
import { reportTunnel } from './tunnel-report.ts'
import { watchForLeaving } from './tunnel.ts'
import type { UpstreamConnector } from './upstream-connector.ts'
import { explainUpstreamFailure } from './upstream-failure.ts'

/** Whether the proxy decrypts what goes to an authority; `schemePort` is 443 or 80. */
export type InterceptPolicy = (authority: Authority, schemePort: 80 | 443) => boolean

export interface ConnectServices {
  readonly reporter: Reporter
  readonly decisions?: DecisionLog | undefined
  readonly analyzers: readonly Analyzer[]
  readonly ids: IdSource
  readonly registry: ConnectionRegistry
  readonly authenticator: Authenticator
  readonly intercepts: InterceptPolicy
  readonly isOwnListener: (authority: Authority) => boolean
  /** Undefined where the CA cannot be used: then everything is tunnelled. */
  readonly leaves: LeafSource | undefined
  /** Tunnel a host from now on for a client that has rejected our certificate for it. */
  readonly tunnelsOnReject: boolean
  readonly connector: UpstreamConnector
  readonly deadlines: Deadlines
  readonly brake: GuessBrake
  readonly handshakeTimeoutMs: number
  /** Runs what modules registered with `onConnect`; a rejection refuses. */
  runHooks(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void>
  /** Gives a socket back to the HTTP server, for the next request on it. */
  resumeHttp(socket: Socket): void
  /** Takes over a decrypted connection. */
  serveInner(socket: TLSSocket): void
}

export async function handleConnect(
  services: ConnectServices,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> {
  const connection = services.registry.admit(socket)
  const parsed = parseAuthority(request.url ?? '')
  if (!parsed.ok) {
    const message = `bad CONNECT authority: ${parsed.problem}`
    const answer = { status: 400, code: 'bad-authority', message }
    refuse(services, connection, undefined, 'bad-authority', answer)
    return
  }
  const { authority } = parsed
  const fields = toPairs(request.rawHeaders)
  if (announcesBody(fields)) {
    refuse(services, connection, authority, 'bad-authority', bodyAnswer)
    return
  }
  const given = headerValues(fields, 'proxy-authorization')
  const identity = services.authenticator.authenticate(given)
  if (!identity.ok) {
    services.brake.answer(socket.remoteAddress, given.length > 0, (mayStay) => {
      const rest = mayStay ? head : undefined
      refuse(services, connection, authority, 'unauthenticated', unauthenticatedAnswer, rest)
    })
    return
  }
  connection.agent = identity.agent
  connection.identity = identity
  if (!mayReach(identity, authority, 443)) {
    refuse(services, connection, authority, 'rule', outOfScopeAnswer)
    return
  }
  const via = headerValues(fields, 'via')
  if (services.isOwnListener(authority) || services.connector.loops.hasPassed(via)) {
    refuse(services, connection, authority, 'address-denied', loopAnswer)
    return
  }
  const fate = fateOf(services, connection, authority)
  const refusal = refusalFor(services, connection, authority, {
    fate: typeof fate === 'string' ? fate : 'intercepted',
  })
  if (refusal !== undefined) {
    socket.end(rawAnswer(answerFor(refusal), phraseOf(refusal.status), false))
    return
  }
  try {
    await services.runHooks(request, socket, head)
  } catch (error) {
    refuseForModule(services, connection, authority, error)
    return
  }
  const arrived = { services, connection, authority, head, via }
  if (typeof fate === 'string') await tunnel(arrived, fate)
  else await intercept(arrived, fate)
}

/** RFC 9110 §9.3.6: it has none. Whoever thinks otherwise sees another request in what follows. */
const bodyAnswer = { status: 400, code: 'bad-request', message: 'a CONNECT has no body' }
const loopAnswer = { status: 403, code: 'loop', message: 'the proxy does not connect to itself' }

/** What becomes of a CONNECT: TLS with one of these certificates, or a tunnel, and why. */
type Fate = LeafSource | 'not-allowlisted' | 'ca-unavailable' | 'client-rejects-ca'

function fateOf(
  { intercepts, leaves, tunnelsOnReject, registry }: ConnectServices,
  connection: ClientConnection,
  authority: Authority,
): Fate {
  if (!intercepts(authority, 443)) return 'not-allowlisted'
  if (leaves === undefined) return 'ca-unavailable'
  const rejects = tunnelsOnReject && registry.isKnownToReject({ connection, authority })
  return rejects ? 'client-rejects-ca' : leaves
}

function refuseForModule(
  services: ConnectServices,
  connection: ClientConnection,
  authority: Authority,
  error: unknown,
): void {
  const answer = moduleAnswer(error, 'connection')
  if (answer.status === 502) {
    const failure = { analyzer: 'module', error: answer.message }
    services.reporter.publish({ kind: 'analyzer-failed', ...idsOf(connection), ...failure })
  }
  refuse(services, connection, authority, 'rule', answer)
}

/** A CONNECT that was let in. */
interface Arrived {
  readonly services: ConnectServices
  readonly connection: ClientConnection
  readonly authority: Authority
  /** Bytes that came with it. */
  readonly head: Buffer
  /** Values of its Via. */
  readonly via: readonly string[]
}

async function intercept(arrived: Arrived, leaves: LeafSource): Promise<void> {
  const { services, connection, authority, head } = arrived
  const { socket } = connection
  const ids = idsOf(connection)
  const bytesBeforeTls = socket.bytesRead - head.length
  let intercepted: InterceptedConnection | undefined
  socket.once('close', () => {
    if (intercepted?.hasSpoken === true) return
    const told = { decision: 'allow', reason: 'no-request' } as const
    void tellOfConnection(services.decisions, connection, authority, told)
  })
  const secureContext = await leaves.contextFor(authority.host)
  if (socket.destroyed) return
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
  if (head.length > 0) socket.unshift(head)
  const onTrouble = ({ isSilent, isDistrust, ...trouble }: TlsTrouble): void => {
    if (isSilent && services.registry.isKnownToTrust({ connection, authority })) return
    if (isDistrust) services.registry.markRejecting({ connection, authority })
    services.reporter.publish({
      kind: 'tls-failed',
      ...ids,
      host: authority.host,
      side: 'client',
      ...trouble,
    })
  }
  interceptTls({
    socket,
    authority,
    secureContext,
    handshakeTimeoutMs: services.handshakeTimeoutMs,
    bytesBeforeTls,
    onTrouble,
    onSecure: (secured) => {
      intercepted = { connection, authority, hasSpoken: false }
      services.registry.bindInner(secured, intercepted)
      watchForDistrust(secured, intercepted, onTrouble)
      services.serveInner(secured)
    },
  })
}

/**
 * Clients that check the certificate only after the handshake (Node, some OpenSSL users) show their
 * distrust by hanging up at once, having sent nothing.
 */
function watchForDistrust(
  secured: TLSSocket,
  intercepted: InterceptedConnection,
  onTrouble: (trouble: TlsTrouble) => void,
): void {
  const securedMs = performance.now()
  secured.once('close', () => {
    if (intercepted.hasSpoken || performance.now() - securedMs > distrustWindowMs) return
    onTrouble(explainClientTls('closed-after-handshake'))
  })
}

/** A client that idles longer before it hangs up was waiting, not rejecting. */
const distrustWindowMs = 1000

async function tunnel(arrived: Arrived, reason: MsgOf<'tunnel-opened'>['reason']): Promise<void> {
  const { services, connection, authority, head, via } = arrived
  const { socket } = connection
  const exchangeId = services.ids.next('x')
  const report = reportTunnel(
    services.reporter,
    { ...idsOf(connection), exchangeId },
    authority,
    reason,
  )
  // Told once it is known where the name leads: what it leads to may be refused.
  const told = { exchangeId, decision: 'tunnel', reason } as const
  if (head.length > 0) socket.unshift(head)
  const leaving = watchForLeaving(socket)
  let upstream: Socket
  try {
    upstream = await services.connector.dial(authority, leaving.signal, via)
  } catch (error) {
    const failure = explainUpstreamFailure(error, formatAuthority(authority), 'connect')
    if (failure.status === 403) {
      refuse(services, connection, authority, 'address-denied', failure)
      return
    }
    const hasLeft = leaving.signal.aborted
    void tellOfConnection(services.decisions, connection, authority, told)
    report.opened()
    report.closed(hasLeft ? 'the client left before there was a connection' : failure.message)
    if (hasLeft) socket.destroy()
    else {
      const reasonPhrase = failure.status === 504 ? 'Gateway Timeout' : 'Bad Gateway'
      socket.end(rawAnswer(failure, reasonPhrase, false))
    }
    return
  } finally {
    leaving.stop()
  }
  const recorded = tellOfConnection(services.decisions, connection, authority, told)
  if (recorded === true || (await isRecorded(recorded, socket, upstream))) {
    report.opened()
    if (socket.destroyed) upstream.destroy()
    else socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    report.closed(await relayTunnel(services.deadlines, socket, upstream, report.bytes))
  } else if (upstream.destroyed || socket.destroyed) {
    report.opened()
    report.closed('one side left before the tunnel began')
    upstream.destroy()
    socket.destroy()
  } else {
    upstream.destroy()
    refuse(services, connection, authority, 'limit', unrecordedAnswer)
  }
}

/** False also where one side has left meanwhile: nobody will tell of that again. */
async function isRecorded(
  recorded: Promise<boolean>,
  socket: Socket,
  upstream: Socket,
): Promise<boolean> {
  upstream.on('error', () => {})
  return (await recorded) && !upstream.destroyed && !socket.destroyed
}

const reasonPhrases = new Map([
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [407, 'Proxy Authentication Required'],
  [429, 'Too Many Requests'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
])

function phraseOf(status: number): string {
  return reasonPhrases.get(status) ?? 'Error'
}

function refuse(
  services: ConnectServices,
  connection: ClientConnection,
  authority: Authority | undefined,
  reason: MsgOf<'connection-refused'>['reason'],
  answer: ProxyAnswer,
  keepOpenWith?: Buffer,
): void {
  const { socket } = connection
  services.reporter.publish({
    kind: 'connection-refused',
    ...idsOf(connection),
    ...(authority === undefined ? {} : { host: authority.host, port: authority.port }),
    status: answer.status,
    reason,
    message: answer.message,
    code: answer.code,
  })
  const bytes = rawAnswer(answer, phraseOf(answer.status), keepOpenWith !== undefined)
  if (keepOpenWith === undefined) {
    socket.end(bytes)
    return
  }
  if (socket.destroyed) return
  socket.write(bytes)
  if (keepOpenWith.length > 0) socket.unshift(keepOpenWith)
  services.resumeHttp(socket)
}
