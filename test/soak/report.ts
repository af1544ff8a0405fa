/** What a soak or a series of kills came to, for people to read. */
import type { KillsReport } from './kills.ts'
import { mebibytes, memoryCriterion } from './memory.ts'
import type { Leftovers, SoakReport } from './soak.ts'

export function renderSoak(report: SoakReport): string {
  const { figures, before, after } = report
  const perSecond = (report.begun / report.seconds).toFixed(0)
  const lines = [
    `seed ${report.seed}, ${report.seconds.toFixed(0)} s`,
    `begun      ${report.begun} exchanges and tunnels (${perSecond}/s); clients saw ${listed(report.outcomes)}`,
    `recorded   ${figures.exchanges} exchanges, ${figures.completed} completed; ${figures.tunnels} tunnels; ${figures.connections} connections`,
    `           ${figures.lines} lines, ${mebibytes(figures.recordedBytes)} of bodies, each compared with what was sent`,
    `failed     ${listed(figures.failed)}`,
    `drops      ${figures.toldDrops.count} of the analysis, all told; of a capture with a short queue ${report.narrow.dropped} told beside ${report.narrow.lines} lines`,
    `memory     ${memoryCriterion}`,
    ...report.growth.map(
      ({ name, fromBytes, toBytes, isFlat }) =>
        `           ${name}: ${mebibytes(fromBytes)} → ${mebibytes(toBytes)} ${isFlat ? 'flat' : 'GREW'}`,
    ),
    ...(report.growth.length === 0 ? ['           too short to say anything'] : []),
    `before     ${leftovers(before)}`,
    `settled    ${leftovers(after)}`,
    `closed     ${report.atEnd.join(', ') || 'nothing left'}`,
    ...renderViolations(report.violations),
  ]
  return `${lines.join('\n')}\n`
}

export function renderKills(report: KillsReport): string {
  const lines = [
    `seed ${report.seed}`,
    `kills      ${report.kills}, of them ${report.killedWhileStarting} while starting; each followed by a start`,
    `exchanges  ${report.exchanges}; lost though complete: ${report.lost}, the oldest over ${report.oldestLostMs} ms before its kill`,
    `capture    ${report.cutOffLines} lines cut off, every other one readable`,
    `left over  ${report.leftovers.length === 0 ? 'nothing' : report.leftovers.join(', ')}`,
    ...renderViolations(report.violations),
  ]
  return `${lines.join('\n')}\n`
}

function renderViolations(violations: readonly string[]): string[] {
  if (violations.length === 0) return ['violations none']
  return [`violations ${violations.length}`, ...violations.map((text) => `  ${text}`)]
}

function leftovers({ resources, files, connections, exchanges }: Leftovers): string {
  return `${listed(resources)} | open: ${listed(files)} | ${connections} connections, ${exchanges} exchanges`
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).toSorted(([, a], [, b]) => b - a)
  return entries.map(([name, count]) => `${count} ${name}`).join(', ') || 'none'
}
