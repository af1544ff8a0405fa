/**
 * Measures: one workload after the other, in rounds that visit every variant once, forwards and
 * backwards in turn. CPU time and memory of the proxy are read between a warm start and the moment
 * at which it has come to rest again, so that neither start-up nor queued analysis is missed.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { Options } from './command-line.ts'
import type { Job, RoutedJob, StretchResult } from './load/jobs.ts'
import { loadBetween, memoryOf, readMoment, settledCpuSecondsOf, waitForQuiet } from './machine.ts'
import type { Stage } from './stage.ts'
import { quantile } from './statistics.ts'
import type { StartedVariant, Variant, VariantName } from './variants.ts'
import type { Metric, Workload } from './workloads.ts'

export interface Sample {
  readonly workload: string
  readonly variant: VariantName
  /** From 0; round 0 is dropped from every figure. */
  readonly round: number
  readonly metrics: Readonly<Partial<Record<Metric, number>>>
  readonly units: number
  readonly proxyCpuSeconds: number
  /** Body chunks that analysis dropped: with more than 0, its CPU time is told too low. */
  readonly dropped: number
  readonly foreignCores: number
  readonly stealCores: number
}

export interface Gap {
  readonly workload: string
  readonly variant: VariantName
  readonly reason: string
}

export interface Measured {
  readonly samples: readonly Sample[]
  readonly gaps: readonly Gap[]
}

/** Others may use so much of the machine, in cores, for it to count as quiet. */
const quietCores = 0.3
const openTimeoutMs = 60_000
/** Beyond a stretch's own length: what is under way may still end. */
const graceMs = 60_000
/** A variant that fails twice in one workload is left out of the rest of it. */
const maxFailures = 2

export async function measure(
  stage: Stage,
  options: Options,
  variants: readonly Variant[],
  tell: (line: string) => void,
): Promise<Measured> {
  const samples: Sample[] = []
  const gaps: Gap[] = []
  const standing: Standing = new Map()
  for (const workload of options.workloads) {
    const names = options.variantsOf(workload)
    const own = variants.filter(({ name }) => names.includes(name))
    const run = new WorkloadRun(stage, options, { workload, standing })
    for (const { variant, round } of visits(own, options.rounds)) {
      const result = await run.visit(variant, round)
      if (result === undefined) continue
      if ('metrics' in result) samples.push(result)
      else gaps.push(result)
      tell(describe(result, round, options.rounds))
    }
    await run.end()
  }
  await Promise.all([...standing.values()].map((started) => started.stop()))
  return { samples, gaps }
}

/** Round after round, forwards and backwards in turn. */
function* visits(
  variants: readonly Variant[],
  rounds: number,
): Generator<{ variant: Variant; round: number }> {
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? variants : variants.toReversed()
    for (const variant of order) yield { variant, round }
  }
}

function describe(result: Sample | Gap, round: number, rounds: number): string {
  const outcome = 'reason' in result ? result.reason : `${result.units} units`
  return `${result.workload} ${round + 1}/${rounds} ${result.variant}: ${outcome}`
}

/** Proxies that are up. */
type Standing = Map<VariantName, StartedVariant>

class WorkloadRun {
  readonly #stage: Stage
  readonly #options: Options
  readonly #workload: Workload
  readonly #standing: Standing
  readonly #isShared: boolean
  readonly #failures = new Map<VariantName, number>()

  constructor(
    stage: Stage,
    options: Options,
    { workload, standing }: { readonly workload: Workload; readonly standing: Standing },
  ) {
    this.#stage = stage
    this.#options = options
    this.#workload = workload
    // For a smoke check, a process may have seen other workloads: starting it is what takes time.
    this.#isShared = options.isQuick && !workload.freshProcess && !workload.watchesLoop
    this.#standing = this.#isShared ? standing : new Map()
  }

  /** A sample, or why there is none; undefined for a variant that was given up before. */
  async visit(variant: Variant, round: number): Promise<Sample | Gap | undefined> {
    const failures = this.#failures.get(variant.name) ?? 0
    if (failures >= maxFailures || this.#stage.signal.aborted) return undefined
    if (performance.now() > this.#options.limitMs) {
      this.#failures.set(variant.name, maxFailures)
      return this.#gap(variant, 'not measured: the time was up')
    }
    try {
      if (this.#options.quietMs > 0) await waitForQuiet(quietCores, this.#options.quietMs)
      const started = this.#standing.get(variant.name) ?? (await this.#start(variant))
      this.#standing.set(variant.name, started)
      const sample = await this.#sample(variant, started, round)
      if (this.#workload.freshProcess) await this.#stop(variant.name)
      return sample
    } catch (error) {
      this.#failures.set(variant.name, failures + 1)
      await this.#stop(variant.name)
      await this.#stage.restartClient()
      return this.#gap(variant, error instanceof Error ? error.message : String(error))
    }
  }

  async end(): Promise<void> {
    if (this.#isShared) return
    for (const name of this.#standing.keys()) await this.#stop(name)
  }

  #gap(variant: Variant, reason: string): Gap {
    return { workload: this.#workload.name, variant: variant.name, reason }
  }

  #start(variant: Variant): Promise<StartedVariant> {
    const { name, watchesLoop } = this.#workload
    const { cpuProfiles } = this.#options
    const nodeArgs = [
      ...(watchesLoop ? ['--import', new URL('./loop-delay.ts', import.meta.url).href] : []),
      ...(cpuProfiles === undefined
        ? []
        : [
            '--cpu-prof',
            `--cpu-prof-dir=${cpuProfiles}`,
            `--cpu-prof-name=${name}.${variant.name}.cpuprofile`,
          ]),
    ]
    return variant.start({
      children: this.#stage.children,
      originPort: this.#stage.originPort,
      rootPath: this.#stage.rootPath,
      directory: mkdtempSync(join(this.#stage.directory, `${variant.name}-`)),
      nodeArgs,
      mockttpPath:
        this.#stage.mockttpPath === undefined
          ? undefined
          : pathToFileURL(this.#stage.mockttpPath).href,
    })
  }

  async #stop(name: VariantName): Promise<void> {
    const started = this.#standing.get(name)
    this.#standing.delete(name)
    await started?.stop()
  }

  async #sample(variant: Variant, started: StartedVariant, round: number): Promise<Sample> {
    const { originPort } = this.#stage
    const client = this.#stage.client()
    const { pid, route, caPem } = started
    const own: Job =
      variant.endsConnections === true ? { ...this.#workload.job, fresh: true } : this.#workload.job
    const job: RoutedJob = { ...own, route, caPem, originPort }
    await client.ask('open', job, openTimeoutMs)
    try {
      const cpuBefore = pid === undefined ? 0 : await settledCpuSecondsOf(pid)
      const idle = pid === undefined ? undefined : memoryOf(pid)
      const droppedBefore = (await started.dropped?.()) ?? 0
      const from = readMoment()
      const passes: Pass[] = []
      for (let done = 0; done < this.#workload.stretches; done += 1) {
        passes.push(await this.#pass(started))
      }
      const load = loadBetween(from, readMoment())
      const proxyCpuSeconds = pid === undefined ? 0 : (await settledCpuSecondsOf(pid)) - cpuBefore
      const peak = pid === undefined ? undefined : memoryOf(pid)
      const units = sum(passes.map(({ result }) => this.#unitsOf(result)))
      if (units === 0) throw new Error('not one unit of work was done')
      return {
        workload: this.#workload.name,
        variant: variant.name,
        round,
        metrics: {
          ...passMetrics(passes, units),
          ...(pid === undefined ? {} : { cpuUsPerUnit: (proxyCpuSeconds * 1e6) / units }),
          ...(idle === undefined || peak === undefined
            ? {}
            : { peakMb: peak.peakMb, growthMb: peak.peakMb - idle.residentMb }),
        },
        units,
        proxyCpuSeconds,
        dropped: ((await started.dropped?.()) ?? 0) - droppedBefore,
        ...load,
      }
    } finally {
      await client.ask('close', undefined, openTimeoutMs)
    }
  }

  async #pass({ child, pid }: StartedVariant): Promise<Pass> {
    const { watchesLoop, stretch } = this.#workload
    const watched = watchesLoop ? child : undefined
    await watched?.ask('loop-delay-start', undefined, openTimeoutMs)
    const timeoutMs = stretch.durationMs + graceMs
    const result = await this.#stage.client().ask<StretchResult>('run', stretch, timeoutMs)
    if (watched === undefined || pid === undefined) return { result }
    // What is analysed after the answer has gone out stalls the loop all the same.
    await settledCpuSecondsOf(pid)
    const stallMs = await watched.ask<number>('loop-delay-read', undefined, openTimeoutMs)
    return { result, stallMs }
  }

  #unitsOf(result: StretchResult): number {
    return this.#workload.unit === 'event' ? result.events : result.exchanges
  }
}

interface Pass {
  readonly result: StretchResult
  /** The longest time for which nothing else could run. */
  readonly stallMs?: number
}

function passMetrics(passes: readonly Pass[], units: number): Partial<Record<Metric, number>> {
  const results = passes.map(({ result }) => result)
  const stalls = passes.map(({ stallMs }) => stallMs).filter((stall) => stall !== undefined)
  const metrics: Partial<Record<Metric, number>> = {
    unitsPerSecond: units / sum(results.map(({ seconds }) => seconds)),
    p50Ms: middle(results.map(({ exchange }) => exchange.p50Ms)),
    p99Ms: middle(results.map(({ exchange }) => exchange.p99Ms)),
    headP50Ms: middle(results.map(({ head }) => head.p50Ms)),
    eventP50Ms: middle(results.map(({ event }) => event.p50Ms)),
    eventP99Ms: middle(results.map(({ event }) => event.p99Ms)),
    stallP50Ms: quantile(stalls, 0.5),
    stallP99Ms: quantile(stalls, 0.99),
  }
  // A delay that was not measured comes as NaN, or as null from another process.
  const measured = Object.entries(metrics).filter(([, value]) => Number.isFinite(value))
  return Object.fromEntries(measured)
}

function middle(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
