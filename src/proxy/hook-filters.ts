/**
 * Bodies on their way through modules: the filters they add, and their chunk hooks as a stream.
 * Order and backpressure are those of node's streams: a chunk waits until the one before it was
 * called back, however late that is. It knows streams and callbacks, nothing of HTTP.
 */
import { Transform } from 'node:stream'
import type { Duplex, PassThrough, Readable } from 'node:stream'

import { asError } from '../base/errors.ts'

type HookCallback<T> = (error?: Error | null, value?: T) => void

/** A stream of a module's, and the kind that `onError` is told when it fails. */
export interface BodyStage {
  readonly stream: Duplex
  readonly kind: string
}

export type StageFailed = (kind: string, error: Error) => void

/** Runs one hook. Resolves with what it calls back; rejects where it fails in any way. */
export function called<T = unknown>(
  start: (done: HookCallback<T>) => unknown,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const returned = start((error, value) => {
      if (error === undefined || error === null) resolve(value)
      else reject(asError(error))
    })
    // Many hooks are async functions: one that rejects never calls back, and nobody else listens.
    if (returned instanceof Promise) returned.catch(reject)
  })
}

export type ChunkHook = (chunk: Buffer, done: HookCallback<Buffer>) => unknown

/** Each chunk through all hooks, one after the other; what is called back as nothing is left out. */
export function chunkHooks(hooks: readonly ChunkHook[]): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, settle) {
      throughHooks(hooks, chunk).then((result) => settle(null, result), settle)
    },
  })
}

async function throughHooks(
  hooks: readonly ChunkHook[],
  chunk: Buffer,
): Promise<Buffer | undefined> {
  let current = chunk
  for (const hook of hooks) {
    const given: unknown = await called<Buffer>((done) => hook(current, done))
    if (given === undefined || given === null) return undefined
    current = toBuffer(given)
  }
  // An empty push would end nothing, but it would wake the reader for nothing.
  return current.byteLength === 0 ? undefined : current
}

function toBuffer(given: unknown): Buffer {
  if (typeof given === 'string') return Buffer.from(given)
  if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.length)
  throw new TypeError(`a chunk hook called back with ${typeof given} instead of bytes`)
}

/**
 * `source` through `stages`, of which the last is returned. A source that is cut short cuts all of
 * them; a stage that fails, or closes before its end, is told to `onFailed` once, and the rest of
 * the source is read into the void, so that its connection can still carry an answer.
 */
export function throughStages(
  source: Readable,
  stages: readonly BodyStage[],
  onFailed: StageFailed,
): Readable {
  let isOver = false
  const cut = (): void => {
    if (source.readableEnded || isOver) return
    isOver = true
    for (const { stream } of stages) stream.destroy()
  }
  let last: Readable = source
  for (const { stream, kind } of stages) {
    const fail = (error: Error): void => {
      if (isOver) return
      isOver = true
      source.unpipe()
      source.resume()
      onFailed(kind, asError(error))
      for (const other of stages) other.stream.destroy()
    }
    stream.on('error', fail)
    stream.once('close', () => {
      if (!stream.readableEnded) fail(new Error('a stream of a module closed before its end'))
    })
    last = last.pipe(stream)
  }
  source.once('close', cut)
  if (source.destroyed) cut()
  return last
}

/**
 * What follows `body` in order: `atEnd` runs when all of it has been written to `gate`, may write
 * more to that, and then it ends.
 */
export function gateAfter(
  body: Readable,
  gate: PassThrough,
  atEnd: () => Promise<void>,
  onFailed: (error: Error) => void,
): Readable {
  body.pipe(gate, { end: false })
  body.once('end', () => {
    atEnd().then(
      () => gate.end(),
      (error: unknown) => onFailed(asError(error)),
    )
  })
  body.once('close', () => {
    if (!body.readableEnded) gate.destroy()
  })
  gate.on('error', onFailed)
  return gate
}
