/**
 * The control socket: viewers of the same user attach to it and are told what the proxy sees.
 * First comes one line `{"hello": …}`, then recent messages, then live ones, one JSON object a line.
 * Nothing a viewer does, sends or leaves undone reaches the traffic or another viewer, but for one
 * request: to put a host on the allowlist, which all viewers are told of (`viewer-requests.ts`).
 */
import { chmod, rm } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'

import { AppError, describeError } from '../base/errors.ts'
import { promptLength } from '../capture/capture-entry.ts'
import { encodeLine } from '../messages/codec.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import { discover } from './client.ts'
import type { ControlInfo } from './descriptor.ts'
import { answersAt, removeOrphans, writeDescriptor } from './descriptor.ts'
import { Snapshot } from './snapshot.ts'
import { makePrivateDirectory, placeSocket } from './socket-place.ts'
import { ViewerConnection } from './viewer-connection.ts'
import type { AllowHost } from './viewer-requests.ts'
import { createRequestReader } from './viewer-requests.ts'

const defaultSnapshotBytes = 8 * 1024 * 1024
const defaultClientQueueBytes = 8 * 1024 * 1024
const defaultMaxViewers = 16
/** Longer messages are encoded only if there is a viewer, or when one comes; UTF-16 units. */
const lazyLength = 16 * 1024
/** Processes with one id that share a home (containers) before starting fails. */
const maxNamesakes = 16

export interface ControlServerOptions {
  /** `<home>/run`; created if missing. */
  readonly directory: string
  readonly pid: number
  readonly info: ControlInfo
  /** Bytes of recent messages kept for viewers to come; 8 MiB unless told otherwise. */
  readonly snapshotBytes?: number | undefined
  /** Bytes that may wait for one viewer; 8 MiB unless told otherwise. */
  readonly clientQueueBytes?: number | undefined
  /** Viewers attached at a time; 16 unless told otherwise. */
  readonly maxViewers?: number | undefined
  /** Puts a host on the allowlist; without it, nothing that viewers send is read. */
  readonly allow?: AllowHost | undefined
  /** Where a socket goes whose path would be too long; the system's unless told otherwise. */
  readonly temporaryDirectory?: string | undefined
}

export class ControlServer {
  /** The socket, or the name of the pipe. */
  readonly path: string
  readonly #server: Server
  readonly #descriptorPath: string
  readonly #snapshot: Snapshot
  readonly #hello: Buffer
  readonly #clientQueueBytes: number
  readonly #maxViewers: number
  readonly #allow: AllowHost | undefined
  readonly #viewers = new Set<ViewerConnection>()
  #closed: Promise<void> | undefined

  private constructor(
    server: Server,
    place: { readonly path: string; readonly descriptorPath: string },
    options: ControlServerOptions,
  ) {
    this.path = place.path
    this.#server = server
    this.#descriptorPath = place.descriptorPath
    this.#maxViewers = options.maxViewers ?? defaultMaxViewers
    this.#allow = options.allow
    this.#snapshot = new Snapshot(options.snapshotBytes ?? defaultSnapshotBytes)
    this.#clientQueueBytes = options.clientQueueBytes ?? defaultClientQueueBytes
    const hello = { v: 1, pid: options.pid, ...options.info }
    this.#hello = Buffer.from(`${JSON.stringify({ hello })}\n`)
    server.on('connection', (socket) => this.#accept(socket))
    server.on('error', () => {
      // Accepting one viewer failed, for want of file descriptors say; the next may succeed.
    })
  }

  /** Listens and writes the descriptor; rejects with ERR_HOME_UNWRITABLE. */
  static async start(options: ControlServerOptions): Promise<ControlServer> {
    const { directory, pid, info } = options
    try {
      await makePrivateDirectory(directory)
      await discover(directory)
      await removeOrphans(directory, Date.now())
      const { server, path, name } = await listen(options)
      const descriptorPath = join(directory, `${name}.json`)
      const control = new ControlServer(server, { path, descriptorPath }, options)
      try {
        // Until here the private folder alone keeps others out.
        if (platform() !== 'win32') await chmod(path, 0o600)
        await writeDescriptor(descriptorPath, { pid, socket: path, ...info })
      } catch (error) {
        await control.close()
        throw error
      }
      return control
    } catch (error) {
      const details = { path: directory, problem: describeError(error) }
      throw new AppError('ERR_HOME_UNWRITABLE', details, error)
    }
  }

  /** Tells every viewer, now attached or later. Never waits, never throws. */
  broadcast(msg: AnalysisMsg): void {
    if (this.#closed !== undefined) return
    const length = bulkOf(msg)
    if (this.#viewers.size === 0 && length > lazyLength) {
      this.#snapshot.add(msg, { length, encode: () => tryEncode(msg) })
      return
    }
    const line = tryEncode(msg)
    if (line === undefined) return
    this.#snapshot.add(msg, line)
    for (const viewer of this.#viewers) viewer.send(msg, line)
  }

  /** Sends what is queued, ends every viewer and removes the socket and the descriptor. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await rm(this.#descriptorPath, { force: true }).catch(() => {
      // A stale descriptor is removed by whoever looks for proxies next.
    })
    const stopped = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    await Promise.all([...this.#viewers].map((viewer) => viewer.close()))
    await stopped
  }

  #accept(socket: Socket): void {
    if (this.#closed !== undefined || this.#viewers.size >= this.#maxViewers) {
      socket.on('error', () => {
        // It is being turned away.
      })
      socket.resume()
      socket.end(
        `${JSON.stringify({ refused: `${this.#maxViewers} viewers are attached already` })}\n`,
      )
      return
    }
    const allow = this.#allow
    const viewer = new ViewerConnection(socket, {
      requests:
        allow === undefined ? undefined : createRequestReader(allow, () => performance.now()),
      onAnswer: ({ ok, text }) => {
        if (!ok) return
        for (const other of this.#viewers) if (other !== viewer) other.tell({ status: text })
      },
      first: [this.#hello, ...this.#snapshot.lines()],
      queueBytes: this.#clientQueueBytes,
      onGone: () => this.#viewers.delete(viewer),
    })
    this.#viewers.add(viewer)
  }
}

/** About the length of what makes a message long, in UTF-16 units. */
function bulkOf(msg: AnalysisMsg): number {
  if (msg.kind === 'http-parsed') return msg.bytes
  if (msg.kind === 'model-called') return promptLength(msg)
  const isBody = msg.kind === 'request-body' || msg.kind === 'websocket-message'
  return isBody ? (msg.text?.length ?? msg.base64?.length ?? 0) : 0
}

/** Undefined for JSON nested ten thousands deep: no viewer could show it either. */
function tryEncode(msg: AnalysisMsg): Buffer | undefined {
  try {
    return encodeUnpooled(encodeLine(msg))
  } catch {
    return undefined
  }
}

/** A line may be kept for long: a slice of Node's shared pool would keep its whole slab alive. */
function encodeUnpooled(text: string): Buffer {
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  buffer.write(text)
  return buffer
}

async function listen(
  options: ControlServerOptions,
): Promise<{ server: Server; path: string; name: string }> {
  for (let namesake = 1; namesake <= maxNamesakes; namesake += 1) {
    const name = namesake === 1 ? String(options.pid) : `${options.pid}-${namesake}`
    const path = await placeSocket(options.directory, name, options.temporaryDirectory)
    if (await answersAt(path)) continue
    if (platform() !== 'win32') await rm(path, { force: true })
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
    return { server, path, name }
  }
  throw new Error(`${maxNamesakes} processes have the id ${options.pid}`)
}
