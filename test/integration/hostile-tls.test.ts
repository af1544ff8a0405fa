/**
 * Hostile TLS on both sides: upstreams whose certificate must not be believed, clients that speak
 * something else, and host names that are bait for a certificate store.
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { describe, expect, test } from 'vitest'

import { createAuthority } from '../../ca/authority.ts'
import { closesAfterEach } from '../support/opened.ts'
import {
  authorityExtensions,
  hasOpenssl,
  issueCertificate,
} from '../support/openssl-certificates.ts'
import type { Certificate } from '../support/openssl-certificates.ts'
import { connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'

const host = 'api.openai.com'
const day = 24 * 60 * 60 * 1000
const open = closesAfterEach()

/** What an upstream shows, and the root that the proxy is told to trust. */
interface Shown {
  readonly leaf: Certificate
  /** Sent along with the leaf. */
  readonly chain?: readonly string[]
  readonly root: string
}

/** Asks an upstream with such a certificate once; `heard` is what it got to hear over TLS. */
async function askUpstream(
  shown: Shown,
): Promise<{ status: number; head: string; heard: string; proxy: ProxyUnderTest }> {
  let heard = ''
  const server = tls.createServer(
    {
      cert: [shown.leaf.cert, ...(shown.chain ?? [])].join('\n'),
      key: shown.leaf.key,
      // Weak keys and digests must be the client's to refuse.
      ciphers: 'DEFAULT@SECLEVEL=0',
    },
    (socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString('latin1')
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      })
    },
  )
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open({ close: () => new Promise((resolve) => void server.close(() => resolve())) })
  const { port } = server.address() as AddressInfo
  const proxy = open(
    await startProxy({
      allow: [host],
      connectTo: { [`${host}:443`]: port },
      configure: (builder) => builder.upstreamCa(shown.root),
    }),
  )
  const socket = await connectTls(proxy, `${host}:443`)
  const { status, head } = await ask(socket, requestText('GET /', host))
  socket.destroy()
  return { status, head, heard, proxy }
}

const usual = [`subjectAltName=DNS:${host}`, 'extendedKeyUsage=serverAuth']

const skipped = hasOpenssl ? '' : ' (skipped: no OpenSSL 3)'

describe.runIf(hasOpenssl)(`an upstream with a certificate by openssl${skipped}`, () => {
  const root = hasOpenssl
    ? issueCertificate({ name: 'Root', extensions: authorityExtensions })
    : { cert: '', key: '' }
  const leaf = (over: Partial<Parameters<typeof issueCertificate>[0]> = {}): Certificate =>
    issueCertificate({ name: host, extensions: usual, issuer: root, ...over })
  const authority = (name: string, issuer: Certificate, ...more: string[]): Certificate =>
    issueCertificate({ name, issuer, extensions: [...authorityExtensions, ...more] })

  test('T1 that is in order is believed', async () => {
    const { status, heard } = await askUpstream({ leaf: leaf(), root: root.cert })

    expect(status).toBe(200)
    expect(heard).toContain('GET /')
  })

  test('T1 by way of an intermediate is believed', async () => {
    const middle = authority('Middle', root)
    const shown = { leaf: leaf({ issuer: middle }), chain: [middle.cert], root: root.cert }

    expect((await askUpstream(shown)).status).toBe(200)
  })

  test.each<[string, () => Shown]>([
    [
      'that signed itself',
      () => ({ leaf: issueCertificate({ name: host, extensions: usual }), root: root.cert }),
    ],
    [
      'of an unknown root',
      () => {
        const unknown = issueCertificate({ name: 'Root', extensions: authorityExtensions })
        return { leaf: leaf({ issuer: unknown }), chain: [unknown.cert], root: root.cert }
      },
    ],
    [
      'whose intermediate is missing',
      () => ({ leaf: leaf({ issuer: authority('Middle', root) }), root: root.cert }),
    ],
    [
      'for another name',
      () => ({ leaf: leaf({ extensions: ['subjectAltName=DNS:evil.example'] }), root: root.cert }),
    ],
    [
      'for an address alone',
      () => ({ leaf: leaf({ extensions: ['subjectAltName=IP:127.0.0.1'] }), root: root.cert }),
    ],
    [
      'with the name as its common name alone',
      () => ({ leaf: leaf({ extensions: [] }), root: root.cert }),
    ],
    [
      'for a wildcard two labels up',
      () => ({ leaf: leaf({ extensions: ['subjectAltName=DNS:*.com'] }), root: root.cert }),
    ],
    [
      'for the name with something before it',
      () => ({ leaf: leaf({ extensions: [`subjectAltName=DNS:x.${host}`] }), root: root.cert }),
    ],
    [
      'for a name that holds a zero byte',
      () => ({
        leaf: leaf({
          extensions: [
            `subjectAltName=DER:30:17:82:15:${Buffer.from(`${host}\0.evil.`).toString('hex').match(/../gu)?.join(':')}`,
          ],
        }),
        root: root.cert,
      }),
    ],
    [
      'for clients only',
      () => ({
        leaf: leaf({ extensions: [`subjectAltName=DNS:${host}`, 'extendedKeyUsage=clientAuth'] }),
        root: root.cert,
      }),
    ],
    [
      'by an issuer that is no authority',
      () => {
        const fake = issueCertificate({
          name: 'Leaf',
          issuer: root,
          extensions: ['basicConstraints=critical,CA:FALSE'],
        })
        return { leaf: leaf({ issuer: fake }), chain: [fake.cert], root: root.cert }
      },
    ],
    [
      'below more authorities than its root permits',
      () => {
        const first = authority('First', root, 'basicConstraints=critical,CA:TRUE,pathlen:0')
        const second = authority('Second', first)
        return { leaf: leaf({ issuer: second }), chain: [second.cert, first.cert], root: root.cert }
      },
    ],
    [
      'outside of the names that its issuer is for',
      () => {
        const bound = authority(
          'Bound',
          root,
          'nameConstraints=critical,permitted;DNS:evil.example',
        )
        return { leaf: leaf({ issuer: bound }), chain: [bound.cert], root: root.cert }
      },
    ],
    ['with an RSA key of 1024 bits', () => ({ leaf: leaf({ key: 'rsa:1024' }), root: root.cert })],
    [
      'signed with SHA-1',
      () => {
        const middle = issueCertificate({
          name: 'Old',
          issuer: root,
          extensions: authorityExtensions,
        })
        return {
          leaf: leaf({ issuer: middle, digest: 'sha1' }),
          chain: [middle.cert],
          root: root.cert,
        }
      },
    ],
  ])('T1 %s is answered 502, and hears nothing', async (_what, shown) => {
    const { status, head, heard, proxy } = await askUpstream(shown())

    expect(status).toBe(502)
    expect(heard).toBe('')
    expect(head).toContain('upstream-tls-failed')
    expect(await proxy.waitFor('tls-failed')).toMatchObject({ host, side: 'upstream' })
  })
})

describe('an upstream with a certificate', () => {
  test.each([
    ['that has expired', -20, 'CERT_HAS_EXPIRED'],
    ['that is not valid yet', 5, 'CERT_NOT_YET_VALID'],
  ])('T1 %s is answered 502, and hears nothing', async (_what, days, code) => {
    const root = createAuthority({
      permittedHosts: [host],
      now: new Date(Date.now() - 30 * day),
      days: 60,
      commonName: 'Test root',
    })
    const { certificatePem, privateKeyPem } = root.issueLeaf(
      host,
      new Date(Date.now() + days * day),
    )

    const { status, heard, proxy } = await askUpstream({
      leaf: { cert: certificatePem, key: privateKeyPem },
      root: root.certificatePem,
    })

    expect(status).toBe(502)
    expect(heard).toBe('')
    expect(await proxy.waitFor('tls-failed')).toMatchObject({ side: 'upstream', code })
  })
})

describe('TLS with a client', () => {
  async function bench(): Promise<ProxyUnderTest> {
    return open(await startProxyTo(host, open(await startScriptedUpstream(host))))
  }

  test('T3 does not resume a session of another host', async () => {
    const hosts = [host, 'api.anthropic.com'] as const
    const proxy = open(await startProxy({ allow: hosts }))
    const first = await connectTls(proxy, `${hosts[0]}:443`)
    const [session] = (await once(first.resume(), 'session')) as [Buffer]

    const second = await connectTls(proxy, `${hosts[1]}:443`, { session })

    expect(second.isSessionReused()).toBe(false)
    expect(second.getPeerCertificate().subjectaltname).toContain(hosts[1])
    first.destroy()
    second.destroy()
  })

  test.each(['TLSv1', 'TLSv1.1'] as const)('T11 is not spoken in %s', async (version) => {
    const proxy = await bench()

    await expect(
      connectTls(proxy, `${host}:443`, {
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }),
    ).rejects.toThrow()

    expect(await proxy.waitFor('tls-failed')).toMatchObject({ side: 'client', host })
  })

  test('T11 is not renegotiated', async () => {
    const proxy = await bench()
    const socket = await connectTls(proxy, `${host}:443`, { maxVersion: 'TLSv1.2' })

    const renegotiated = new Promise((resolve) => {
      socket.once('error', resolve)
      socket.renegotiate({ rejectUnauthorized: true }, resolve)
    })

    expect(await renegotiated).toBeInstanceOf(Error)
    socket.destroy()
  })

  test.each([
    ['a record of garbage', '1703030010aabbccddeeff00112233445566778899'],
    ['a record longer than TLS allows', '17030366660000'],
    ['plain text', '474554202f20485454502f312e310d0a0d0a'],
  ])('T11 that goes on with %s is closed', async (_what, hex) => {
    const proxy = await bench()
    const { socket } = await connectThrough(proxy, `${host}:443`)
    const secured = tls.connect({
      socket,
      servername: host,
      ca: proxy.running.certificateAuthority.certificatePem,
    })
    secured.on('error', () => {})
    await once(secured, 'secureConnect')

    socket.write(Buffer.from(hex, 'hex'))

    await proxy.waitFor('connection-closed')
    socket.destroy()
  })

  test('T12 that carries no HTTP is answered 400 and closed', async () => {
    const proxy = await bench()
    const socket = await connectTls(proxy, `${host}:443`)
    const all = readUntil(socket, () => false)

    socket.write('\u0000\u0001nonsense\r\n\r\n')

    expect((await all).toString()).toMatch(/^HTTP\/1\.1 400 /u)
    socket.destroy()
  })

  test('T13 that does not trust the CA is told once, with what to do', async () => {
    const proxy = await bench()
    const { socket } = await connectThrough(proxy, `${host}:443`)
    const secured = tls.connect({ socket, servername: host })

    const [error] = (await once(secured, 'error')) as [NodeJS.ErrnoException]
    secured.destroy()
    await proxy.waitFor('connection-closed')

    expect(error.code).toMatch(/UNABLE_TO_|SELF_SIGNED/u)
    expect(proxy.of('tls-failed')).toMatchObject([{ side: 'client', host }])
    expect(proxy.of('tls-failed')[0]?.hint).toContain('does not trust')
  })

  test('T14 that offers HTTP/2 alone is refused with the alert for it', async () => {
    const proxy = await bench()
    const { socket } = await connectThrough(proxy, `${host}:443`)
    const secured: TLSSocket = tls.connect({
      socket,
      servername: host,
      ALPNProtocols: ['h2'],
      ca: proxy.running.certificateAuthority.certificatePem,
    })

    const [error] = (await once(secured, 'error')) as [NodeJS.ErrnoException]

    expect(error.code).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
    expect((await proxy.waitFor('tls-failed')).hint).toContain('HTTP/2')
    secured.destroy()
  })

  test.each([
    [['http/1.0'], 'http/1.0'],
    [['h2', 'http/1.0', 'http/1.1'], 'http/1.1'],
  ])('that offers %s speaks %s', async (offered, spoken) => {
    const proxy = await bench()
    const { socket } = await connectThrough(proxy, `${host}:443`)
    const secured: TLSSocket = tls.connect({
      socket,
      servername: host,
      ALPNProtocols: offered,
      ca: proxy.running.certificateAuthority.certificatePem,
    })

    await once(secured, 'secureConnect')

    expect(secured.alpnProtocol).toBe(spoken)
    secured.destroy()
  })
})

describe('a host name that is bait', () => {
  test.each(['ca:443', 'ca.private:443', 'constructor:443', '__proto__:443', 'tostring:443'])(
    'T6 T8 such as %s gets a certificate of its own, and no file changes',
    async (authority) => {
      const folder = mkdtempSync(join(tmpdir(), 'porthole-bait-'))
      try {
        const proxy = open(
          await startProxy({
            allow: [authority],
            configure: (builder) => builder.caDirectory(join(folder, 'ca')),
          }),
        )
        const before = filesBelow(folder)
        const secured = await connectTls(proxy, authority)

        expect(secured.getPeerCertificate().subjectaltname).toBe(`DNS:${authority.slice(0, -4)}`)
        expect(filesBelow(folder)).toEqual(before)
        secured.destroy()
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )

  test.each(['../../x:443', '..:443', '/etc/x:443', 'a/../b:443', String.raw`..\x:443`])(
    'T7 such as %s is answered 400, and no file changes',
    async (authority) => {
      const folder = mkdtempSync(join(tmpdir(), 'porthole-bait-'))
      try {
        const proxy = open(
          await startProxy({ configure: (builder) => builder.caDirectory(join(folder, 'ca')) }),
        )
        const before = filesBelow(folder)

        const { head, socket } = await connectThrough(proxy, authority)
        socket.destroy()

        expect(head).toMatch(/^HTTP\/1\.1 400 /u)
        expect(filesBelow(folder)).toEqual(before)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )
})

/** Every file below a folder with its content. */
function filesBelow(folder: string): Array<readonly [string, string]> {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
    .map((path) => [path, readFileSync(path, 'latin1')] as const)
}
