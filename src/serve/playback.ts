/**
 * Writes a recorded answer as it came: status, headers, chunk by chunk at their times, and an end
 * that is the end of the recording: whole, or the connection broken off.
 */
import type { ServerResponse } from 'node:http'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

import type { HeaderPairs } from '../messages/schema.ts'
import type { RecordedAnswer, Recording } from './recording.ts'

/** Longest wait that one timer can make, in milliseconds. */
const maxTimerMs = 2 ** 31 - 1

/** `speed` 1 is as it happened; Infinity at once. Ends early, and quietly, when the client leaves. */
export async function playAnswer(
  recorded: Exclude<Recording['answer'], { kind: 'unservable' }>,
  response: ServerResponse,
  speed: number,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const pace = createPace(speed, gone.signal)
  try {
    if (recorded.kind === 'broken') {
      await pace(recorded.afterMs)
      response.destroy()
      return
    }
    await pace(recorded.answer.headAfterMs)
    await playWhole(recorded.answer, response, createPace(speed, gone.signal))
  } catch (error) {
    if (!gone.signal.aborted) throw error
  }
}

async function playWhole(
  answer: RecordedAnswer,
  response: ServerResponse,
  pace: (afterMs: number) => Promise<void>,
): Promise<void> {
  const { status, statusText, headers, trailers, isBroken } = answer
  response.sendDate = false
  const sent = sendable(headers)
  if (statusText === undefined) response.writeHead(status, sent.flat())
  else response.writeHead(status, statusText, sent.flat())
  response.flushHeaders()
  for (const { afterMs, bytes } of answer.chunks) {
    await pace(afterMs)
    await written(response, bytes)
  }
  await pace(answer.endAfterMs)
  if (isBroken) {
    // After what was written, before the end that the body should have.
    response.socket?.destroySoon()
    return
  }
  if (trailers.length > 0) response.addTrailers(sendable(trailers))
  response.end()
}

/** A capture is a file like any other: what no header can be is left out. */
function sendable(headers: HeaderPairs): Array<[string, string]> {
  return headers.flatMap(([name, value]): Array<[string, string]> => {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
      return [[name, value]]
    } catch {
      return []
    }
  })
}

/** Waits until its bytes are on their way, so that two chunks never share a write. */
async function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (response.destroyed) throw new Error('the client has left')
  const done = Promise.withResolvers<void>()
  response.once('close', done.resolve)
  response.write(bytes, (error) => {
    if (error) done.reject(error)
    else done.resolve()
  })
  await done.promise
  response.off('close', done.resolve)
}

/** Waits until so long after its making, so that errors of single timers do not add up. */
function createPace(speed: number, signal: AbortSignal): (afterMs: number) => Promise<void> {
  const startedMs = performance.now()
  return async (afterMs) => {
    signal.throwIfAborted()
    if (speed === Infinity) return
    const dueMs = startedMs + afterMs / speed
    for (let leftMs = dueMs - performance.now(); leftMs > 0; leftMs = dueMs - performance.now()) {
      await delay(Math.min(Math.ceil(leftMs), maxTimerMs), undefined, { signal })
    }
  }
}
