/** Certificates that no honest authority would issue, made by the openssl command at run time. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateSpec {
  /** Common name; of a leaf that has nothing but one, the only name. */
  readonly name: string
  /** Lines of an openssl extension section, such as `subjectAltName=DNS:a.example`. */
  readonly extensions?: readonly string[]
  /** Who signs; without one it is self-signed. */
  readonly issuer?: Certificate
  /** As in `openssl req -newkey`; P-256 unless told otherwise. */
  readonly key?: string
  readonly digest?: string
}

const program = 'openssl'

/** OpenSSL 3 or later: earlier ones cannot sign in one step. */
export const hasOpenssl = /^OpenSSL [3-9]/u.test(
  spawnSync(program, ['version'], { encoding: 'utf8' }).stdout ?? '',
)

export const authorityExtensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign']

/** Makes one certificate, valid for two days from now. */
export function issueCertificate(spec: CertificateSpec): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-openssl-'))
  try {
    const at = (name: string): string => join(folder, name)
    const extensions = (spec.extensions ?? []).join('\n')
    writeFileSync(
      at('config'),
      `[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=${spec.name}\n[ext]\n${extensions}\n`,
    )
    const signing: string[] = []
    if (spec.issuer !== undefined) {
      writeFileSync(at('ca.pem'), spec.issuer.cert)
      writeFileSync(at('ca.key'), spec.issuer.key, { mode: 0o600 })
      signing.push('-CA', at('ca.pem'), '-CAkey', at('ca.key'))
    }
    const kind = spec.key === undefined ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [spec.key]
    const request = ['req', '-x509', '-config', at('config'), '-days', '2', '-nodes']
    const digest = `-${spec.digest ?? 'sha256'}`
    const out = ['-keyout', at('key'), '-out', at('cert')]
    execFileSync(program, [...request, digest, '-newkey', ...kind, ...signing, ...out], {
      stdio: 'pipe',
    })
    return { cert: readFileSync(at('cert'), 'utf8'), key: readFileSync(at('key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
