/**
 * `npm run screenshots`: the demo in the viewer, its screens as images in docs/. Times and durations
 * differ from run to run and are set to round ones, so that the images change with the viewer only.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { screenSvg } from './screen-svg.ts'
import type { StyledText, Terminal } from './terminal.ts'
import { hasScript, openTerminal } from './terminal.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const [columns = 120, rows = 24] = process.argv.slice(2).map(Number)

await main()

async function main(): Promise<void> {
  if (!hasScript) throw new Error('script of util-linux is missing')
  const home = mkdtempSync(join(tmpdir(), 'porthole-screenshots-'))
  mkdirSync(join(root, 'docs'), { recursive: true })
  try {
    await using terminal = await openTerminal({
      command: [process.execPath, join(root, 'dist/src/main.js'), 'demo', '--home', home],
      columns,
      rows,
      env: { FORCE_COLOR: '1', NO_COLOR: undefined, LC_ALL: 'C.UTF-8' },
    })
    await terminal.waitFor(/5 calls[^●]*claude-3-7-sonnet +200/u, 60_000)
    shoot(
      terminal,
      'list',
      'The list of calls: model, status, times, tokens, cost, prompt and answer',
    )
    terminal.type('\r')
    await terminal.waitFor('esc back')
    shoot(terminal, 'detail', 'An open call: the conversation with the model')
    terminal.type('\u001b')
    await terminal.waitFor('enter open')
    terminal.type('f~model gpt & ~cost > ')
    await terminal.waitFor(/~cost >/u)
    shoot(terminal, 'filter', 'A filter that is being typed, with what is missing')
    terminal.type('0.0001\r')
    await terminal.waitFor('enter open')
    terminal.type('q')
    await terminal.exited
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function shoot(terminal: Terminal, name: string, title: string): void {
  const lines = terminal.styledLines().map((line) => line.map(steady))
  const path = join(root, 'docs', `${name}.svg`)
  writeFileSync(path, screenSvg({ lines, columns, title }))
  process.stdout.write(`docs/${name}.svg\n`)
}

/** Columns stay where they are; what stands in a sentence keeps no gap. */
function steady(run: StyledText): StyledText {
  const text = run.text
    .replaceAll(/\b\d\d:\d\d:\d\d\b/gu, '12:34:56')
    .replaceAll(/\b(?:\d+ms|\d+\.\d+s)\b/gu, (whole) => '1.2s'.padStart(whole.length))
    .replaceAll(/(· |ttft ) +1\.2s/gu, (_, before: string) => `${before}1.2s`)
    .replaceAll(/\b\d+ tok\/s\b/gu, (whole) => `${'100'.slice(0, whole.length - 6)} tok/s`)
  return { ...run, text }
}
