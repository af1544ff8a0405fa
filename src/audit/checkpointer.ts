/**
 * Takes SQLite's log into the database, now and then, in a thread of its own: that syncs both files,
 * which takes as long as the disk likes, and the event loop carries traffic. Without it the log
 * only grows, so that one that cannot be started costs room and nothing else.
 */
import { Worker } from 'node:worker_threads'

/** Entries between two times: some 10 MB of log. */
const entriesBetween = 2000

export class Checkpointer {
  readonly #path: string
  #worker: Worker | undefined
  #appended = 0
  #hasFailed = false

  constructor(path: string) {
    this.#path = path
  }

  /** To be told of every transaction. */
  appended(entries: number): void {
    this.#appended += entries
    if (this.#appended < entriesBetween || this.#hasFailed) return
    this.#appended = 0
    this.#worker ??= this.#start()
    this.#worker?.postMessage('checkpoint')
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker | undefined {
    // From sources as well as from what is built of them.
    const url = import.meta.url.endsWith('.ts')
      ? new URL('./checkpoint-worker.ts', import.meta.url)
      : new URL('./checkpoint-worker.js', import.meta.url)
    const worker = new Worker(url, { workerData: this.#path })
    worker.unref()
    worker.on('error', () => {
      this.#hasFailed = true
      this.#worker = undefined
    })
    return worker
  }
}
