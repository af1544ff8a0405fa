/**
 * The viewer's end of the control socket. It believes nothing: lines are bounded, one that is no
 * message is counted and left out, and whatever happens ends in `onClose`, once.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'

import { describeError } from '../base/errors.ts'
import { decodeSplitLine } from '../capture/line-decoder.ts'
import type { SplitLine } from '../capture/line-splitter.ts'
import { createLineSplitter } from '../capture/line-splitter.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Descriptor, Hello } from './descriptor.ts'
import { answersAt, helloSchema, isGone, listDescriptors, removeDescriptor } from './descriptor.ts'
import { answerSchema, statusSchema } from './viewer-requests.ts'
import type { ViewerAnswer } from './viewer-requests.ts'

const defaultMaxLineBytes = 64 * 1024 * 1024
/** An older proxy reads no requests. */
const answerTimeoutMs = 5000

export interface AttachHandlers {
  onHello?(hello: Hello): void
  onMessage(msg: AnalysisMsg): void
  /** One line for people: another viewer has changed something. */
  onStatus?(text: string): void
  /** A line that is no message this version knows; `count` is how many there were so far. */
  onInvalidLine?(problem: string, count: number): void
  onClose(end: AttachEnd): void
}

export interface AttachEnd {
  /** `ended`: the proxy closed or vanished; `refused`: it takes no more viewers. */
  readonly reason: 'ended' | 'gone' | 'refused' | 'failed' | 'closed'
  /** One line for people; empty where there is nothing to say. */
  readonly message: string
}

export interface Attachment {
  /**
   * Asks for a host to be decrypted from now on. Resolves with one line that says what became of
   * it, whatever that is; never rejects.
   */
  allow(host: string): Promise<string>
  close(): void
}

/** The proxies that answer. Descriptors and sockets of dead ones are removed. */
export async function discover(directory: string): Promise<Descriptor[]> {
  const descriptors = await listDescriptors(directory)
  const answers = await Promise.all(descriptors.map(({ socket }) => answersAt(socket)))
  const dead = descriptors.filter((_, index) => answers[index] !== true)
  await Promise.all(dead.map((descriptor) => removeDescriptor(directory, descriptor)))
  return descriptors.filter((_, index) => answers[index] === true)
}

/** Connects at once; handlers are called later, never within this call. */
export function attach(
  descriptor: Pick<Descriptor, 'socket'>,
  handlers: AttachHandlers,
  options: { readonly maxLineBytes?: number | undefined } = {},
): Attachment {
  const splitter = createLineSplitter(options.maxLineBytes ?? defaultMaxLineBytes)
  const socket = connect(descriptor.socket)
  let end: AttachEnd = { reason: 'ended', message: '' }
  let isGreeted = false
  let isClosed = false
  let invalid = 0
  const requests = createRequests(socket)

  function takeNotice(notice: Notice): void {
    if (notice.type === 'status') handlers.onStatus?.(notice.text)
    else requests.take(notice.answer)
  }

  function readLine(split: SplitLine): void {
    if (!isGreeted && split.ok) {
      const greeting = readGreeting(split.bytes)
      isGreeted = true
      if (greeting?.type === 'refused') end = { reason: 'refused', message: greeting.message }
      if (greeting?.type === 'hello') handlers.onHello?.(greeting.hello)
      if (greeting !== undefined) return
    }
    const notice = split.ok ? readNotice(split.bytes) : undefined
    if (notice !== undefined) {
      takeNotice(notice)
      return
    }
    const decoded = decodeSplitLine(split)
    if (decoded === undefined) return
    if (decoded.ok && decoded.type === 'message') {
      handlers.onMessage(decoded.msg)
      return
    }
    invalid += 1
    handlers.onInvalidLine?.(decoded.ok ? 'an unknown kind of message' : decoded.problem, invalid)
  }

  socket.on('data', (chunk) => {
    for (const split of splitter.push(chunk)) {
      if (isClosed) return
      readLine(split)
    }
  })
  socket.on('error', (error) => {
    end = { reason: isGone(error) ? 'gone' : 'failed', message: describeError(error) }
  })
  socket.once('close', () => {
    requests.end()
    handlers.onClose(isClosed ? { reason: 'closed', message: '' } : end)
  })
  return {
    allow: (host) => requests.allow(host),
    close() {
      isClosed = true
      socket.destroy()
    },
  }
}

interface Requests {
  allow(host: string): Promise<string>
  take(answer: ViewerAnswer): void
  /** No more answers come. */
  end(): void
}

const endedText = 'the proxy has ended'
const lateText = 'the proxy did not answer: it may be an older version'

function createRequests(socket: Socket): Requests {
  const waiting = new Map<number, (text: string) => void>()
  let lastId = 0
  return {
    allow(host) {
      if (socket.destroyed) return Promise.resolve(endedText)
      lastId += 1
      const id = lastId
      const { promise, resolve } = Promise.withResolvers<string>()
      const timer = setTimeout(() => waiting.get(id)?.(lateText), answerTimeoutMs)
      waiting.set(id, (text) => {
        clearTimeout(timer)
        waiting.delete(id)
        resolve(text)
      })
      socket.write(`${JSON.stringify({ request: 'allow', host, id })}\n`)
      return promise
    },
    take: ({ id = 0, text }) => waiting.get(id)?.(text),
    end() {
      for (const answer of waiting.values()) answer(endedText)
    },
  }
}

type Notice =
  | { readonly type: 'status'; readonly text: string }
  | { readonly type: 'answer'; readonly answer: ViewerAnswer }

/** Messages begin with other fields, so that they are not parsed twice. */
const noticeStart = /^\{"(?:answer|status)":/u

/** Undefined for what is no answer and no status. */
function readNotice(bytes: Buffer): Notice | undefined {
  if (!noticeStart.test(bytes.subarray(0, 12).toString('latin1'))) return undefined
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
  const answer = answerSchema.safeParse(value)
  if (answer.success) return { type: 'answer', answer: answer.data.answer }
  const status = statusSchema.safeParse(value)
  return status.success ? { type: 'status', text: status.data.status } : undefined
}

type Greeting =
  | { readonly type: 'hello'; readonly hello: Hello }
  | { readonly type: 'refused'; readonly message: string }

function readGreeting(bytes: Buffer): Greeting | undefined {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if ('refused' in value) return { type: 'refused', message: String(value.refused) }
  const parsed = helloSchema.safeParse(value)
  return parsed.success ? { type: 'hello', hello: parsed.data.hello } : undefined
}
