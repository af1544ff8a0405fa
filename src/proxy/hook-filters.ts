/**
 * Bodies on their way through modules: the filters they add, and their chunk hooks as a stream.
 * Order and backpressure are those of node's streams: a chunk waits until the one before it was
 * called back, however late that is. It knows streams and callbacks, nothing of HTTP.
 */
import { Transform } from 'node:stream'
import type { Duplex, PassThrough, Readable } from 'node:stream'

import { asError, describeError, errorCodeOf } from '../base/errors.ts'
import { formatDuration } from '../base/units.ts'
import type { ProxyAnswer } from './client-response.ts'

type HookCallback<T> = (error?: Error | null, value?: T) => void

/** A stream of a module's, and the kind that `onError` is told when it fails. */
export interface BodyStage {
  readonly stream: Duplex
  readonly kind: string
}

export type StageFailed = (kind: string, error: Error) => void

/** How long a hook may take, and what it is called where it takes longer. */
export interface HookDeadline {
  readonly ms: number
  /** As modules register it: `onRequest`, say. */
  readonly hook: string
  /** True where the module has taken the answer over: then it may take its time. */
  readonly isMoot?: () => boolean
}

/** `code` of the error of a hook that did not call back in time. */
const hookTimeoutCode = 'ERR_PORTHOLE_HOOK_TIMEOUT'

/** Runs one hook. Resolves with what it calls back; rejects where it fails in any way, or not in time. */
export function called<T = unknown>(
  start: (done: HookCallback<T>) => unknown,
  { ms, hook, isMoot }: HookDeadline,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      if (isMoot?.() !== true) reject(timeoutError(hook, ms))
    }, ms)
    // A client that has left lets go of the request, but nobody tells the hook.
    timer.unref()
    const settle: HookCallback<T> = (error, value) => {
      clearTimeout(timer)
      if (error === undefined || error === null) resolve(value)
      else reject(asError(error))
    }
    const fail = (error: unknown): void => settle(asError(error))
    try {
      const returned = start(settle)
      // Many hooks are async functions: one that rejects never calls back, and nobody else listens.
      if (returned instanceof Promise) returned.catch(fail)
    } catch (error) {
      fail(error)
    }
  })
}

function timeoutError(hook: string, ms: number): Error {
  const within = formatDuration(ms)
  const message = `the ${hook} hook of a module did not call back within ${within}; --limit hook-timeout=TIME allows more`
  return Object.assign(new Error(message), { code: hookTimeoutCode })
}

/** What a client is told of a hook that failed before there was anything else to tell. */
export function moduleAnswer(error: unknown, what: 'connection' | 'request'): ProxyAnswer {
  const problem = describeError(error)
  return isHookTimeout(error)
    ? { status: 502, code: 'module-timeout', message: problem }
    : { status: 403, code: 'refused', message: `a module refused the ${what}: ${problem}` }
}

export function isHookTimeout(error: unknown): boolean {
  return errorCodeOf(error) === hookTimeoutCode
}

export type ChunkHook = (chunk: Buffer, done: HookCallback<Buffer>) => unknown

/** Each chunk through all hooks, one after the other; what is called back as nothing is left out. */
export function chunkHooks(hooks: readonly ChunkHook[], deadline: HookDeadline): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, settle) {
      throughHooks(hooks, chunk, deadline).then((result) => settle(null, result), settle)
    },
  })
}

async function throughHooks(
  hooks: readonly ChunkHook[],
  chunk: Buffer,
  deadline: HookDeadline,
): Promise<Buffer | undefined> {
  let current = chunk
  for (const hook of hooks) {
    const given: unknown = await called<Buffer>((done) => hook(current, done), deadline)
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
