/**
 * Where a viewer's messages come from: every running proxy, those that start later included, or a
 * capture. Both have one shape, so that a viewer does not know which it shows.
 */
import { watch } from 'node:fs'

import type { AnalysisMsg } from '../messages/schema.ts'
import { attach } from './client.ts'
import type { AttachEnd, Attachment } from './client.ts'
import type { Descriptor } from './descriptor.ts'
import { listDescriptors, removeDescriptor } from './descriptor.ts'

export interface SourceHandlers {
  /** `origin` tells apart the proxies or files that messages come from, and names them. */
  onMessage(msg: AnalysisMsg, origin: string): void
  /** One line about the source itself, for people. */
  onStatus(text: string): void
  /** Nothing comes after this. */
  onEnd(): void
}

export interface MessageSource {
  start(handlers: SourceHandlers): void
  close(): void
  /**
   * Asks a running proxy to decrypt a host from now on, for new connections; `origin` as messages
   * come with. Resolves with one line for people, whether it was done or why not; never rejects.
   * Captures have none.
   */
  allow?(origin: string, host: string): Promise<string>
  /** The messages of one exchange, read again, with what captures leave out; of a capture only. */
  load?(origin: string, exchangeId: string): Promise<readonly AnalysisMsg[]>
}

/** Watching a folder is not possible everywhere; looking at it is. */
const pollMs = 1000

interface LiveOptions {
  /** `<home>/run`. */
  readonly runDirectory: string
  /** Attach to the proxy with this socket only, and end when it ends. */
  readonly only?: string | undefined
}

export function createLiveSource(options: LiveOptions): MessageSource {
  let source: LiveSource | undefined
  return {
    start(handlers) {
      source ??= new LiveSource(options, handlers)
    },
    close() {
      source?.close()
    },
    allow: async (origin, host) =>
      (await source?.allow(origin, host)) ?? 'that proxy is not attached any more',
  }
}

class LiveSource {
  readonly #options: LiveOptions
  readonly #handlers: SourceHandlers
  readonly #attached = new Map<string, Attachment & { origin: string }>()
  /** Turned away or failed: tried again at later looks, told of once. */
  readonly #troubled = new Set<string>()
  readonly #stopWatching: () => void
  readonly #timer: NodeJS.Timeout
  #isLooking = false
  #isClosed = false

  constructor(options: LiveOptions, handlers: SourceHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#stopWatching = watchFolder(options.runDirectory, () => void this.#look())
    this.#timer = setInterval(() => void this.#look(), pollMs)
    if (options.only === undefined) void this.#look(true)
    else this.#attach({ socket: options.only })
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#stopWatching()
    for (const attachment of this.#attached.values()) attachment.close()
  }

  async allow(origin: string, host: string): Promise<string | undefined> {
    const attachment = [...this.#attached.values()].find((one) => one.origin === origin)
    return await attachment?.allow(host)
  }

  /** Attaches to the proxies that are new. Never throws. */
  async #look(isFirst = false): Promise<void> {
    if (this.#isLooking || this.#isClosed || this.#options.only !== undefined) return
    this.#isLooking = true
    const found = await listDescriptors(this.#options.runDirectory)
    this.#isLooking = false
    if (this.#isClosed) return
    if (isFirst && found.length === 0) {
      this.#handlers.onStatus('no proxy is running yet; waiting for one to start')
    }
    for (const descriptor of found) this.#attach(descriptor)
  }

  #attach(descriptor: Pick<Descriptor, 'socket'> & Partial<Descriptor>): void {
    const { socket } = descriptor
    if (this.#attached.has(socket)) return
    const attachment = attach(descriptor, {
      onHello: (hello) => {
        // The id too: a proxy that starts anew on the same address numbers from 0 again.
        attached.origin = `${hello.url} (pid ${hello.pid})`
        this.#troubled.delete(socket)
        this.#handlers.onStatus(`attached to ${hello.command ?? hello.url}`)
      },
      onMessage: (msg) => this.#handlers.onMessage(msg, attached.origin),
      onStatus: (text) => this.#handlers.onStatus(text),
      onInvalidLine: (problem, count) => {
        if (count === 1) this.#handlers.onStatus(`a line could not be read: ${problem}`)
      },
      onClose: (end) => {
        this.#attached.delete(socket)
        if (!this.#isClosed) this.#ended(descriptor, end)
      },
    })
    const attached = { ...attachment, origin: socket }
    this.#attached.set(socket, attached)
  }

  #ended(descriptor: Pick<Descriptor, 'socket'> & Partial<Descriptor>, end: AttachEnd): void {
    const { socket, pid, url } = descriptor
    const name = url ?? socket
    if (end.reason === 'ended') this.#handlers.onStatus(`${name} has ended`)
    if (end.reason === 'refused' || end.reason === 'failed') {
      if (!this.#troubled.has(socket)) this.#handlers.onStatus(`${name}: ${end.message}`)
      this.#troubled.add(socket)
    }
    if (this.#options.only !== undefined) {
      if (end.reason === 'gone') this.#handlers.onStatus('the proxy is not running')
      this.close()
      this.#handlers.onEnd()
    } else if (end.reason === 'gone' && pid !== undefined) {
      void removeDescriptor(this.#options.runDirectory, descriptor as Descriptor)
    }
  }
}

/** A folder that does not exist yet, or cannot be watched, is left to the polling. */
function watchFolder(path: string, onChange: () => void): () => void {
  try {
    const watcher = watch(path, { persistent: false }, onChange)
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => {}
  }
}
