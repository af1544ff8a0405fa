/**
 * Asks the inline analyzers, in chain order, what becomes of a request. Fails closed: an analyzer
 * that throws or does not answer in time refuses the request; it is never forwarded unjudged.
 */
import type { Transform } from 'node:stream'

import { describeError } from '../base/errors.ts'
import type { Analyzer, OutgoingRequest, Refusal } from '../pipeline/analyzer.ts'

export type Verdict = Refusal | { readonly transforms: readonly Transform[] }

export async function judgeRequest(
  analyzers: readonly Analyzer[],
  request: OutgoingRequest,
  deadlineMs: number,
): Promise<Verdict> {
  const transforms: Transform[] = []
  for (const analyzer of analyzers) {
    try {
      const given = analyzer.onRequest?.(request)
      const answer = given instanceof Promise ? await withDeadline(given, deadlineMs) : given
      if (answer !== undefined) return answer
      const transform = analyzer.transformRequestBody?.(request)
      if (transform !== undefined) transforms.push(transform)
    } catch (error) {
      request.emit({
        kind: 'analyzer-failed',
        analyzer: analyzer.name,
        error: describeError(error),
      })
      return {
        status: 502,
        reason: 'analyzer-failed',
        message: `porthole refused the request: its analyzer ${analyzer.name} failed`,
      }
    }
  }
  return { transforms }
}

async function withDeadline<T>(answer: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
