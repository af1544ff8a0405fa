/**
 * What is compared: each variant says why it cannot run here, or starts a proxy process in front of
 * the origin. Programs other than Node's live in `other-proxies.ts`.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { builtUrl, missingBuild } from './built.ts'
import type { Children, NodeChild } from './children.ts'
import type { Route } from './load/client-connection.ts'
import { otherVariants } from './other-proxies.ts'

export const variantNames = [
  'direct',
  'tunnel',
  'porthole',
  'porthole-bare',
  'porthole-audit',
  'porthole-start',
  'http-mitm-proxy',
  'http-mitm-proxy-no-keepalive',
  'forwarder',
  'mockttp',
  'mitmproxy',
  'squid',
  'sslsplit',
  'privoxy',
  'haproxy',
] as const
export type VariantName = (typeof variantNames)[number]

/** All that run when none are named: these are the same engine once more. */
export const defaultVariants: readonly VariantName[] = variantNames.filter(
  (name) => name !== 'porthole-start' && name !== 'porthole-audit',
)

export interface Surroundings {
  readonly children: Children
  readonly originPort: number
  /** PEM of the root that the origin's certificate comes from. */
  readonly rootPath: string
  /** A new, empty folder for this start. */
  readonly directory: string
  /** Added to Node's arguments in the proxy's process. */
  readonly nodeArgs: readonly string[]
  /** Where mockttp was installed, if it was asked for. */
  readonly mockttpPath: string | undefined
}

export interface StartedVariant {
  /** Undefined where there is no proxy. */
  readonly pid?: number
  readonly route: Route
  readonly caPem: string
  /** Set for Node programs: what `loop-delay.ts` answers through, where it is loaded. */
  readonly child?: NodeChild
  /** Body chunks that analysis could not keep up with, since the start. */
  dropped?(): Promise<number>
  stop(): Promise<void>
}

export interface Variant {
  readonly name: VariantName
  readonly what: string
  /** It ends each connection after one answer: the client opens a new one for every request. */
  readonly endsConnections?: boolean
  /** Why it cannot run, or undefined. */
  missing(surroundings: Pick<Surroundings, 'mockttpPath'>): string | undefined
  start(surroundings: Surroundings): Promise<StartedVariant>
}

export const variants: readonly Variant[] = [
  {
    name: 'direct',
    what: 'no proxy',
    missing: () => undefined,
    start: ({ originPort, rootPath }) =>
      Promise.resolve({
        route: { kind: 'direct', port: originPort },
        caPem: readFileSync(rootPath, 'utf8'),
        stop: () => Promise.resolve(),
      }),
  },
  {
    name: 'tunnel',
    what: 'blind tunnel through Porthole',
    missing: missingBuild,
    start: async (around) => ({
      ...(await startPorthole('tunnel', around)),
      caPem: readFileSync(around.rootPath, 'utf8'),
    }),
  },
  {
    name: 'porthole',
    what: 'Porthole, default analyzers, JSONL capture',
    missing: missingBuild,
    start: (around) => startPorthole('full', around),
  },
  {
    name: 'porthole-bare',
    what: 'Porthole without analyzers and capture',
    missing: missingBuild,
    start: (around) => startPorthole('bare', around),
  },
  {
    name: 'porthole-audit',
    what: 'the same, and each decision and its outcome in the audit',
    missing: missingBuild,
    start: (around) => startPorthole('audit', around),
  },
  {
    name: 'porthole-start',
    what: 'the command `porthole start`: also control socket, summary, a line per call',
    missing: missingBuild,
    start: startCommand,
  },
  {
    name: 'http-mitm-proxy',
    what: 'http-mitm-proxy with keepAlive switched on, in its favour',
    missing: () => undefined,
    start: (around) => startHttpMitmProxy(true, around),
  },
  {
    name: 'http-mitm-proxy-no-keepalive',
    what: 'http-mitm-proxy as shipped: each request closes its connections, on both sides',
    endsConnections: true,
    missing: () => undefined,
    start: (around) => startHttpMitmProxy(false, around),
  },
  {
    name: 'forwarder',
    what: "Porthole's exchange and forwarder on plain node:https",
    missing: missingBuild,
    start: (around) =>
      startNodeProxy(new URL('./proxies/forwarder.ts', import.meta.url), {}, around),
  },
  {
    name: 'mockttp',
    what: 'mockttp, passing through',
    missing: ({ mockttpPath }) =>
      mockttpPath === undefined ? 'not asked for: --with mockttp installs it' : undefined,
    start: (around) =>
      startNodeProxy(
        new URL('./proxies/mockttp.ts', import.meta.url),
        { modulePath: around.mockttpPath },
        around,
      ),
  },
  ...otherVariants,
]

function startHttpMitmProxy(keepAlive: boolean, around: Surroundings): Promise<StartedVariant> {
  const url = new URL('./proxies/http-mitm-proxy.ts', import.meta.url)
  return startNodeProxy(url, { keepAlive }, around)
}

async function startPorthole(mode: string, around: Surroundings): Promise<StartedVariant> {
  const url = new URL('./proxies/porthole.ts', import.meta.url)
  const started = await startNodeProxy(url, { mode }, around)
  return { ...started, dropped: () => started.child.ask<number>('dropped', undefined, 5000) }
}

async function startNodeProxy(
  url: URL,
  settings: object,
  around: Surroundings,
): Promise<StartedVariant & { readonly child: NodeChild }> {
  const { originPort, rootPath, directory } = around
  const child = await around.children.startNode({
    url,
    args: [JSON.stringify({ ...settings, originPort, rootPath, directory })],
    nodeArgs: around.nodeArgs,
    // http-mitm-proxy has no option for upstream roots.
    env: { NODE_EXTRA_CA_CERTS: rootPath, TMPDIR: directory },
  })
  const { port, caPem } = child.ready as { readonly port: number; readonly caPem: string }
  return {
    pid: child.pid,
    route: { kind: 'connect', port },
    caPem,
    child,
    stop: () => child.stop(),
  }
}

interface ReadyFile {
  readonly port: number
  readonly caCert: string
}

/** How long `porthole start` may take to write its ready file, in milliseconds. */
const readyLimitMs = 15_000

async function startCommand(around: Surroundings): Promise<StartedVariant> {
  const home = join(around.directory, 'home')
  mkdirSync(home, { mode: 0o700 })
  const readyFile = join(around.directory, 'ready.json')
  const child = await around.children.startNode({
    url: builtUrl('src/main.js'),
    args: [
      'start',
      '--no-viewer',
      '--listen',
      '127.0.0.1:0',
      '--home',
      home,
      '--ready-file',
      readyFile,
      '--allow',
      `localhost:${around.originPort}`,
      '--upstream-ca',
      around.rootPath,
      '--connect-to',
      `localhost:${around.originPort}=127.0.0.1:${around.originPort}`,
      '--capture',
      join(around.directory, 'capture.jsonl'),
    ],
    nodeArgs: around.nodeArgs,
    env: { TMPDIR: around.directory },
    speaks: false,
  })
  const deadline = performance.now() + readyLimitMs
  while (!existsSync(readyFile)) {
    if (performance.now() > deadline) throw new Error('porthole start wrote no ready file')
    await delay(50)
  }
  const { port, caCert } = JSON.parse(readFileSync(readyFile, 'utf8')) as ReadyFile
  return {
    pid: child.pid,
    route: { kind: 'connect', port },
    caPem: readFileSync(caCert, 'utf8'),
    child,
    stop: () => child.stop(),
  }
}
