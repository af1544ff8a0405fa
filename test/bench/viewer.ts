/**
 * `npm run bench -- viewer`: what an attached viewer costs while 1,000 messages a second arrive: its
 * own CPU, in a real pseudo-terminal, and how late the proxy's event loop is with it and without.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { hasScript, openTerminal } from '../support/terminal.ts'
import { builtUrl } from './built.ts'
import { Children } from './children.ts'
import type { NodeChild } from './children.ts'
import { cpuSecondsOf, memoryOf } from './machine.ts'
import { spreadOf } from './statistics.ts'

const perSecond = 1000
const size = { columns: 160, rows: 48 }
const warmMs = 4000
const sampleMs = 8000

interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly sent: number
}

interface ViewerSample {
  /** Of one core. */
  readonly cpuPercent: number
  readonly memoryMb: number
  readonly loop: LoopDelay
}

/** One line per figure: medians and quartiles of `rounds` rounds, with a viewer and without. */
export async function benchViewer(rounds: number): Promise<string> {
  if (!hasScript) return 'not measured: `script` of util-linux is missing'
  const children = new Children()
  const directory = mkdtempSync(join(tmpdir(), 'porthole-bench-viewer-'))
  process.once('exit', () => children.killAll())
  try {
    const proxy = await children.startNode({
      url: new URL('./viewer-proxy.ts', import.meta.url),
      args: [JSON.stringify({ directory: join(directory, 'run'), perSecond })],
    })
    const alone: LoopDelay[] = []
    const watched: ViewerSample[] = []
    await delay(warmMs)
    for (let round = 0; round < rounds; round += 1) {
      alone.push(await measureLoop(proxy))
      watched.push(await measureViewer(proxy, directory))
    }
    return report(alone, watched)
  } finally {
    await children.stopAll()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measureLoop(proxy: NodeChild): Promise<LoopDelay> {
  await proxy.ask('loop-start', undefined, sampleMs)
  await delay(sampleMs)
  return await proxy.ask<LoopDelay>('loop-read', undefined, sampleMs)
}

async function measureViewer(proxy: NodeChild, directory: string): Promise<ViewerSample> {
  const { path } = proxy.ready as { readonly path: string }
  const main = fileURLToPath(builtUrl('src/main.js'))
  const pidFile = join(directory, 'viewer.pid')
  const view = `exec "${process.execPath}" "${main}" view --home "${directory}" --attach "${path}"`
  await using terminal = await openTerminal({
    command: ['sh', '-c', `echo $$ > "${pidFile}"; ${view}`],
    ...size,
    env: { ...process.env, FORCE_COLOR: '1' },
  })
  await terminal.waitFor(/calls .*running|calls │ ●/u)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  await delay(warmMs)
  const [cpuBefore, startedAt] = [cpuSecondsOf(pid), performance.now()]
  const loop = await measureLoop(proxy)
  const seconds = (performance.now() - startedAt) / 1000
  const cpuPercent = ((cpuSecondsOf(pid) - cpuBefore) / seconds) * 100
  const memoryMb = memoryOf(pid).residentMb
  terminal.type('q')
  await terminal.exited
  return { cpuPercent, memoryMb, loop }
}

function report(alone: readonly LoopDelay[], watched: readonly ViewerSample[]): string {
  const loops = watched.map(({ loop }) => loop)
  const sent = loops.map((loop) => loop.sent / (sampleMs / 1000))
  return [
    `a viewer of ${size.columns} by ${size.rows} cells, ${alone.length} rounds of ${sampleMs / 1000} s`,
    row('messages a second', sent, perSecond.toString(), 0),
    row(
      'viewer, % of one core',
      watched.map(({ cpuPercent }) => cpuPercent),
      'at most 60',
      1,
    ),
    row(
      'viewer, MB',
      watched.map(({ memoryMb }) => memoryMb),
      '-',
      0,
    ),
    ...(['p50', 'p99', 'max'] as const).flatMap((what) => [
      row(
        `proxy loop ${what} ms, alone`,
        alone.map((loop) => loop[what]),
        '-',
        2,
      ),
      row(
        `proxy loop ${what} ms, viewed`,
        loops.map((loop) => loop[what]),
        what === 'p99' ? 'the same' : '-',
        2,
      ),
    ]),
  ].join('\n')
}

function row(name: string, samples: readonly number[], target: string, digits: number): string {
  const spread = spreadOf(samples)
  if (spread === undefined) return `  ${name}: not measured`
  const [median, lower, upper] = [spread.median, spread.lower, spread.upper].map((value) =>
    value.toFixed(digits),
  )
  return `  ${name.padEnd(28)}${median} (${lower}–${upper}), target: ${target}`
}
