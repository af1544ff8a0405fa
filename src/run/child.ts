/**
 * Runs one program as if Porthole were not there: same terminal, same signals, same exit code. It
 * starts no shell and makes no process group of its own, because a program in another group loses
 * the terminal. On Windows only real executables start this way, not `.cmd` shims.
 */
import type { SpawnOptions } from 'node:child_process'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { withInheritedCoreDumps } from './core-dumps.ts'
import { isInTerminalForeground } from './terminal-foreground.ts'

export interface ChildCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Default: `inherit`. */
  readonly stdio?: SpawnOptions['stdio']
}

export interface ChildResult {
  /** The child's own code, or 128 + N if signal N ended it, as shells report it. */
  readonly exitCode: number
  readonly signal: NodeJS.Signals | undefined
}

/** Sent to Porthole's process only, so the child hears of them from us or not at all. */
const relayedSignals = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const

/**
 * What a terminal sends to every process of its foreground group at once. While we are in that
 * group the child has its own copy, and a second one would count as a second Ctrl-C; otherwise no
 * terminal can have sent it, somebody named our process, and the child must be told. What cannot be
 * told apart: `kill -INT` aimed at a Porthole that is in the foreground stays with Porthole.
 */
const terminalSignals = ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGTSTP'] as const

type RelayedSignal = (typeof relayedSignals)[number] | (typeof terminalSignals)[number]

/**
 * Resolves when the child has ended. Rejects with `ERR_COMMAND_NOT_FOUND` or `ERR_COMMAND_FAILED`
 * if it could not be started. Signals that arrive meanwhile are forwarded as often as they come and
 * never end Porthole: the child decides when to go.
 */
export async function runChild(command: ChildCommand): Promise<ChildResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildResult>()
  // The handlers stand before the child exists, so that no signal in between ends us and orphans it.
  let send: (signal: NodeJS.Signals) => void = () => undefined
  const stopRelaying = relaySignals((signal) => send(signal))
  try {
    const child = withInheritedCoreDumps(() =>
      spawn(command.command, command.args, {
        env: command.env,
        stdio: command.stdio ?? 'inherit',
        ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      }),
    )
    send = (signal) => void child.kill(signal)
    let started = false
    child.once('spawn', () => {
      started = true
    })
    // A kill() that is not permitted (the child became another user) is reported here as well.
    child.on('error', (error) => {
      if (!started) reject(startFailure(command.command, error))
    })
    child.once('exit', (code, signal) => {
      const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal])
      resolve({ exitCode, signal: signal ?? undefined })
    })
    return await promise
  } catch (error) {
    throw error instanceof AppError ? error : startFailure(command.command, error)
  } finally {
    stopRelaying()
  }
}

function relaySignals(send: (signal: NodeJS.Signals) => void): () => void {
  // On Windows the console tells every attached process itself; we only must not die of it.
  const signals: readonly RelayedSignal[] =
    process.platform === 'win32' ? ['SIGINT'] : [...relayedSignals, ...terminalSignals]
  const listeners = signals.map((signal) => {
    const listener = (): void => {
      if (process.platform !== 'win32') relay(signal, send)
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}

function relay(signal: RelayedSignal, send: (signal: NodeJS.Signals) => void): void {
  const fromTerminal = terminalSignals.some((known) => known === signal) && isInTerminalForeground()
  if (!fromTerminal) send(signal)
  // Having a handler took away the default action. The shell waits for us to stop as well, and a
  // stopped child needs no proxy; SIGCONT wakes both.
  if (signal === 'SIGTSTP') process.kill(process.pid, 'SIGSTOP')
}

function startFailure(command: string, error: unknown): AppError {
  if (errorCodeOf(error) !== 'ENOENT') {
    return new AppError('ERR_COMMAND_FAILED', { command, problem: describeError(error) }, error)
  }
  // A script whose first line names a missing interpreter fails with the same code.
  if (/[/\\]/u.test(command) && existsSync(command)) {
    const problem = 'the interpreter named in its first line, or the working directory, is missing'
    return new AppError('ERR_COMMAND_FAILED', { command, problem }, error)
  }
  return new AppError('ERR_COMMAND_NOT_FOUND', { command }, error)
}
