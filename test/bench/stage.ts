/**
 * What stands for a whole benchmark: a temporary folder, the origin with its certificate, the load
 * client, and mockttp where it was asked for. `close` leaves no process and no file behind.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type * as authorityModule from '../../ca/authority.ts'
import { builtUrl } from './built.ts'
import { Children } from './children.ts'
import type { NodeChild } from './children.ts'

export interface Stage {
  readonly children: Children
  readonly directory: string
  readonly originPort: number
  readonly rootPath: string
  readonly mockttpPath: string | undefined
  /** Aborted once the benchmark is to end early. */
  readonly signal: AbortSignal
  client(): NodeChild
  /** Replaces a client that may hang in a job. */
  restartClient(): Promise<void>
  close(): Promise<void>
}

const installTimeoutMs = 180_000

export async function openStage(withMockttp: boolean): Promise<Stage> {
  const children = new Children()
  const ending = new AbortController()
  const directory = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const close = async (): Promise<void> => {
    ending.abort()
    await children.stopAll()
    rmSync(directory, { recursive: true, force: true })
  }
  onSignals(close)
  // Whatever ends this process, an exception of ours included, ends what it started.
  process.once('exit', () => {
    children.killAll()
    rmSync(directory, { recursive: true, force: true })
  })
  try {
    const files = await writeCertificates(directory)
    const origin = await children.startNode({
      url: new URL('./origin.ts', import.meta.url),
      args: [JSON.stringify(files)],
    })
    let client = await startClient(children)
    return {
      children,
      directory,
      originPort: (origin.ready as { readonly port: number }).port,
      rootPath: files.rootPath,
      mockttpPath: withMockttp ? await installMockttp(directory) : undefined,
      signal: ending.signal,
      client: () => client,
      restartClient: async () => {
        if (ending.signal.aborted) return
        await client.stop()
        client = await startClient(children)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function startClient(children: Children): Promise<NodeChild> {
  return children.startNode({ url: new URL('./load/load-client.ts', import.meta.url), args: [] })
}

/** The pretended public web: a root, and the origin's certificate from it. */
async function writeCertificates(
  directory: string,
): Promise<{ rootPath: string; certificatePath: string; keyPath: string }> {
  const { href } = builtUrl('ca/authority.js')
  const { createAuthority } = (await import(href)) as typeof authorityModule
  const now = new Date()
  const root = createAuthority({ permittedHosts: ['localhost'], now, days: 2, commonName: 'Bench' })
  const leaf = root.issueLeaf('localhost', now)
  const rootPath = join(directory, 'root.pem')
  const certificatePath = join(directory, 'origin.pem')
  const keyPath = join(directory, 'origin.key')
  writeFileSync(rootPath, root.certificatePem)
  // Alone, as servers send no root; not every proxy could read this one, which is constrained.
  const [certificate = ''] = leaf.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/u)
  writeFileSync(certificatePath, certificate)
  writeFileSync(keyPath, leaf.privateKeyPem, { mode: 0o600 })
  return { rootPath, certificatePath, keyPath }
}

async function installMockttp(directory: string): Promise<string> {
  const prefix = join(directory, 'mockttp')
  const args = ['install', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)('npm', [...args, 'mockttp'], { timeout: installTimeoutMs })
  return createRequire(join(prefix, 'index.js')).resolve('mockttp')
}

/** Ctrl-C and `kill` end everything that was started, then this process as the signal would. */
function onSignals(close: () => Promise<void>): void {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.once(signal, () => {
      void close().finally(() => process.exit(128 + number))
    })
  }
}
