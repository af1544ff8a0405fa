/**
 * Asks the inline analyzers, in chain order, what becomes of a request, or of a connection. Fails
 * closed: an analyzer that throws or does not answer in time refuses; nothing is forwarded unjudged.
 */
import type { Transform } from 'node:stream'

import { describeError } from '../base/errors.ts'
import type {
  Analyzer,
  Emit,
  OutgoingConnection,
  OutgoingRequest,
  Refusal,
} from '../pipeline/analyzer.ts'
import { BodyUnavailable } from '../pipeline/body-unavailable.ts'

export type Verdict = Refusal | { readonly transforms: readonly Transform[] }

/** Something that an analyzer waits for and is not to blame for, if there is anything. */
export type AwaitedClient = () => Promise<unknown> | undefined

/** `awaited` is the client, as long as it sends what an analyzer asked for: that time is not counted. */
export async function judgeRequest(
  analyzers: readonly Analyzer[],
  request: OutgoingRequest,
  deadlineMs: number,
  awaited: AwaitedClient = () => undefined,
): Promise<Verdict> {
  const transforms: Transform[] = []
  for (const analyzer of analyzers) {
    try {
      const given = analyzer.onRequest?.(request)
      const answer =
        given instanceof Promise ? await withDeadline(given, deadlineMs, awaited) : given
      if (answer !== undefined) return answer
      const transform = analyzer.transformRequestBody?.(request)
      if (transform !== undefined) transforms.push(transform)
    } catch (error) {
      if (error instanceof BodyUnavailable) return refusalFor(error)
      return failed(analyzer, error, request.emit)
    }
  }
  return { transforms }
}

/** Undefined where nobody objects. */
export function judgeConnection(
  analyzers: readonly Analyzer[],
  connection: OutgoingConnection,
): Refusal | undefined {
  for (const analyzer of analyzers) {
    try {
      const answer = analyzer.onConnect?.(connection)
      if (answer !== undefined) return answer
    } catch (error) {
      return failed(analyzer, error, connection.emit)
    }
  }
  return undefined
}

function failed({ name }: Analyzer, error: unknown, emit: Emit): Refusal {
  emit({ kind: 'analyzer-failed', analyzer: name, error: describeError(error) })
  return {
    status: 502,
    reason: 'analyzer-failed',
    message: `porthole refused the request: its analyzer ${name} failed`,
  }
}

function refusalFor({ status, reason, message }: BodyUnavailable): Refusal {
  return { status, reason, message, ...(status === 503 ? { retryAfterSeconds: 1 } : {}) }
}

async function withDeadline<T>(
  answer: Promise<T>,
  deadlineMs: number,
  awaited: AwaitedClient,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const late = new Promise<never>((_resolve, reject) => {
    const start = (): void => {
      if (!isOver) timer = setTimeout(look, deadlineMs)
    }
    const look = (): void => {
      const client = awaited()
      if (client === undefined) reject(new Error(`no answer within ${deadlineMs} ms`))
      else void client.then(start, start)
    }
    start()
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    isOver = true
    clearTimeout(timer)
  }
}
