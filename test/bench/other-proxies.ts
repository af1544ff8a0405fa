/**
 * Proxies that are not Node programs, run only where they are installed: mitmproxy, squid with
 * ssl-bump, sslsplit, privoxy and haproxy. Each is given a CA where it makes none itself, and is set to
 * verify the origin where it can. Their configurations follow their manuals.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import type * as authorityModule from '../../ca/authority.ts'
import { builtUrl } from './built.ts'
import type { OtherChild } from './children.ts'
import type { Route } from './load/client-connection.ts'
import type { StartedVariant, Surroundings, Variant } from './variants.ts'

/** Debian's place for squid's certificate helper; other systems have it elsewhere or not at all. */
const certgenPlaces = [
  '/usr/lib/squid/security_file_certgen',
  '/usr/lib64/squid/security_file_certgen',
  '/usr/libexec/squid/security_file_certgen',
]
/** Squid does not run as root: started by root, it becomes this user. */
const squidUser = 'nobody'
const listenLimitMs = 20_000

export const otherVariants: readonly Variant[] = [
  {
    name: 'mitmproxy',
    what: 'mitmdump, HTTP/1.1, quiet',
    missing: () => missingProgram('mitmdump'),
    start: startMitmproxy,
  },
  {
    name: 'squid',
    what: 'squid, ssl-bump',
    missing: () =>
      missingProgram('squid') ??
      (certgen() === undefined ? 'squid has no security_file_certgen (squid-openssl)' : undefined),
    start: startSquid,
  },
  {
    name: 'sslsplit',
    what: 'sslsplit; bytes between two TLS connections, origin not verified; no CONNECT',
    missing: () => missingProgram('sslsplit'),
    start: startSslsplit,
  },
  {
    name: 'privoxy',
    what: 'privoxy, https-inspection; origin not verified',
    missing: () => missingProgram('privoxy') ?? missingProgram('openssl'),
    start: startPrivoxy,
  },
  {
    name: 'haproxy',
    what: 'haproxy, re-encrypting; no CONNECT',
    missing: () => missingProgram('haproxy'),
    start: startHaproxy,
  },
]

async function startMitmproxy(around: Surroundings): Promise<StartedVariant> {
  const port = await freePort()
  const child = around.children.startOther('mitmdump', [
    '--quiet',
    '--listen-host',
    '127.0.0.1',
    '--listen-port',
    String(port),
    '--set',
    `confdir=${around.directory}`,
    '--set',
    'http2=false',
    '--set',
    `ssl_verify_upstream_trusted_ca=${around.rootPath}`,
  ])
  return listening(child, { kind: 'connect', port }, () =>
    readFileSync(join(around.directory, 'mitmproxy-ca-cert.pem'), 'utf8'),
  )
}

async function startSquid(around: Surroundings): Promise<StartedVariant> {
  const port = await freePort()
  const ca = await makeCa(around.directory)
  const database = join(around.directory, 'certificates')
  execFileSync(certgen() ?? '', ['-c', '-s', database, '-M', '4MB'], { stdio: 'ignore' })
  const config = join(around.directory, 'squid.conf')
  writeFileSync(
    config,
    [
      `http_port 127.0.0.1:${port} ssl-bump tls-cert=${ca.bothPath} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB`,
      `sslcrtd_program ${certgen() ?? ''} -s ${database} -M 4MB`,
      'ssl_bump bump all',
      `tls_outgoing_options cafile=${around.rootPath}`,
      'http_access allow all',
      'cache deny all',
      'access_log none',
      `cache_log ${join(around.directory, 'cache.log')}`,
      `pid_filename ${join(around.directory, 'squid.pid')}`,
      `coredump_dir ${around.directory}`,
      'shutdown_lifetime 1 second',
      'pinger_enable off',
      `cache_effective_user ${squidUser}`,
      '',
    ].join('\n'),
  )
  if (process.getuid?.() === 0) giveAway(around.directory, squidUser)
  const child = around.children.startOther('squid', [
    '-N',
    // Names its shared memory, which another squid on this machine must not meet.
    '-n',
    `bench${port}`,
    '-f',
    config,
  ])
  return listening(child, { kind: 'connect', port }, () => ca.certificatePem)
}

async function startSslsplit(around: Surroundings): Promise<StartedVariant> {
  const port = await freePort()
  const ca = await makeCa(around.directory)
  const child = around.children.startOther('sslsplit', [
    '-k',
    ca.keyPath,
    '-c',
    ca.certificatePath,
    // As `https` it would end every connection after one answer.
    'ssl',
    '127.0.0.1',
    String(port),
    '127.0.0.1',
    String(around.originPort),
  ])
  return listening(child, { kind: 'direct', port }, () => ca.certificatePem)
}

async function startPrivoxy(around: Surroundings): Promise<StartedVariant> {
  const port = await freePort()
  const certificatePem = makeRsaCa(around.directory)
  const certificates = join(around.directory, 'certificates')
  mkdirSync(certificates)
  const actions = join(around.directory, 'inspect.action')
  // Its TLS library refuses every certificate with name constraints, and so the origin's root.
  writeFileSync(actions, '{+https-inspection +ignore-certificate-errors}\n/\n')
  const config = join(around.directory, 'config')
  writeFileSync(
    config,
    [
      `confdir ${around.directory}`,
      `logdir ${around.directory}`,
      'actionsfile inspect.action',
      `listen-address 127.0.0.1:${port}`,
      'keep-alive-timeout 300',
      'connection-sharing 1',
      'max-client-connections 512',
      `ca-directory ${around.directory}`,
      'ca-cert-file rsa.pem',
      'ca-key-file rsa.key',
      'trusted-cas-file rsa.pem',
      `certificate-directory ${certificates}`,
      '',
    ].join('\n'),
  )
  const child = around.children.startOther('privoxy', ['--no-daemon', config])
  return listening(child, { kind: 'connect', port }, () => certificatePem)
}

async function startHaproxy(around: Surroundings): Promise<StartedVariant> {
  const port = await freePort()
  const ca = await makeCa(around.directory)
  const config = join(around.directory, 'haproxy.cfg')
  writeFileSync(
    config,
    [
      'defaults',
      '  mode http',
      '  timeout connect 10s',
      '  timeout client 300s',
      '  timeout server 300s',
      '  http-reuse always',
      'listen bench',
      `  bind 127.0.0.1:${port} ssl crt ${ca.leafPath} alpn http/1.1`,
      `  server origin 127.0.0.1:${around.originPort} ssl verify required ca-file ${around.rootPath} verifyhost localhost sni str(localhost)`,
      '',
    ].join('\n'),
  )
  const child = around.children.startOther('haproxy', ['-db', '-f', config])
  return listening(child, { kind: 'direct', port }, () => ca.certificatePem)
}

/** Waits until something accepts connections there. */
async function listening(
  child: OtherChild,
  route: Route,
  readCa: () => string,
): Promise<StartedVariant> {
  const deadline = performance.now() + listenLimitMs
  while (!(await accepts(route.port))) {
    if (child.hasEnded() || performance.now() > deadline) {
      await child.stop()
      throw new Error(`it does not listen: ${child.complaint()}`)
    }
    await delay(100)
  }
  return { pid: child.pid, route, caPem: readCa(), stop: () => child.stop() }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A port that was free a moment ago, for programs that cannot say which one they took. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}

interface CaFiles {
  readonly certificatePath: string
  readonly keyPath: string
  /** Key and certificate in one file. */
  readonly bothPath: string
  /** Key and chain of a certificate for `localhost` in one file. */
  readonly leafPath: string
  readonly certificatePem: string
}

/** A CA for `localhost`, and a certificate from it, in `directory`. */
async function makeCa(directory: string): Promise<CaFiles> {
  const { href } = builtUrl('ca/authority.js')
  const { createMaterial, loadAuthority } = (await import(href)) as typeof authorityModule
  const now = new Date()
  const { certificatePem, privateKeyPem } = createMaterial({
    permittedHosts: ['localhost'],
    now,
    days: 2,
    commonName: 'Bench proxy',
  })
  const leaf = loadAuthority({ certificatePem, privateKeyPem, now }).issueLeaf('localhost', now)
  const write = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  return {
    certificatePath: write('ca.pem', certificatePem),
    keyPath: write('ca.key', privateKeyPem),
    bothPath: write('ca-both.pem', privateKeyPem + certificatePem),
    leafPath: write('leaf-both.pem', leaf.privateKeyPem + leaf.certificatePem),
    certificatePem,
  }
}

/** Gives a folder with all that is in it to `user`, who may not look around in the folder above. */
function giveAway(directory: string, user: string): void {
  chmodSync(dirname(directory), 0o711)
  execFileSync('chown', ['-R', user, directory])
}

/** For a program that knows no other keys, and no name constraints: `rsa.pem` and `rsa.key`. */
function makeRsaCa(directory: string): string {
  const certificate = join(directory, 'rsa.pem')
  const subject = ['-subj', '/CN=Bench RSA proxy', '-days', '2']
  const files = ['-keyout', join(directory, 'rsa.key'), '-out', certificate]
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...files]
  const usage = ['-addext', 'keyUsage=critical,keyCertSign']
  execFileSync('openssl', [...request, ...usage], { stdio: 'ignore' })
  return readFileSync(certificate, 'utf8')
}

function missingProgram(name: string): string | undefined {
  // Daemons lie in sbin, which a user's PATH may leave out; `spawn` would not find them either.
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const isThere = folders.some((folder) => existsSync(join(folder, name)))
  return isThere ? undefined : `${name} is not in PATH`
}

function certgen(): string | undefined {
  return certgenPlaces.find((path) => existsSync(path))
}
