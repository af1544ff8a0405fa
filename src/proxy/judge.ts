/**
 * Asks the inline analyzers, in chain order, what becomes of a request. Fails closed: an analyzer
 * that throws or does not answer in time refuses the request; it is never forwarded unjudged.
 */
import type { Transform } from 'node:stream'

import { describeError } from '../base/errors.ts'
import type {
  Analyzer,
  BodyTransform,
  MessageTransform,
  OutgoingRequest,
  Refusal,
} from '../pipeline/analyzer.ts'

export type Verdict =
  | Refusal
  | {
      /** Of a request with a body. */
      readonly transforms: readonly BodyTransform[]
      /** Of an upgrade. */
      readonly messages: readonly MessageTransform[]
    }

export interface JudgedParts {
  readonly hasBody: boolean
  readonly isUpgrade: boolean
}

export async function judgeRequest(
  analyzers: readonly Analyzer[],
  request: OutgoingRequest,
  deadlineMs: number,
  { hasBody, isUpgrade }: JudgedParts = { hasBody: true, isUpgrade: false },
): Promise<Verdict> {
  const transforms: BodyTransform[] = []
  const messages: MessageTransform[] = []
  for (const analyzer of analyzers) {
    try {
      const given = analyzer.onRequest?.(request)
      const answer = given instanceof Promise ? await withDeadline(given, deadlineMs) : given
      if (answer !== undefined) return answer
      const transform = hasBody ? analyzer.transformRequestBody?.(request) : undefined
      if (transform !== undefined) transforms.push(bodyTransform(transform))
      const ofMessages = isUpgrade ? analyzer.transformRequestMessages?.(request) : undefined
      if (ofMessages !== undefined) messages.push(ofMessages)
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
  return { transforms, messages }
}

function bodyTransform(given: Transform | BodyTransform): BodyTransform {
  if ('stream' in given) return given
  return { stream: given, decodes: false, hasChanged: () => true, trailers: (pairs) => pairs }
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
