/**
 * The viewer in a process of its own, on this terminal: a fault in drawing, or a blocked terminal,
 * cannot reach the traffic.
 */
import { spawn } from 'node:child_process'

import type { CliContext } from './context.ts'

/** `quit`: the user left it. `failed`: it died, or could not start. */
export type ViewerEnd = 'quit' | 'failed'

export function isTerminal(context: CliContext): boolean {
  return context.stdin.isTTY && context.stdout.isTTY && context.env['TERM'] !== 'dumb'
}

/** Resolves when the viewer has ended; never rejects. */
export function runViewerProcess(context: CliContext, controlPath: string): Promise<ViewerEnd> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [context.mainPath, 'view', '--attach', controlPath], {
      stdio: 'inherit',
      env: context.env,
    })
    child.once('error', () => resolve('failed'))
    child.once('exit', (code) => resolve(code === 0 ? 'quit' : 'failed'))
  })
}
