/**
 * The soak: mixed traffic with faults for a while, in windows; between two windows everything comes
 * to rest and the proxy is measured. At the end nothing may be left, and the capture must agree
 * with what clients and origins saw.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { rotatedPath } from '../../src/capture/rotated-files.ts'
import { Audit } from './audit.ts'
import type { AuditFigures } from './audit.ts'
import { cleanHost, layGround, plainHost, routeName } from './ground.ts'
import type { Ground } from './ground.ts'
import { growthOf } from './memory.ts'
import type { Growth } from './memory.ts'
import type { ProxySample } from './proxy-process.ts'
import { Traffic } from './traffic.ts'

export interface SoakReport {
  readonly seed: number
  readonly seconds: number
  readonly begun: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly figures: AuditFigures
  /** Of the capture with the short queue. */
  readonly narrow: { readonly lines: number; readonly dropped: number }
  readonly samples: readonly ProxySample[]
  readonly growth: readonly Growth[]
  readonly before: Leftovers
  readonly after: Leftovers
  readonly atEnd: readonly string[]
  readonly violations: readonly string[]
}

/** What a process holds, by kind. */
export interface Leftovers {
  readonly resources: Readonly<Record<string, number>>
  readonly files: Readonly<Record<string, number>>
  readonly connections: number
  readonly exchanges: number
}

export interface SoakPlan {
  readonly minutes: number
  readonly seed: number
  readonly workers: number
  readonly tell: (line: string) => void
}

/** Exchanges at most, whatever the time: what the ledger holds in memory is bounded by it. */
const maxExchanges = 500_000
/** How long the proxy may take to let go of what its clients and upstreams have left. */
const settleMs = 20_000
/** The same for the last files to be compressed, which takes what it takes on a busy machine. */
const compressionMs = 240_000

export async function soak(plan: SoakPlan): Promise<SoakReport> {
  await using ground = await layGround(plan.seed)
  const { ledger, proxy } = ground
  const audit = new Audit(ledger)
  const before = await lookAt(ground)
  const startedMs = performance.now()
  const traffic = new Traffic({
    ledger,
    proxyPort: proxy.port,
    caPem: proxy.caPem,
    seed: plan.seed,
    workers: plan.workers,
    maxExchanges,
    faulty: ground.faultyHosts,
    cleanHost,
    plainHost,
    tunnelHosts: ground.tunnelHosts,
    routeName,
  })
  const files = new FinishedFiles(ground.capturePath, audit)
  const samples = await runWindows(plan, ground, traffic, files)
  await traffic.stop()
  const seconds = (performance.now() - startedMs) / 1000
  await ground.closeOrigins()
  const after = await settle(ground, before, audit)
  const last = await proxy.sample()
  await proxy.close()
  const end = await proxy.sample()
  for (const problem of end.problems) audit.violate(`the proxy told: ${problem}`)
  plan.tell('reading the capture')
  await files.readRest()
  const narrow = await audit.readNarrow(ground.narrowPath, end.offered)
  const figures = audit.finish(last.stats.droppedMessages)
  const growth = growthOf(samples)
  for (const { name, isFlat } of growth) if (!isFlat) audit.violate(`memory grew: ${name}`)
  return {
    seed: plan.seed,
    seconds,
    begun: ledger.clients.size,
    outcomes: countBy([...ledger.clients.values()], ({ outcome }) => outcome),
    figures,
    narrow,
    samples,
    growth,
    before,
    after,
    atEnd: leftAtEnd(end, audit),
    violations: audit.violations,
  }
}

/** At least nine windows, so that there are halves to compare; a minute at most. */
async function runWindows(
  plan: SoakPlan,
  ground: Ground,
  traffic: Traffic,
  files: FinishedFiles,
): Promise<ProxySample[]> {
  const windowMs = Math.min(60_000, (plan.minutes * 60_000) / 9)
  const untilMs = performance.now() + plan.minutes * 60_000
  const samples: ProxySample[] = []
  while (performance.now() < untilMs) {
    const windowEndMs = Math.min(performance.now() + windowMs, untilMs)
    while (performance.now() < windowEndMs) {
      await delay(Math.min(1000, windowEndMs - performance.now()))
      await files.readFinished()
    }
    await traffic.pause()
    const sample = await ground.proxy.sample()
    samples.push(sample)
    plan.tell(describeSample(sample, ground.ledger.clients.size))
    traffic.resume()
  }
  return samples
}

function describeSample({ heapBytes, outsideBytes, rssBytes, stats }: ProxySample, begun: number) {
  const [heap, rss] = [heapBytes + outsideBytes, rssBytes].map((it) => (it / 2 ** 20).toFixed(1))
  return `${begun} begun · heap + buffers ${heap} MiB · RSS ${rss} MiB · ${stats.connections} connections · ${stats.droppedMessages} dropped`
}

/** Files that rotation has finished with: each is read once it is compressed, and then removed. */
class FinishedFiles {
  readonly #path: string
  readonly #audit: Audit
  #next = 1

  constructor(path: string, audit: Audit) {
    this.#path = path
    this.#audit = audit
  }

  async readFinished(): Promise<void> {
    for (;;) {
      const plain = rotatedPath(this.#path, this.#next)
      if (existsSync(plain) || !existsSync(`${plain}.gz`)) return
      await this.#audit.readFile(`${plain}.gz`)
      // The last one stays: the writer counts on from the highest number that it finds.
      rmSync(`${rotatedPath(this.#path, this.#next - 1)}.gz`, { force: true })
      this.#next += 1
    }
  }

  /** After the writer has closed: compressed or not, and the last one. */
  async readRest(): Promise<void> {
    for (;;) {
      const plain = rotatedPath(this.#path, this.#next)
      const path = [plain, `${plain}.gz`].find((candidate) => existsSync(candidate))
      if (path === undefined) break
      await this.#audit.readFile(path)
      this.#next += 1
    }
    // Under a rotated name it is read alone: the earlier ones have been read.
    const last = rotatedPath(this.#path, this.#next)
    renameSync(this.#path, last)
    await this.#audit.readFile(last)
  }
}

async function lookAt({ proxy }: Ground): Promise<Leftovers> {
  const { resources, stats } = await proxy.sample()
  const { connections, exchanges } = stats
  return {
    resources: countBy(resources, (it) => it),
    files: proxy.openFiles(),
    connections,
    exchanges,
  }
}

/** Waits until the proxy holds no more than before; what it holds beyond that then is a leak. */
async function settle(ground: Ground, before: Leftovers, audit: Audit): Promise<Leftovers> {
  const startMs = performance.now()
  for (;;) {
    // Rotated, and not yet compressed; asked first, for it may end while we look.
    const isCompressing = readdirSync(dirname(ground.capturePath)).some((name) =>
      /\.\d+\.jsonl$/u.test(name),
    )
    const after = await lookAt(ground)
    const leaks = excess(before, after)
    if (leaks.length === 0) return after
    if (performance.now() - startMs > (isCompressing ? compressionMs : settleMs)) {
      for (const leak of leaks) audit.violate(`left behind: ${leak}`)
      return after
    }
    await delay(250)
  }
}

/** The channel to us and the output that we read. */
const own: ReadonlySet<string> = new Set(['PipeWrap', 'WriteWrap'])

function excess(before: Leftovers, after: Leftovers): string[] {
  const more = (what: string, from: Leftovers['files'], to: Leftovers['files']): string[] =>
    Object.entries(to)
      .filter(([kind, count]) => !own.has(kind) && count > (from[kind] ?? 0))
      .map(([kind, count]) => `${what} ${kind}: ${count}, before ${from[kind] ?? 0}`)
  return [
    ...more('resource', before.resources, after.resources),
    ...more('open', before.files, after.files),
    ...(after.connections > 0 ? [`${after.connections} connections`] : []),
    ...(after.exchanges > 0 ? [`${after.exchanges} exchanges`] : []),
  ]
}

/** Once closed, nothing but the channel to us may keep the process alive. */
function leftAtEnd({ resources, isClosed }: ProxySample, audit: Audit): readonly string[] {
  if (!isClosed) audit.violate('the proxy did not close')
  const left = resources.filter((kind) => !own.has(kind))
  for (const kind of left) audit.violate(`after closing: ${kind}`)
  return resources
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1
  return counts
}
