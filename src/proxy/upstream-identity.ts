/**
 * Who a TLS peer must be, in one place for upstreams and parent proxies: the name in SNI and the
 * name verified are those of one authority, and nothing can switch the check off.
 */
import tls from 'node:tls'
import type { PeerCertificate } from 'node:tls'

import type { Authority } from '../policy/authority.ts'

interface IdentityOptions {
  readonly servername: string
  readonly checkServerIdentity: (name: string, certificate: PeerCertificate) => Error | undefined
  readonly rejectUnauthorized: true
  readonly ALPNProtocols: string[]
}

/** TLS options that accept only a peer whose certificate names `authority`. */
export function identityOf({ host, kind }: Authority): IdentityOptions {
  return {
    // SNI carries names only (RFC 6066 §3).
    servername: kind === 'name' ? host : '',
    // Without the common name, which node would take where no other name stands (RFC 9110 §4.3.4).
    checkServerIdentity: (_name, certificate) =>
      tls.checkServerIdentity(host, { ...certificate, subject: noCommonName }),
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
  }
}

const noCommonName = { C: '', ST: '', L: '', O: '', OU: '', CN: '' }
