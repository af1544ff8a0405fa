/**
 * A program in a real pseudo-terminal, read by a terminal emulator in this process: `script` of
 * util-linux makes the terminal, xterm.js reads what is written to it. What is on the screen is
 * looked at whenever something was written, until it shows what is waited for.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { IBufferCell } from '@xterm/headless'
import xterm from '@xterm/headless'

import { createCanarySearch } from './canary-search.ts'
import { canary, reportFindings } from './canary.ts'
import { cleanEnvironment } from './cli.ts'

const search = createCanarySearch(canary)

/** False where `script` is not that of util-linux; tests then skip, and say so. */
export const hasScript = /util-linux/u.test(
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)

export interface TerminalOptions {
  /** Program and arguments, run as they are. */
  readonly command: readonly string[]
  readonly columns: number
  readonly rows: number
  /** Set over a clean environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** One cell run of one look. */
export interface StyledText {
  readonly text: string
  /** Of the 16 named colours, or undefined for the terminal's own. */
  readonly color: number | undefined
  readonly isBold: boolean
  readonly isDim: boolean
  readonly isInverse: boolean
}

export interface Terminal extends AsyncDisposable {
  /** Bytes as a keyboard sends them. */
  type(keys: string): void
  resize(columns: number, rows: number): void
  /** The lines on screen, without trailing spaces. */
  lines(): string[]
  styledLines(): StyledText[][]
  /** Everything that the program has written. */
  output(): string
  /** Resolves with the screen once it matches; rejects with the screen at the deadline. */
  waitFor(expected: string | RegExp, deadlineMs?: number): Promise<string>
  /** Resolves with the exit code once the program has ended, and the screen shows all it wrote. */
  readonly exited: Promise<number>
}

/** How long a screen is waited for, in milliseconds: nothing is measured by it. */
const patienceMs = 60_000

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`

export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  const { columns, rows } = options
  const directory = await mkdtemp(join(tmpdir(), 'porthole-terminal-'))
  const exitFile = join(directory, 'exit')
  const ttyFile = join(directory, 'tty')
  const emulator = new xterm.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    scrollback: 0,
  })
  // `script` knows no size where its own input is no terminal: it is set inside, before the program.
  const inside = [
    `stty cols ${columns} rows ${rows}; tty > ${quoted(ttyFile)}`,
    options.command.map(quoted).join(' '),
    `echo $? > ${quoted(exitFile)}`,
  ]
  const child = spawn('script', ['-qfc', inside.join('; '), '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // `script` starts the shell of its user, whatever that is.
    env: cleanEnvironment(directory, {
      TERM: 'xterm-256color',
      SHELL: '/bin/sh',
      LC_ALL: 'C.UTF-8',
      ...options.env,
    }),
  })
  const closed = once(child, 'close')
  const chunks: string[] = []
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    chunks.push(text)
    emulator.write(text, () => {
      for (const watcher of watchers) watcher()
    })
  })
  // What the emulator answers, such as its position, is what a terminal would send.
  emulator.onData((answer) => child.stdin.write(answer))
  child.stdin.on('error', () => undefined)
  const lines = (): string[] => {
    const { active } = emulator.buffer
    return Array.from({ length: emulator.rows }, (_, at) =>
      (active.getLine(active.baseY + at)?.translateToString(true) ?? '').trimEnd(),
    )
  }
  const exited = closed.then(async () => {
    // All that was written is on the screen by then.
    await new Promise<void>((resolve) => emulator.write('', resolve))
    return Number(await readFile(exitFile, 'utf8'))
  })
  // Whoever waits for it hears of a failure; nobody has to.
  exited.catch(() => undefined)
  return {
    type(keys) {
      child.stdin.write(keys)
    },
    resize(toColumns, toRows) {
      const tty = spawnSync('cat', [ttyFile], { encoding: 'utf8' }).stdout.trim()
      emulator.resize(toColumns, toRows)
      // The kernel tells the program inside (SIGWINCH).
      spawnSync('stty', ['-F', tty, 'cols', String(toColumns), 'rows', String(toRows)])
    },
    lines,
    styledLines: () => styledLinesOf(emulator),
    output: () => chunks.join(''),
    waitFor(expected, deadlineMs = patienceMs) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const look = (): void => {
        const text = lines().join('\n')
        const isMet = typeof expected === 'string' ? text.includes(expected) : expected.test(text)
        if (isMet) resolve(text)
      }
      const timer = setTimeout(() => {
        reject(new Error(`not on screen in time: ${expected}; it shows:\n${lines().join('\n')}`))
      }, deadlineMs)
      watchers.add(look)
      look()
      return promise.finally(() => {
        clearTimeout(timer)
        watchers.delete(look)
      })
    },
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
      // All that was ever written, and what is left of it where codes stood between its letters.
      const forms = [chunks.join(''), lines().join('')].flatMap((text) => search.formsIn(text))
      const found = forms.map((form) => ({ place: 'terminal', form }))
      reportFindings(found, options.command.slice(0, 4).join(' '))
      emulator.dispose()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function styledLinesOf(emulator: InstanceType<typeof xterm.Terminal>): StyledText[][] {
  const { active } = emulator.buffer
  return Array.from({ length: emulator.rows }, (_, at) => {
    const line = active.getLine(active.baseY + at)
    const runs: StyledText[] = []
    for (let column = 0; column < emulator.cols; column += 1) {
      const cell = line?.getCell(column)
      // The second half of a wide character.
      if (cell === undefined || cell.getWidth() === 0) continue
      const look = lookOf(cell)
      const last = runs.at(-1)
      if (last !== undefined && isSameLook(last, look)) {
        runs[runs.length - 1] = { ...last, text: last.text + look.text }
      } else runs.push(look)
    }
    return runs
  })
}

function lookOf(cell: IBufferCell): StyledText {
  return {
    text: cell.getChars() === '' ? ' ' : cell.getChars(),
    color: cell.isFgPalette() ? cell.getFgColor() : undefined,
    isBold: cell.isBold() !== 0,
    isDim: cell.isDim() !== 0,
    isInverse: cell.isInverse() !== 0,
  }
}

function isSameLook(a: StyledText, b: StyledText): boolean {
  return (
    a.color === b.color &&
    a.isBold === b.isBold &&
    a.isDim === b.isDim &&
    a.isInverse === b.isInverse
  )
}
