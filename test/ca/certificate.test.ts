import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import type { Server } from 'node:tls'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Leaf } from '../../ca/authority.ts'
import { createMaterial, loadAuthority } from '../../ca/authority.ts'
import {
  certificatePem,
  encodeLeafCertificate,
  readConstraints,
  readIssuer,
} from '../../ca/certificate.ts'
import { identityOf } from '../../ca/name-constraints.ts'
import type { ToolResult } from './external-tools.ts'
import { hasTool, runTool, scratchDirectory } from './external-tools.ts'

const now = new Date()
/** Of what is forged: however slow the machine is, it is valid while it is looked at. */
const forgedMs = 3_600_000
const permitted = 'api.example.com'
const forbidden = 'bank.example.net'
const material = createMaterial({ permittedHosts: [permitted], now, days: 30 })
const authority = loadAuthority({ ...material, now })
const scratch = scratchDirectory()
const caPath = join(scratch.path, 'ca.pem')

/** What a thief of the key could sign: the authority itself refuses this host. */
function forge(host: string): Pick<Leaf, 'certificatePem' | 'privateKeyPem'> {
  const identity = identityOf(host)
  if (identity === undefined) throw new Error(host)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = encodeLeafCertificate({
    identity,
    notBefore: new Date(now.getTime() - 60_000),
    notAfter: new Date(now.getTime() + forgedMs),
    publicKey,
    issuer: readIssuer(new X509Certificate(material.certificatePem)),
    issuerKey: createPrivateKey(material.privateKeyPem),
  })
  return {
    certificatePem: certificatePem(leaf) + material.certificatePem,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

async function serve(leaf: Pick<Leaf, 'certificatePem' | 'privateKeyPem'>): Promise<Server> {
  const options = { cert: leaf.certificatePem, key: leaf.privateKeyPem }
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined)
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}

interface Client {
  readonly name: string
  readonly tool: string
  /** `ok`, or the reason why not. */
  call(host: string, port: number): Promise<string>
}

const python = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
raw = socket.create_connection(("127.0.0.1", int(sys.argv[3])), timeout=120)
tls = context.wrap_socket(raw, server_hostname=sys.argv[2])
print("verified", tls.version())
`

const clients: readonly Client[] = [
  {
    name: 'curl',
    tool: 'curl',
    async call(host, port) {
      const resolved = ['--resolve', `${host}:${port}:127.0.0.1`, '--noproxy', '*']
      const args = ['-sS', '--cacert', caPath, ...resolved, `https://${host}:${port}/`]
      const { code, output } = await runTool('curl', args)
      return code === 0 && output === 'ok' ? 'ok' : output
    },
  },
  {
    name: 'Python with VERIFY_X509_STRICT',
    tool: 'python3',
    async call(host, port) {
      const { code, output } = await runTool('python3', ['-c', python, caPath, host, String(port)])
      return code === 0 && output.startsWith('verified') ? 'ok' : output
    },
  },
  {
    name: 'Node',
    tool: 'sh',
    call(host, port) {
      return new Promise((resolve) => {
        const target = { host: '127.0.0.1', port, servername: host, headers: { host } }
        const sent = request({ ...target, ca: material.certificatePem, agent: false }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode === 200 ? 'ok' : 'bad answer'))
        })
        sent.on('error', (error) => resolve(error.message)).end()
      })
    },
  },
  {
    name: 'GnuTLS',
    tool: 'gnutls-cli',
    async call(host, port) {
      const trust = ['--x509cafile', caPath, '--sni-hostname', host, '--verify-hostname', host]
      const args = [...trust, '-p', String(port), '127.0.0.1']
      const { output } = await runTool('gnutls-cli', args)
      return /certificate is trusted[^]*Handshake was completed/u.test(output) ? 'ok' : output
    },
  },
]

describe('certificates under real verifiers', () => {
  let good: Server
  let forged: Server
  const portOf = (server: Server): number => (server.address() as AddressInfo).port

  beforeAll(async () => {
    writeFileSync(caPath, material.certificatePem)
    good = await serve(authority.issueLeaf(permitted, now))
    forged = await serve(forge(forbidden))
  })
  afterAll(() => {
    good.close()
    forged.close()
    scratch.remove()
  })

  for (const client of clients) {
    const usable = hasTool(client.tool)
    const reason = usable ? '' : ` (skipped: no ${client.tool} here)`

    it.skipIf(!usable)(`${client.name} accepts a leaf for a permitted host${reason}`, async () => {
      expect(await client.call(permitted, portOf(good))).toBe('ok')
    })

    it.skipIf(!usable)(
      `${client.name} refuses a forged leaf for another host${reason}`,
      async () => {
        const answer = await client.call(forbidden, portOf(forged))

        expect(answer).toMatch(/permitted subtree|not trusted|constraint/iu)
      },
    )
  }

  it.each([forbidden, '127.0.0.1', '::1'])('openssl refuses a forged leaf for %s', async (host) => {
    const path = join(scratch.path, 'forged.pem')
    writeFileSync(path, forge(host).certificatePem)

    const verified = await runTool('openssl', ['verify', '-x509_strict', '-CAfile', caPath, path])

    expect(verified.code).not.toBe(0)
    expect(verified.output).toMatch(/(?:permitted|excluded) subtree violation/u)
  })

  const nss = hasTool('certutil')
  it.skipIf(!nss)(
    `NSS accepts a permitted leaf and refuses a forged one${nss ? '' : ' (skipped: no certutil)'}`,
    async () => {
      const database = ['-d', `sql:${join(scratch.path, 'nss')}`]
      mkdirSync(join(scratch.path, 'nss'))
      await runTool('certutil', ['-N', '--empty-password', ...database])
      await runTool('certutil', ['-A', '-n', 'ca', '-t', 'C,,', '-i', caPath, ...database])
      const answers: ToolResult[] = []
      for (const leaf of [authority.issueLeaf(permitted, now), forge(forbidden)]) {
        const path = join(scratch.path, 'nss.pem')
        writeFileSync(path, certificatePem(new X509Certificate(leaf.certificatePem).raw))
        await runTool('certutil', ['-A', '-n', 'leaf', '-t', ',,', '-i', path, ...database])
        const verify = ['-V', '-n', 'leaf', '-u', 'V', '-e', '-l']
        answers.push(await runTool('certutil', [...verify, ...database]))
        await runTool('certutil', ['-D', '-n', 'leaf', ...database])
      }

      expect(answers[0]?.output).toContain('certificate is valid')
      expect(answers[1]?.output).toMatch(/not in the name space|NAME_CONSTRAINT|not permitted/iu)
    },
  )

  it('a leaf cannot act as an authority', async () => {
    const leaf = forge(permitted)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const identity = identityOf(permitted)
    if (identity === undefined) throw new Error(permitted)
    const below = encodeLeafCertificate({
      identity,
      notBefore: now,
      notAfter: new Date(now.getTime() + forgedMs),
      publicKey,
      issuer: readIssuer(new X509Certificate(leaf.certificatePem)),
      issuerKey: createPrivateKey(leaf.privateKeyPem),
    })
    const leafPath = join(scratch.path, 'leaf.pem')
    const belowPath = join(scratch.path, 'below.pem')
    writeFileSync(leafPath, leaf.certificatePem)
    writeFileSync(belowPath, certificatePem(below))

    const chain = ['-CAfile', caPath, '-untrusted', leafPath, belowPath]
    expect((await runTool('openssl', ['verify', ...chain])).output).toContain('invalid CA')
  })
})

describe('reading certificates', () => {
  it('finds no constraints where there are none', () => {
    const leaf = new X509Certificate(authority.issueLeaf(permitted, now).certificatePem)

    expect(readConstraints(leaf)).toBeUndefined()
    expect(readConstraints(new X509Certificate(material.certificatePem))).toBeDefined()
  })

  it('writes PEM with lines of 64 characters and a newline at the end', () => {
    const lines = material.certificatePem.split('\n')

    expect(lines[0]).toBe('-----BEGIN CERTIFICATE-----')
    expect(lines.at(-2)).toBe('-----END CERTIFICATE-----')
    expect(lines.at(-1)).toBe('')
    expect(lines.slice(1, -3).every((line) => line.length === 64)).toBe(true)
  })
})
