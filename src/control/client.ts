/**
 * The viewer's end of the control socket. It believes nothing: lines are bounded, one that is no
 * message is counted and left out, and whatever happens ends in `onClose`, once.
 */
import { connect } from 'node:net'

import { describeError } from '../base/errors.ts'
import { decodeSplitLine } from '../capture/line-decoder.ts'
import type { SplitLine } from '../capture/line-splitter.ts'
import { createLineSplitter } from '../capture/line-splitter.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Descriptor, Hello } from './descriptor.ts'
import { answersAt, helloSchema, isGone, listDescriptors, removeDescriptor } from './descriptor.ts'

const defaultMaxLineBytes = 64 * 1024 * 1024

export interface AttachHandlers {
  onHello?(hello: Hello): void
  onMessage(msg: AnalysisMsg): void
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
): { close(): void } {
  const splitter = createLineSplitter(options.maxLineBytes ?? defaultMaxLineBytes)
  const socket = connect(descriptor.socket)
  let end: AttachEnd = { reason: 'ended', message: '' }
  let isGreeted = false
  let isClosed = false
  let invalid = 0

  function readLine(split: SplitLine): void {
    if (!isGreeted && split.ok) {
      const greeting = readGreeting(split.bytes)
      isGreeted = true
      if (greeting?.type === 'refused') end = { reason: 'refused', message: greeting.message }
      if (greeting?.type === 'hello') handlers.onHello?.(greeting.hello)
      if (greeting !== undefined) return
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
    handlers.onClose(isClosed ? { reason: 'closed', message: '' } : end)
  })
  return {
    close() {
      isClosed = true
      socket.destroy()
    },
  }
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
