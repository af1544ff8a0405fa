/**
 * Proxies as companies run them, where they are installed: tinyproxy and squid in front of what is
 * asked for, HAProxy and nginx in front of one server. Each has a configuration of its own in a
 * temporary folder, on loopback, and is stopped by its process id.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export type ParentName = 'tinyproxy' | 'squid' | 'haproxy' | 'nginx'

export interface RealParent {
  readonly port: number
  /** Ends it as a crash would; resolves when it is gone. */
  kill(): Promise<void>
  close(): Promise<void>
}

export interface ParentSetup {
  /** As `user:password`; anybody may use it without. The password must be of letters and digits. */
  readonly credentials?: string
  /** A host that it refuses. */
  readonly blockedHost?: string
  /** Port of this machine that everything goes to; HAProxy and nginx know no other way. */
  readonly upstream?: number
}

/** How long one may take to listen, in milliseconds. */
const startTimeoutMs = 30_000
/** A free port may be taken by another before the parent has it. */
const attempts = 3

export async function startRealParent(
  name: ParentName,
  setup: ParentSetup = {},
): Promise<RealParent> {
  const directory = await mkdtemp(join(tmpdir(), `porthole-${name}-`))
  // Started by root, both give root up, and must still be able to read their files.
  await chmod(directory, 0o755)
  const problems: string[] = []
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = await freePort()
    const child = spawn(name, await configured[name](directory, port, setup), {
      env: { PATH: [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.once('error', (error) => problems.push(error.message))
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => problems.push(text))
    }
    const stopAtExit = (): void => void child.kill('SIGKILL')
    process.once('exit', stopAtExit)
    child.once('close', () => process.off('exit', stopAtExit))
    if (!(await untilListening(child, port))) continue
    const kill = (): Promise<void> => end(child)
    return {
      port,
      kill,
      close: async () => {
        await kill()
        await rm(directory, { recursive: true, force: true })
      },
    }
  }
  await rm(directory, { recursive: true, force: true })
  throw new Error(`${name} does not start: ${problems.join('').slice(-1000)}`)
}

async function tinyproxy(directory: string, port: number, setup: ParentSetup): Promise<string[]> {
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    'MaxClients 50',
    'Allow 127.0.0.1',
    'LogLevel Critical',
  ]
  if (setup.credentials !== undefined) {
    lines.push(`BasicAuth ${setup.credentials.replace(':', ' ')}`)
  }
  if (setup.blockedHost !== undefined) {
    const filter = join(directory, 'filter')
    await writeFile(filter, `^${setup.blockedHost.replaceAll('.', String.raw`\.`)}$\n`)
    lines.push(`Filter "${filter}"`)
  }
  const path = join(directory, 'tinyproxy.conf')
  await writeFile(path, `${lines.join('\n')}\n`)
  return ['-d', '-c', path]
}

async function squid(directory: string, port: number, setup: ParentSetup): Promise<string[]> {
  const lines = [
    `http_port 127.0.0.1:${port}`,
    'pid_filename none',
    'cache deny all',
    'cache_mem 1 MB',
    'access_log none',
    'cache_log /dev/null',
    'cache_store_log none',
    'coredump_dir none',
    'pinger_enable off',
    // No name server is asked: the hosts file has all the names that there are.
    'dns_nameservers 127.0.0.1',
    'shutdown_lifetime 0 seconds',
    'visible_hostname parent',
  ]
  if (setup.blockedHost !== undefined) {
    lines.push(`acl blocked dstdomain ${setup.blockedHost}`, 'http_access deny blocked')
  }
  if (setup.upstream !== undefined) {
    const peer = `cache_peer 127.0.0.1 parent ${setup.upstream} 0 no-query no-digest default`
    lines.push(peer, 'never_direct allow all')
  }
  if (setup.credentials === undefined) lines.push('http_access allow all')
  else {
    const helper = join(directory, 'check.sh')
    const known = setup.credentials.replace(':', ' ')
    const answer = `[ "$line" = "${known}" ] && echo OK || echo ERR`
    await writeFile(helper, `while read -r line; do ${answer}; done\n`)
    lines.push(
      `auth_param basic program /bin/sh ${helper}`,
      'auth_param basic children 1',
      'acl known proxy_auth REQUIRED',
      'http_access allow known',
      'http_access deny all',
    )
  }
  const path = join(directory, 'squid.conf')
  await writeFile(path, `${lines.join('\n')}\n`)
  return ['-N', '-f', path]
}

async function haproxy(directory: string, port: number, setup: ParentSetup): Promise<string[]> {
  const timeouts = ['connect', 'client', 'server'].map((which) => `  timeout ${which} 30s`)
  const lines = [
    'global',
    '  maxconn 50',
    'defaults',
    '  mode http',
    ...timeouts,
    'frontend here',
    `  bind 127.0.0.1:${port}`,
    '  default_backend there',
    'backend there',
    '  http-reuse always',
    `  server one 127.0.0.1:${setup.upstream ?? 0}`,
  ]
  const path = join(directory, 'haproxy.cfg')
  await writeFile(path, `${lines.join('\n')}\n`)
  return ['-db', '-q', '-f', path]
}

async function nginx(directory: string, port: number, setup: ParentSetup): Promise<string[]> {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  )
  const location = [
    `proxy_pass http://127.0.0.1:${setup.upstream ?? 0};`,
    'proxy_http_version 1.1;',
    'proxy_set_header Connection "";',
    'proxy_set_header Host $http_host;',
  ]
  const lines = [
    'daemon off; master_process off;',
    `pid ${join(directory, 'pid')}; error_log stderr emerg;`,
    'events {}',
    `http { access_log off; ${folders.join(' ')}`,
    `server { listen 127.0.0.1:${port}; location / { ${location.join(' ')} } } }`,
  ]
  const path = join(directory, 'nginx.conf')
  await writeFile(path, `${lines.join('\n')}\n`)
  return ['-p', directory, '-c', path]
}

const configured: Readonly<Record<ParentName, typeof squid>> = { tinyproxy, squid, haproxy, nginx }

async function freePort(): Promise<number> {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** False where it ended, or listened to nobody in time. */
async function untilListening(child: ChildProcess, port: number): Promise<boolean> {
  const untilMs = performance.now() + startTimeoutMs
  while (child.pid !== undefined && child.exitCode === null && performance.now() < untilMs) {
    const socket = net.connect(port, '127.0.0.1')
    const opened = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (opened) return true
    await delay(20)
  }
  await end(child)
  return false
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'close')
  child.kill('SIGKILL')
  await gone
}
