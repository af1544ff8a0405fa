/**
 * The viewer in a process of its own, on this terminal: a fault in drawing, or a blocked terminal,
 * cannot reach the traffic.
 */
import { spawn, spawnSync } from 'node:child_process'

import { keyVariables } from '../vault/key-sources.ts'
import type { CliContext } from './context.ts'

/** `quit`: the user left it. `failed`: it died, or could not start. */
export type ViewerEnd = 'quit' | 'failed'

export function isTerminal(context: CliContext): boolean {
  return context.stdin.isTTY && context.stdout.isTTY && context.env['TERM'] !== 'dumb'
}

/** Resolves when the viewer has ended; never rejects. The terminal is usable again by then. */
export function runViewerProcess(
  context: CliContext,
  home: string,
  controlPath: string,
): Promise<ViewerEnd> {
  const args = [context.mainPath, 'view', '--home', home, '--attach', controlPath]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: 'inherit',
      // The process's own, out of which more was taken than out of the copy that we work with.
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !keyVariables.includes(name)),
      ),
    })
    child.once('error', () => resolve('failed'))
    child.once('exit', (code) => {
      if (code !== 0) restoreTerminal(context)
      resolve(code === 0 ? 'quit' : 'failed')
    })
  })
}

/** A viewer that was killed leaves raw mode, where Ctrl-C is a character, and the other screen. */
function restoreTerminal(context: CliContext): void {
  // DECSET 1049 and 25 (xterm): back to the main screen, cursor on.
  context.stdout.write('\u001B[?1049l\u001B[?25h')
  if (context.platform !== 'win32') spawnSync('stty', ['sane'], { stdio: 'inherit' })
}
