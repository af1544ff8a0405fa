/**
 * A program in a real terminal, for end-to-end tests: tmux on a server of its own. What is on the
 * screen is polled until it shows what a test waits for, or a deadline passes.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { createCanarySearch } from './canary-search.ts'
import { canary, reportFindings } from './canary.ts'
import { cleanEnvironment } from './cli.ts'

const run = promisify(execFile)
const search = createCanarySearch(canary)

/** False where tmux is not installed; tests then skip, and say so. */
export const hasTmux = spawnSync('tmux', ['-V']).status === 0

/** How long a screen is waited for, in milliseconds: nothing is measured by it. */
const patienceMs = 60_000

export interface TmuxOptions {
  /** Program and arguments, run as they are: no shell reads them. */
  readonly command: readonly string[]
  readonly columns: number
  readonly rows: number
  readonly env?: Readonly<Record<string, string>>
}

export interface TmuxScreen extends AsyncDisposable {
  /** Presses keys by their tmux names, such as `Enter`, `C-d`, `j`. */
  press(...keys: string[]): Promise<void>
  /** Types text as it stands. */
  type(text: string): Promise<void>
  resize(columns: number, rows: number): Promise<void>
  /** The lines on screen, without trailing spaces; `withStyles` keeps SGR sequences. */
  lines(withStyles?: boolean): Promise<string[]>
  /** Resolves with the screen once it matches; rejects with the screen at the deadline. */
  waitFor(expected: string | RegExp, deadlineMs?: number): Promise<string>
  /** Like `waitFor` for any condition over the lines. */
  waitUntil(isMet: (lines: readonly string[]) => boolean, deadlineMs?: number): Promise<string>
  /** The title that programs inside have set for the window. */
  title(): Promise<string>
  /** What programs inside have put on the clipboard, or undefined. */
  clipboard(): Promise<string | undefined>
  /** Resolves with the exit code once the program has ended. */
  exited(deadlineMs?: number): Promise<number>
  /** Closes the terminal under the program. */
  hangUp(): Promise<void>
}

export async function openTmux(options: TmuxOptions): Promise<TmuxScreen> {
  const directory = await mkdtemp(join(tmpdir(), 'porthole-tmux-'))
  const socket = join(directory, 'socket')
  // With a character set of its own: it shows those of others as underscores.
  const env = cleanEnvironment(directory, { LC_ALL: 'C.UTF-8', SHELL: '/bin/sh' })
  const tmux = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('tmux', ['-u', '-S', socket, ...args], { env })
    return stdout
  }
  const size = ['-x', String(options.columns), '-y', String(options.rows)]
  const environment = Object.entries(options.env ?? {}).flatMap(([name, value]) => [
    '-e',
    `${name}=${value}`,
  ])
  // A pane that stays after its program ended still shows its last screen.
  const server = ['-f', '/dev/null', 'start-server', ';', 'set', '-g']
  const settings = [...server, 'remain-on-exit', 'on', ';', 'set', '-g', 'default-terminal']
  // The shell notes the exit code: tmux itself now and then never learns it (`pane_dead_status`).
  const exitFile = join(directory, 'exit')
  const noted = ['sh', '-c', '"$@"; echo $? > "$0"', exitFile, ...options.command]
  const session = ['new-session', '-d', ...size, ...environment, '--', ...noted]
  await tmux(...settings, 'screen-256color', ';', ...session)

  const report = (place: string, text: string): void => {
    const found = search.formsIn(text).map((form) => ({ place, form }))
    reportFindings(found, options.command.slice(0, 4).join(' '))
  }
  const screen = async (): Promise<string> => {
    const shown = (await tmux('capture-pane', '-p')).trimEnd()
    report('screen', shown)
    // What does not fit on a line goes on in the next.
    report('screen', shown.replaceAll('\n', ''))
    return shown
  }
  const waitUntil = async (
    isMet: (lines: readonly string[]) => boolean,
    deadlineMs = patienceMs,
  ): Promise<string> => {
    const end = performance.now() + deadlineMs
    for (;;) {
      const shown = await screen()
      if (isMet(shown.split('\n'))) return shown
      if (performance.now() > end) throw new Error(`not on screen in time; it shows:\n${shown}`)
      await delay(25)
    }
  }
  return {
    async press(...keys) {
      await tmux('send-keys', ...keys)
    },
    async type(text) {
      await tmux('send-keys', '-l', '--', text)
    },
    async resize(columns, rows) {
      await tmux('resize-window', '-x', String(columns), '-y', String(rows))
    },
    async lines(withStyles = false) {
      const text = await tmux('capture-pane', '-p', ...(withStyles ? ['-e'] : []))
      return text.trimEnd().split('\n')
    },
    async waitFor(expected, deadlineMs) {
      return waitUntil((lines) => {
        const text = lines.join('\n')
        return typeof expected === 'string' ? text.includes(expected) : expected.test(text)
      }, deadlineMs)
    },
    waitUntil,
    async title() {
      const shown = (await tmux('display-message', '-p', '#{pane_title}')).trimEnd()
      report('title', shown)
      return shown
    },
    async clipboard() {
      try {
        const copied = await tmux('show-buffer')
        report('clipboard', copied)
        return copied
      } catch {
        // tmux fails when there is no buffer at all.
        return undefined
      }
    },
    async exited(deadlineMs = patienceMs) {
      const end = performance.now() + deadlineMs
      for (;;) {
        const code = await readFile(exitFile, 'utf8').catch(() => '')
        if (code.endsWith('\n')) return Number(code)
        if (performance.now() > end) {
          throw new Error(`still running; it shows:\n${await screen()}`)
        }
        await delay(25)
      }
    },
    async hangUp() {
      await tmux('kill-server')
    },
    async [Symbol.asyncDispose]() {
      // The server may be gone already, after `hangUp`.
      await tmux('kill-server').catch(() => undefined)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
