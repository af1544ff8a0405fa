/** The soak's end of the proxy process: starts it, asks it for figures, looks at its files. */
import { readdirSync, readlinkSync } from 'node:fs'

import type { PortholeStats } from '../../src/porthole.ts'
import type { Children } from '../bench/children.ts'

export interface ProxySettings {
  readonly allow: readonly string[]
  readonly connectTo: ReadonlyArray<{
    readonly host: string
    readonly port: number
    /** Port on 127.0.0.1. */
    readonly to: number
  }>
  /** As `NAME=URL`. */
  readonly routes: readonly string[]
  readonly rootPem: string
  readonly capturePath: string
  readonly captureBytes: number
  /** Of a capture that cannot keep up, and what one of its files may hold at most. */
  readonly narrowPath: string
  readonly narrowBytes: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** Taken after a full collection of garbage. */
export interface ProxySample {
  readonly heapBytes: number
  readonly outsideBytes: number
  readonly rssBytes: number
  /** `process.getActiveResourcesInfo()`. */
  readonly resources: readonly string[]
  readonly stats: PortholeStats
  /** Messages that the capture with the short queue was given. */
  readonly offered: number
  /** Of the capture, and errors that nobody caught. */
  readonly problems: readonly string[]
  readonly isClosed: boolean
}

export interface ProxyProcess {
  readonly pid: number
  readonly port: number
  readonly caPem: string
  sample(): Promise<ProxySample>
  /** How many files of each kind the process has open. */
  openFiles(): Readonly<Record<string, number>>
  /** Closes the proxy; the process goes on, for a last sample. */
  close(): Promise<void>
  stop(): Promise<void>
}

const answerTimeoutMs = 60_000

export async function startProxyProcess(
  children: Children,
  settings: ProxySettings,
): Promise<ProxyProcess> {
  const child = await children.startNode({
    url: new URL('./proxy-program.ts', import.meta.url),
    args: [JSON.stringify(settings)],
    nodeArgs: ['--expose-gc'],
  })
  const { port, caPem } = child.ready as { readonly port: number; readonly caPem: string }
  return {
    pid: child.pid,
    port,
    caPem,
    sample: () => child.ask('sample', {}, answerTimeoutMs),
    openFiles: () => openFilesOf(child.pid),
    close: () => child.ask('close', {}, answerTimeoutMs),
    stop: () => child.stop(),
  }
}

/** From /proc: `socket`, `file`, and the rest by name; files that are gone again are left out. */
function openFilesOf(pid: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    let target: string
    try {
      target = readlinkSync(`/proc/${pid}/fd/${name}`)
    } catch {
      continue
    }
    const kind = target.startsWith('/') ? 'file' : (target.split(':', 1)[0] ?? '')
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}
