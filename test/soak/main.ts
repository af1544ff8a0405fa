/**
 * `npm run soak`: a proxy under mixed traffic and faults for minutes, or killed again and again; see
 * `command-line.ts`. Needs Linux (it reads /proc) and a built dist/. Exit code 1 on any violation.
 */
import { existsSync } from 'node:fs'

import { missingBuild } from '../bench/built.ts'
import { parseCommandLine, usage } from './command-line.ts'
import { runKills } from './kills.ts'
import { renderKills, renderSoak } from './report.ts'
import { soak } from './soak.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const tell = (line: string): void => void process.stderr.write(`${line}\n`)
  let options
  try {
    options = parseCommandLine(args, Date.now() % 2 ** 31)
  } catch (error) {
    tell(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  if (options.help) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  const missing = existsSync('/proc/self/fd')
    ? missingBuild()
    : 'the soak needs Linux: it reads /proc'
  if (missing !== undefined) {
    tell(missing)
    return 2
  }
  tell(`seed ${options.seed}`)
  if (options.kills !== undefined) {
    const report = await runKills({ kills: options.kills, seed: options.seed, tell })
    process.stdout.write(renderKills(report))
    return report.violations.length === 0 ? 0 : 1
  }
  const report = await soak({ ...options, tell })
  process.stdout.write(renderSoak(report))
  return report.violations.length === 0 ? 0 : 1
}
