/**
 * A proxy between us and the upstreams, as companies have them: CONNECT is chained through it
 * (RFC 9110 §9.3.6), for tunnels and for interception; plain HTTP goes to it in absolute form. Its
 * credentials go to it alone. Names are left to it to resolve.
 */
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'

import { errorCodeOf } from '../base/errors.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority, parseAuthority } from '../policy/authority.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import type { LoopGuard } from './loop-guard.ts'
import { identityOf } from './upstream-identity.ts'

export interface ParentProxy {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  /** Value of `Proxy-Authorization`; undefined without credentials in the URL. */
  readonly authorization: string | undefined
  /** Hosts that are reached directly; without a port a pattern stands for every port. */
  readonly bypass: readonly HostPattern[]
}

/** `code` of the error when the parent does not open the tunnel. */
export const parentRefusedCode = 'ERR_PORTHOLE_PARENT_REFUSED'

export function usesParent(
  parent: ParentProxy | undefined,
  authority: Authority,
): parent is ParentProxy {
  if (parent === undefined) return false
  return !parent.bypass.some(
    ({ host, wildcard, port }) =>
      (port === undefined || port === authority.port) &&
      (wildcard ? authority.host.endsWith(`.${host}`) : authority.host === host),
  )
}

export interface ChainOptions {
  /** For a parent that is itself reached by TLS. */
  readonly secureContext: tls.SecureContext
  /** TCP, TLS and the parent's answer together, in milliseconds. */
  readonly timeoutMs: number
  readonly maxHeaderBytes: number
  readonly loops: LoopGuard
  /** Whom the tunnel has come by, ourselves the last. */
  readonly via: readonly string[]
  /** Gives up as soon as it says so. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A socket that leads to `authority` through `parent`. Rejects with `parentRefusedCode` and the
 * parent's status, or the code of the connection's error; never with what the parent wrote.
 */
export function connectThroughParent(
  parent: ParentProxy,
  authority: Authority,
  options: ChainOptions,
): Promise<net.Socket> {
  const target = formatAuthority(authority)
  return new Promise((resolve, reject) => {
    const request = http.request({
      method: 'CONNECT',
      path: target,
      maxHeaderSize: options.maxHeaderBytes,
      insecureHTTPParser: false,
      createConnection: () => openParent(parent, options),
      setHost: false,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      headers: {
        Host: target,
        Via: options.via.join(', '),
        ...(parent.authorization === undefined
          ? {}
          : { 'Proxy-Authorization': parent.authorization }),
      },
    })
    const fail = (error: Error): void => {
      clearTimeout(timer)
      request.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(refused('did not answer in time')), options.timeoutMs)
    const onError = (error: Error): void => fail(parentFailure(error))
    request.once('error', onError)
    request.once('response', (response) => fail(refused(`answered ${response.statusCode}`)))
    request.once('connect', (response, socket: net.Socket, head: Buffer) => {
      clearTimeout(timer)
      request.off('error', onError)
      const status = response.statusCode ?? 0
      if (status < 200 || status > 299) {
        socket.destroy()
        reject(refused(`answered ${status}`))
        return
      }
      // Bytes of the tunnel that came in one packet with the answer.
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.end()
  })
}

/** A connection to the parent itself, for plain HTTP in absolute form. */
export function openParent(
  parent: ParentProxy,
  { secureContext, loops }: Pick<ChainOptions, 'secureContext' | 'loops'>,
): net.Socket {
  const { host, port } = parent.authority
  if (parent.scheme === 'http')
    return loops.watch(net.connect({ host, port, noDelay: true, allowHalfOpen: true }))
  const identity = identityOf(parent.authority)
  return loops.watch(tls.connect({ host, port, secureContext, ...identity }))
}

/**
 * The connection to the parent failed: the upstream, which nobody has asked, is not to blame. Errors
 * with a code of ours say already what happened.
 */
export function parentFailure(error: Error): Error {
  const code = errorCodeOf(error) ?? 'no reason given'
  return code.startsWith('ERR_PORTHOLE_') ? error : refused(`failed (${code})`)
}

function refused(what: string): Error {
  return Object.assign(new Error(`the upstream proxy ${what}`), { code: parentRefusedCode })
}

/**
 * Reads `http://user:pass@host:port` or `https://…`; the port may be left out (80, 443). Undefined
 * for anything else; what is wrong is not told, since the text may hold a password.
 */
export function parseParentProxy(text: string): Omit<ParentProxy, 'bypass'> | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return undefined
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') return undefined
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const parsed = parseAuthority(url.host, scheme === 'https' ? 443 : 80)
  if (!parsed.ok) return undefined
  const userinfo = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  const authorization =
    userinfo === ':' ? undefined : `Basic ${Buffer.from(userinfo).toString('base64')}`
  return { scheme, authority: parsed.authority, authorization }
}
