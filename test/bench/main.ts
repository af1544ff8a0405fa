/**
 * `npm run bench`: what Porthole costs beside other proxies, on this machine, now. Origin, proxy and
 * load client are processes of their own on loopback. Needs Linux (CPU time and memory are read
 * from /proc) and a built dist/. It is no test: it passes or fails nothing.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { benchAnalyzers } from './analyzers.ts'
import { chooseBuild, missingBuild } from './built.ts'
import { parseCommandLine } from './command-line.ts'
import type { Options } from './command-line.ts'
import { benchInjection } from './injection.ts'
import { readMachineFacts } from './machine.ts'
import { measure } from './measure.ts'
import { renderReport, targetRows } from './report.ts'
import type { Report } from './report.ts'
import { openStage } from './stage.ts'
import { benchTokens } from './tokens.ts'
import { variants } from './variants.ts'
import { benchViewer } from './viewer.ts'

// A reader that has seen enough (`… | head`) ends the output, not the clearing up.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

await main()

async function main(): Promise<void> {
  const parsed = parseCommandLine(process.argv.slice(2))
  if ('rounds' in parsed) {
    const run = parsed.type === 'viewer' ? benchViewer : benchAnalyzers
    await print(() => run(parsed.rounds))
    return
  }
  if (parsed.type === 'injection' || parsed.type === 'tokens') {
    await print(parsed.type === 'tokens' ? benchTokens : benchInjection)
    return
  }
  if (parsed.type !== 'options') {
    process.exitCode = parsed.type === 'help' ? 0 : 2
    const stream = parsed.type === 'help' ? process.stdout : process.stderr
    stream.write(`${parsed.text}\n`)
    return
  }
  if (parsed.options.dist !== undefined) chooseBuild(parsed.options.dist)
  const problem = missingGround()
  if (problem === undefined) await bench(parsed.options)
  else {
    process.exitCode = 2
    process.stderr.write(`${problem}\n`)
  }
}

async function print(measured: () => Promise<string>): Promise<void> {
  const problem = missingBuild()
  if (problem === undefined) process.stdout.write(`${await measured()}\n`)
  else process.stderr.write(`${problem}\n`)
  process.exitCode = problem === undefined ? 0 : 2
}

function missingGround(): string | undefined {
  if (!existsSync('/proc/self/stat')) return 'the benchmark needs Linux: it reads /proc'
  return missingBuild()
}

async function bench(options: Options): Promise<void> {
  const machine = readMachineFacts()
  const stage = await openStage(options.withMockttp)
  try {
    const names = new Set(options.workloads.flatMap((workload) => options.variantsOf(workload)))
    const wanted = variants.filter(({ name }) => names.has(name))
    const skipped = wanted.flatMap((variant) => {
      const reason = variant.missing(stage)
      return reason === undefined ? [] : [{ name: variant.name, reason }]
    })
    const able = wanted.filter(({ name }) => !skipped.some((skip) => skip.name === name))
    const tell = (line: string): void => void process.stderr.write(`${line}\n`)
    const measured = await measure(stage, options, able, tell)
    if (stage.signal.aborted) return
    const report: Report = {
      machine,
      isQuick: options.isQuick,
      rounds: options.rounds,
      workloads: options.workloads,
      variants: able.map(({ name, what }) => ({ name, what })),
      skipped,
      measured,
    }
    process.stdout.write(`\n${renderReport(report)}`)
    const path = options.out ?? join(tmpdir(), `porthole-bench-${Date.now()}.json`)
    writeFileSync(path, `${JSON.stringify({ ...report, targets: targetRows(report) }, null, 2)}\n`)
    process.stdout.write(`\nsamples: ${path}\n`)
  } finally {
    await stage.close()
  }
}
