/** Turns a failed upstream connection into what the client is told and what the operator reads. */
import { describeError, errorCodeOf } from '../base/errors.ts'
import { addressDeniedCode } from './guarded-lookup.ts'
import { loopCode } from './loop-guard.ts'
import { parentRefusedCode } from './parent-proxy.ts'
import { connectTimeoutCode } from './upstream-connector.ts'

export interface UpstreamFailure {
  readonly status: 403 | 502 | 504
  readonly code: string
  /** One line, without addresses, internals or secrets. */
  readonly message: string
  /** Set when the TLS handshake or the certificate was at fault. */
  readonly tls?: { readonly code: string; readonly hint: string }
}

/** Error codes of Node's certificate checks (OpenSSL X509_V_ERR_*, tls.checkServerIdentity). */
const certificateCodes = new Map<string, string>([
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate comes from an unknown authority'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'its certificate chain is incomplete'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate comes from an unknown authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate comes from an unknown authority'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['CERT_UNTRUSTED', 'its certificate is not trusted'],
  ['CERT_REVOKED', 'its certificate is revoked'],
  ['INVALID_PURPOSE', 'its certificate is not for servers'],
  ['INVALID_CA', 'its certificate was issued by something that is no authority'],
  ['PERMITTED_VIOLATION', 'its certificate violates name constraints'],
  ['PATH_LENGTH_EXCEEDED', 'its certificate has more authorities above it than they permit'],
  // Node's code for what it has no code for: weak keys and digests, name constraints.
  ['UNSPECIFIED', 'its certificate is too weak, or outside of what its authority is for'],
])
const privateRootHint =
  'if this upstream uses a private authority, name its certificate with --upstream-ca FILE'

const connectProblems = new Map<string, { readonly status: 502 | 504; readonly problem: string }>([
  ['ECONNREFUSED', { status: 502, problem: 'refused the connection' }],
  ['ENOTFOUND', { status: 502, problem: 'has no address (DNS)' }],
  ['EAI_AGAIN', { status: 502, problem: 'could not be looked up (DNS did not answer)' }],
  ['EHOSTUNREACH', { status: 502, problem: 'cannot be reached' }],
  ['ENETUNREACH', { status: 502, problem: 'cannot be reached' }],
  ['ETIMEDOUT', { status: 504, problem: 'did not answer the connection in time' }],
  [connectTimeoutCode, { status: 504, problem: 'did not answer the connection in time' }],
])

export function explainUpstreamFailure(
  error: unknown,
  authority: string,
  phase: 'connect' | 'waiting',
): UpstreamFailure {
  const code = errorCodeOf(error) ?? 'unknown'
  const certificate = certificateCodes.get(code)
  if (certificate !== undefined) {
    const message = `${authority} cannot be trusted: ${certificate}`
    return {
      status: 502,
      code: 'upstream-tls-failed',
      message,
      tls: { code, hint: privateRootHint },
    }
  }
  if (/^(?:ERR_SSL_|ERR_TLS_|EPROTO)/u.test(code)) {
    const message = `the TLS handshake with ${authority} failed`
    const hint = 'check that the host and port speak TLS 1.2 or later'
    return { status: 502, code: 'upstream-tls-failed', message, tls: { code, hint } }
  }
  if (code === addressDeniedCode) {
    const message = `${authority} leads to a private, local or metadata address; --allow-private permits the first two`
    return { status: 403, code: 'address-denied', message }
  }
  if (code === loopCode) {
    const message = `${authority} leads back to this proxy: see --upstream-proxy, --connect-to and --route`
    return { status: 403, code: 'loop', message }
  }
  if (code === parentRefusedCode) {
    const message = `${authority} cannot be reached: ${describeError(error)}`
    return { status: 502, code: 'upstream-proxy-refused', message }
  }
  const known = connectProblems.get(code)
  if (known !== undefined) {
    const name = known.status === 504 ? 'upstream-timeout' : 'upstream-unreachable'
    return { status: known.status, code: name, message: `${authority} ${known.problem}` }
  }
  if (code.startsWith('HPE_') || code === 'ERR_PORTHOLE_BAD_STATUS') {
    return {
      status: 502,
      code: 'upstream-protocol-error',
      message: `${authority} sent what is not HTTP`,
    }
  }
  const what = phase === 'connect' ? 'the connection' : 'the connection before it answered'
  return { status: 502, code: 'upstream-closed', message: `${authority} closed ${what}` }
}
