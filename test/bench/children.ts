/**
 * The processes that a benchmark starts: Node programs that answer questions over a channel, and
 * other programs. Every one is kept by its process id and is gone when `stopAll` resolves.
 */
import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface NodeChild {
  readonly pid: number
  /** What the child said when it was ready. */
  readonly ready: unknown
  /** Rejects when the child dies, fails, or does not answer in time. */
  ask<T>(type: string, argument: unknown, timeoutMs: number): Promise<T>
  stop(): Promise<void>
}

export interface OtherChild {
  readonly pid: number
  /** The last of what it wrote on stderr and stdout, and how it ended if it did. */
  complaint(): string
  hasEnded(): boolean
  stop(): Promise<void>
}

export interface NodeProgram {
  readonly url: URL
  readonly args: readonly string[]
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** False for a program that knows nothing of the channel; it counts as ready at once. */
  readonly speaks?: boolean
}

/** How long a child may take to say that it is ready, in milliseconds. */
const readyTimeoutMs = 20_000
/** How long a child may take to end by itself before it is killed, in milliseconds. */
const stopTimeoutMs = 4000
/** What is kept of a child's output, in characters. */
const complaintLength = 2000

export class Children {
  readonly #running = new Set<Watched>()

  /** Forks a Node program with the same Node; rejects if it does not become ready. */
  async startNode(program: NodeProgram): Promise<NodeChild> {
    const child = fork(fileURLToPath(program.url), [...program.args], {
      execArgv: [...(program.nodeArgs ?? [])],
      env: { ...cleanEnvironment(), ...program.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const watched = this.#watch(child)
    const channel = new Channel(child, watched)
    try {
      const ready = program.speaks === false ? undefined : await channel.ready()
      return {
        pid: pidOf(child),
        ready,
        ask: (type, argument, timeoutMs) => channel.ask(type, argument, timeoutMs),
        stop: async () => {
          if (child.connected && program.speaks !== false) child.send({ id: -1, type: 'stop' })
          else child.kill('SIGTERM')
          await watched.gone()
        },
      }
    } catch (error) {
      await watched.gone()
      throw error
    }
  }

  /** Starts any other program; whether it listens is for the caller to find out. */
  startOther(command: string, args: readonly string[]): OtherChild {
    const child = spawn(command, [...args], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const watched = this.#watch(child)
    return {
      pid: pidOf(child),
      complaint: () => watched.complaint(),
      hasEnded: () => watched.hasEnded,
      stop: () => {
        child.kill('SIGTERM')
        return watched.gone()
      },
    }
  }

  /** Ends whatever still runs. */
  async stopAll(): Promise<void> {
    await Promise.all(
      [...this.#running].map((watched) => {
        watched.child.kill('SIGTERM')
        return watched.gone()
      }),
    )
  }

  /** The same at once, where nothing can be waited for. */
  killAll(): void {
    for (const { child } of this.#running) child.kill('SIGKILL')
  }

  #watch(child: ChildProcess): Watched {
    const watched = new Watched(child)
    this.#running.add(watched)
    void watched.ended.then(() => this.#running.delete(watched))
    return watched
  }
}

class Watched {
  readonly child: ChildProcess
  readonly ended: Promise<void>
  hasEnded = false
  #output = ''
  #end = ''

  constructor(child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-complaintLength)
      })
    }
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.hasEnded = true
        this.#end = how
        resolve()
      }
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, signal) => end(`ended with ${signal ?? code ?? 'no code'}`))
    })
  }

  complaint(): string {
    const lines = this.#output.trim().split('\n')
    return [this.#end, ...lines.slice(-4)].filter((line) => line !== '').join(' | ')
  }

  /** Waits for its end, which has been asked for; kills it if it takes too long. */
  async gone(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), stopTimeoutMs)
    await this.ended
    clearTimeout(timer)
  }
}

class Channel {
  readonly #child: ChildProcess
  readonly #watched: Watched
  readonly #waiting = new Map<number, (message: Answer) => void>()
  #nextId = 1

  constructor(child: ChildProcess, watched: Watched) {
    this.#child = child
    this.#watched = watched
    child.on('message', (message) => {
      const answer = message as Answer
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
  }

  ready(): Promise<unknown> {
    return this.#answerTo(0, 'start', readyTimeoutMs)
  }

  ask<T>(type: string, argument: unknown, timeoutMs: number): Promise<T> {
    const id = this.#nextId
    this.#nextId += 1
    const answer = this.#answerTo(id, type, timeoutMs)
    if (this.#child.connected) this.#child.send({ id, type, argument })
    return answer as Promise<T>
  }

  async #answerTo(id: number, what: string, timeoutMs: number): Promise<unknown> {
    const over = new AbortController()
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#waiting.set(id, ({ value, error }) => {
          if (error === undefined) resolve(value)
          else reject(new Error(error))
        })
        timer = setTimeout(
          () => reject(new Error(`no answer to ${what} within ${timeoutMs} ms`)),
          timeoutMs,
        )
        const onEnd = (): void => reject(new Error(this.#watched.complaint()))
        if (this.#watched.hasEnded) onEnd()
        else once(this.#child, 'exit', { signal: over.signal }).then(onEnd, () => {})
      })
    } finally {
      clearTimeout(timer)
      over.abort()
      this.#waiting.delete(id)
    }
  }
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Proxy and Node settings of whoever runs the benchmark must not change what is measured. */
function cleanEnvironment(): Record<string, string> {
  const unwanted = /^(?:node_|https?_proxy$|all_proxy$|no_proxy$|ssl_cert_|porthole_)/iu
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !unwanted.test(entry[0]),
  )
  return Object.fromEntries(kept)
}

function pidOf(child: ChildProcess): number {
  return child.pid ?? 0
}
