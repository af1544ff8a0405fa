/** Certificates for the demo's provider, from an authority that lives for one test. */
import { createAuthority } from '../../../ca/authority.ts'
import type { DemoCertificate } from '../../../src/demo/provider.ts'
import { demoHosts } from '../../../src/demo/provider.ts'

export function makeDemoCertificates(): {
  readonly caPem: string
  readonly certificates: readonly [DemoCertificate, DemoCertificate]
} {
  const now = new Date()
  const authority = createAuthority({ permittedHosts: demoHosts, now, days: 1 })
  const leaf = (host: string): DemoCertificate => {
    const { certificatePem, privateKeyPem } = authority.issueLeaf(host, now)
    return { host, certificatePem, privateKeyPem }
  }
  return {
    caPem: authority.certificatePem,
    certificates: [leaf(demoHosts[0]), leaf(demoHosts[1])],
  }
}
