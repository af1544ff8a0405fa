/**
 * What the soak stands on: origins, the faults between them and the proxy, and the proxy itself.
 * Everything listens on loopback, at free ports.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Children } from '../bench/children.ts'
import type { FaultInjector, FaultPlan } from '../support/fault-injector.ts'
import { startFaultInjector } from '../support/fault-injector.ts'
import { createUpstreamRoot } from '../support/upstream.ts'
import { Ledger } from './ledger.ts'
import { startOrigins } from './origins.ts'
import type { ProxyProcess } from './proxy-process.ts'
import { startProxyProcess } from './proxy-process.ts'

/** What may stand in the way of an upstream, by name. */
const faults: Readonly<Record<string, FaultPlan>> = {
  latency: { up: { latencyMs: 5, jitterMs: 20 }, down: { latencyMs: 5, jitterMs: 20 } },
  bandwidth: { up: { bytesPerSecond: 1_500_000 }, down: { bytesPerSecond: 1_500_000 } },
  slices: { up: { sliceBytes: 4000 }, down: { sliceBytes: 3000 } },
  reset: { down: { resetAfter: 60_000 } },
  'reset-early': { up: { resetAfter: 3000 } },
  truncation: { down: { finAfter: 45_000 } },
  'truncation-up': { up: { finAfter: 30_000 } },
  blackhole: { down: { blackhole: true } },
  'blackhole-up': { up: { blackhole: true } },
}
const tunnelFaults = ['latency', 'slices', 'reset', 'truncation']

export const cleanHost = 'clean.soak.example'
export const plainHost = 'plain.soak.example'
export const routeName = 'ai'
const hostOf = (fault: string): string => `${fault}.soak.example`
const tunnelHostOf = (fault: string): string => `${fault}.tunnel.example`

export interface Ground extends AsyncDisposable {
  readonly ledger: Ledger
  readonly children: Children
  readonly proxy: ProxyProcess
  readonly capturePath: string
  /** Of some exchanges, through a queue that is too short for them. */
  readonly narrowPath: string
  readonly faultyHosts: Readonly<Record<string, string>>
  readonly tunnelHosts: readonly string[]
  /** Ends every connection that leads upstream, so that the proxy keeps none. */
  closeOrigins(): Promise<void>
}

/** Bytes of one capture file: small, so that many are rotated and compressed on the way. */
const captureBytes = 32 * 1024 * 1024

export async function layGround(seed: number): Promise<Ground> {
  const directory = mkdtempSync(join(tmpdir(), 'porthole-soak-'))
  const children = new Children()
  process.once('exit', () => {
    children.killAll()
    rmSync(directory, { recursive: true, force: true })
  })
  const ledger = new Ledger()
  const names = Object.keys(faults)
  const hosts = [cleanHost, ...names.map(hostOf)]
  const root = createUpstreamRoot('soak.example', '*.soak.example')
  const origins = await startOrigins(root, hosts, ledger)
  const injectors: FaultInjector[] = []
  const connectTo: Array<{ host: string; port: number; to: number }> = [
    { host: cleanHost, port: 443, to: origins.httpsPort },
    { host: plainHost, port: 80, to: origins.httpPort },
    { host: tunnelHostOf('clean'), port: 443, to: origins.tunnelPort },
  ]
  const inject = async (fault: string, host: string, to: number): Promise<void> => {
    const injector = await startFaultInjector(to, { ...faults[fault], seed })
    injectors.push(injector)
    connectTo.push({ host, port: 443, to: injector.port })
  }
  for (const fault of names) await inject(fault, hostOf(fault), origins.httpsPort)
  for (const fault of tunnelFaults) await inject(fault, tunnelHostOf(fault), origins.tunnelPort)
  const capturePath = join(directory, 'soak.jsonl')
  const narrowPath = join(directory, 'narrow.jsonl')
  const proxy = await startProxyProcess(children, {
    allow: [...hosts, `${plainHost}:80`],
    connectTo,
    routes: [`${routeName}=https://${cleanHost}`],
    rootPem: root.certificatePem,
    capturePath,
    captureBytes,
    narrowPath,
    // One file, however long: it is read at the end.
    narrowBytes: 2 ** 40,
    connectTimeoutMs: 1500,
    idleTimeoutMs: 3000,
  })
  const closeOrigins = async (): Promise<void> => {
    await Promise.all(injectors.map((injector) => injector.close()))
    await origins.close()
  }
  return {
    ledger,
    children,
    proxy,
    capturePath,
    narrowPath,
    faultyHosts: Object.fromEntries(names.map((fault) => [fault, hostOf(fault)])),
    tunnelHosts: ['clean', 'clean', ...tunnelFaults].map(tunnelHostOf),
    closeOrigins,
    [Symbol.asyncDispose]: async () => {
      await children.stopAll()
      await closeOrigins()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
