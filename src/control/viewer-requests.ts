/**
 * What viewers may ask a proxy for, which is one thing: that a host be decrypted from now on. One
 * JSON object a line, `{"request":"allow","host":"…","id":1}`; the answer comes as
 * `{"answer":{"id":1,"ok":true,"text":"…"}}`, and the others are told by `{"status":"…"}`. Lines are
 * short and few, or they are not read.
 */
import { z } from 'zod'

import { AppError, describeError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { createLineSplitter } from '../capture/line-splitter.ts'

const requestSchema = z.object({
  request: z.literal('allow'),
  /** A host pattern: a name has 253 characters at most, then come `*.` and a port. */
  host: z.string().min(1).max(270),
  /** Repeated in the answer. */
  id: z.int().nonnegative().optional(),
})

export const answerSchema = z.object({
  answer: z.object({ id: z.int().optional(), ok: z.boolean(), text: z.string() }),
})
export const statusSchema = z.object({ status: z.string() })

export type ViewerAnswer = Readonly<z.infer<typeof answerSchema>['answer']>

/** Longer lines are no requests. */
const maxLineBytes = 1024
/** Requests of one viewer in one period, in milliseconds. */
const maxRequests = 20
const periodMs = 10_000

/** Puts a host on the allowlist; returns what to tell people. Throws `AppError`. */
export type AllowHost = (host: string) => string

export interface RequestReader {
  /** Answers to the requests that end in this chunk. Never throws. */
  push(chunk: Buffer): ViewerAnswer[]
}

/** `now` in monotonic milliseconds. Lines that are no requests are passed over. */
export function createRequestReader(allow: AllowHost, now: () => number): RequestReader {
  const splitter = createLineSplitter(maxLineBytes)
  let periodStart = now()
  let requests = 0

  function isTooMany(): boolean {
    if (now() - periodStart >= periodMs) {
      periodStart = now()
      requests = 0
    }
    requests += 1
    return requests > maxRequests
  }

  return {
    push(chunk) {
      return splitter.push(chunk).flatMap((line) => {
        const request = line.ok ? parseRequest(line.bytes) : undefined
        // Beyond the bound not even answers: whoever floods has no use for them.
        if (request === undefined || isTooMany()) return []
        const answer = answerTo(request.host, allow)
        return request.id === undefined ? [answer] : [{ ...answer, id: request.id }]
      })
    },
  }
}

function parseRequest(bytes: Buffer): z.infer<typeof requestSchema> | undefined {
  try {
    return requestSchema.safeParse(JSON.parse(bytes.toString('utf8'))).data
  } catch {
    // No JSON: it asks for nothing.
    return undefined
  }
}

function answerTo(host: string, allow: AllowHost): ViewerAnswer {
  try {
    return { ok: true, text: visibleLine(allow(host)) }
  } catch (error) {
    const text =
      error instanceof AppError ? `${error.message}; ${error.hint}` : describeError(error)
    return { ok: false, text: visibleLine(text) }
  }
}
