/**
 * `node test/bench/open-capture.ts FILE`: opens a capture as `porthole view` does, without drawing,
 * and prints when the first page of rows was there, when the last, and the memory it took.
 */
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { keepHeapSmall, keepYoungGenerationSmall } from '../../src/cli/collector.ts'
import { createFileSource } from '../../src/control/file-source.ts'
import { applyMessage, createViewState } from '../../src/tui/model.ts'
import { captureViewLimits } from '../../src/tui/view-limits.ts'

const pageRows = 40

async function main(path: string): Promise<void> {
  keepYoungGenerationSmall()
  keepHeapSmall()
  const startedAt = performance.now()
  const state = createViewState(captureViewLimits)
  const source = createFileSource(path, { analyzers: defaultAnalyzers })
  const ended = Promise.withResolvers<void>()
  let pageMs: number | undefined
  let longestMs = 0
  let lastTurn = startedAt
  const turns = setInterval(() => {
    const now = performance.now()
    longestMs = Math.max(longestMs, now - lastTurn)
    lastTurn = now
  }, 5)
  const statuses: string[] = []
  source.start({
    onMessage(msg, origin) {
      applyMessage(state, msg, origin)
      if (state.rows.length >= pageRows) pageMs ??= performance.now() - startedAt
    },
    onStatus: (text) => void statuses.push(text),
    onEnd: () => ended.resolve(),
  })
  await ended.promise
  clearInterval(turns)
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`
  const { heapUsed, external, rss } = process.memoryUsage()
  const inMb = (bytes: number): string => (bytes / 1e6).toFixed(0)
  const { maxRSS } = process.resourceUsage()
  process.stdout.write(
    `first page ${seconds(pageMs ?? NaN)}, all ${seconds(performance.now() - startedAt)}, ` +
      `${state.rows.length} rows (${state.trimmedRows} without details), ` +
      `most memory ${Math.round(maxRSS / 1024)} MB, longest turn ${Math.round(longestMs)} ms, ` +
      `at the end ${inMb(rss)} (heap ${inMb(heapUsed)}, buffers ${inMb(external)}), ` +
      `statuses ${statuses.length}, the last: ${statuses.at(-1) ?? '-'}\n`,
  )
}

const [path] = process.argv.slice(2)
if (path === undefined) {
  process.exitCode = 2
  process.stderr.write('usage: node test/bench/open-capture.ts FILE\n')
} else await main(path)
