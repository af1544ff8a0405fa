/**
 * Turns samples into tables: medians with quartiles, ratios as medians of the ratios within a
 * round, and the targets beside what was measured. It states figures and the circumstances under
 * which they came about; what they prove is for the reader to say.
 */
import type { MachineFacts } from './machine.ts'
import type { Gap, Measured, Sample } from './measure.ts'
import { spreadOf } from './statistics.ts'
import type { Spread } from './statistics.ts'
import { targets } from './targets.ts'
import type { Target } from './targets.ts'
import type { VariantName } from './variants.ts'
import type { Metric, Workload } from './workloads.ts'

export interface Report {
  readonly machine: MachineFacts
  readonly isQuick: boolean
  readonly rounds: number
  readonly workloads: readonly Workload[]
  readonly variants: ReadonlyArray<{ readonly name: VariantName; readonly what: string }>
  readonly skipped: ReadonlyArray<{ readonly name: VariantName; readonly reason: string }>
  readonly measured: Measured
}

export interface TargetRow {
  readonly target: Target
  readonly measured: Spread | undefined
}

type Comparison = Target['against']

const titles: Readonly<Record<Metric, string>> = {
  cpuUsPerUnit: 'CPU µs/unit',
  unitsPerSecond: 'units/s',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  headP50Ms: 'head p50 ms',
  eventP50Ms: 'event p50 ms',
  eventP99Ms: 'event p99 ms',
  peakMb: 'peak MB',
  growthMb: 'growth MB',
  stallP50Ms: 'stall p50 ms',
  stallP99Ms: 'stall p99 ms',
}

export function targetRows({ measured }: Pick<Report, 'measured'>): TargetRow[] {
  return targets.map((target) => ({
    target,
    measured: compare(measured.samples, target, target.metric, target.against),
  }))
}

export function renderReport(report: Report): string {
  const { machine, workloads, variants, skipped, measured } = report
  const lines = [
    `${machine.date}  Node ${machine.node}  ${machine.system}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; load average at the start ${machine.loadAverage.join(' ')}`,
    `${report.rounds} rounds, the first dropped; median [quartiles]; CPU is the proxy's user and system time`,
    ...(report.isQuick
      ? ['QUICK: a smoke check with cold processes; its figures mean nothing']
      : []),
    '',
    ...variants.map(({ name, what }) => `  ${name.padEnd(30)}${what}`),
    ...skipped.map(({ name, reason }) => `  ${name.padEnd(30)}skipped: ${reason}`),
  ]
  for (const workload of workloads) lines.push('', ...workloadTable(workload, measured))
  lines.push('', ...targetTable(targetRows(report)))
  return `${lines.join('\n')}\n`
}

function workloadTable(workload: Workload, { samples, gaps }: Measured): string[] {
  const kept = samples.filter((sample) => sample.workload === workload.name && sample.round > 0)
  const names = [...new Set(kept.map(({ variant }) => variant))].sort()
  const comparisons = comparisonsOf(workload).filter(({ baseline }) => names.includes(baseline))
  const header = [
    workload.name,
    ...workload.metrics.map((metric) => titles[metric]),
    ...comparisons.map(({ how, baseline }) => `${how === 'ratio' ? '×' : '+'} ${baseline}`),
  ]
  const rows = names.map((variant) => {
    const own = workload.metrics.map((metric) => spreadOf(valuesOf(kept, variant, metric)))
    const compared = comparisons.map(({ metric, ...against }) =>
      compare(kept, { workload: workload.name, variant }, metric, against),
    )
    const cells: string[] = own.concat(compared).map(show)
    return cells.toSpliced(0, 0, variant)
  })
  return [
    `${workload.title}; unit: ${workload.unit}`,
    ...align([header, ...rows]),
    `  ${circumstances(kept)}`,
    ...gaps.filter((gap) => gap.workload === workload.name).map(describeGap),
  ]
}

/** Times are set against going direct; CPU time, or else the first metric, against other proxies. */
function comparisonsOf(
  workload: Workload,
): Array<{ metric: Metric; how: 'ratio' | 'difference'; baseline: VariantName }> {
  const [first = 'cpuUsPerUnit'] = workload.metrics
  const isMemory = first === 'peakMb'
  const metric = workload.metrics.includes('cpuUsPerUnit') && !isMemory ? 'cpuUsPerUnit' : first
  return workload.baselines.map((baseline) =>
    baseline === 'direct'
      ? { metric: first, how: 'difference', baseline }
      : { metric, how: 'ratio', baseline },
  )
}

function compare(
  samples: readonly Sample[],
  { workload, variant }: Pick<Target, 'workload' | 'variant'>,
  metric: Metric,
  against: Comparison,
): Spread | undefined {
  const kept = samples.filter((sample) => sample.workload === workload && sample.round > 0)
  if (against.how === 'value') return spreadOf(valuesOf(kept, variant, metric))
  const values: number[] = []
  for (const sample of kept.filter((candidate) => candidate.variant === variant)) {
    const other = kept.find(
      (candidate) => candidate.variant === against.baseline && candidate.round === sample.round,
    )
    const [own, base] = [sample.metrics[metric], other?.metrics[metric]]
    if (own === undefined || base === undefined) continue
    if (against.how === 'difference') values.push(own - base)
    else if (base > 0) values.push(own / base)
  }
  return spreadOf(values)
}

function valuesOf(samples: readonly Sample[], variant: VariantName, metric: Metric): number[] {
  return samples
    .filter((sample) => sample.variant === variant)
    .map(({ metrics }) => metrics[metric])
    .filter((value) => value !== undefined)
}

function circumstances(samples: readonly Sample[]): string {
  const foreign = spreadOf(samples.map(({ foreignCores }) => foreignCores))
  const steal = spreadOf(samples.map(({ stealCores }) => stealCores))
  const dropped = samples.filter((sample) => sample.dropped > 0)
  const losses = [...new Set(dropped.map(({ variant }) => variant))]
  return [
    `other work: ${show(foreign)} cores, steal: ${show(steal)} cores`,
    ...(losses.length === 0
      ? []
      : [`analysis dropped body chunks in ${losses.join(', ')}: its CPU is told too low`]),
  ].join('; ')
}

function describeGap({ variant, reason }: Gap): string {
  return `  ${variant}: ${reason}`
}

function targetTable(rows: readonly TargetRow[]): string[] {
  const table = rows
    .filter(({ measured }) => measured !== undefined)
    .map(({ target, measured }) => [
      target.what,
      target.variant,
      describeAgainst(target.against),
      show(measured),
      `${target.atMost}${target.unit === '' ? '' : ` ${target.unit}`}`,
      String(measured?.count ?? 0),
    ])
  if (table.length === 0) return ['targets: none of them was measured']
  return align([['target', 'variant', 'against', 'measured', 'at most', 'rounds'], ...table])
}

function describeAgainst(against: Comparison): string {
  if (against.how === 'value') return 'absolute'
  return `${against.how === 'ratio' ? '×' : 'over'} ${against.baseline}`
}

function show(spread: Spread | undefined): string {
  if (spread === undefined) return '–'
  const { median, lower, upper, count } = spread
  return count === 1 ? digits(median) : `${digits(median)} [${digits(lower)}–${digits(upper)}]`
}

/** Three significant digits, never in exponents. */
function digits(value: number): string {
  const size = Math.abs(value)
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

function align(rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `  ${cells.join('  ')}`
  })
}
