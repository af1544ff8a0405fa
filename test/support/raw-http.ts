/** Raw HTTP/1.1 for tests: request texts, and answers read to their end without an HTTP client. */
import type { Socket } from 'node:net'

import { readUntil } from './proxy.ts'

/** A request's head and body as text; `fields` are whole lines without their line ends. */
export function requestText(
  line: string,
  host: string,
  fields: readonly string[] = [],
  body = '',
): string {
  const framing = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const head = [`${line} HTTP/1.1`, `Host: ${host}`, ...fields, ...framing]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Reads one answer with a Content-Length, or all until the other side ends. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  const all = await readUntil(socket, (bytes) => {
    const text = bytes.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end === -1) return false
    const length = /\r\ncontent-length: *(?<length>\d+)/iu.exec(text.slice(0, end))?.groups?.[
      'length'
    ]
    return length !== undefined && text.length >= end + 4 + Number(length)
  })
  const text = all.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (?<status>\d+)/u.exec(text)?.groups?.['status'] ?? 0),
    head: end === -1 ? text : text.slice(0, end),
    body: end === -1 ? '' : text.slice(end + 4),
  }
}

export async function ask(socket: Socket, request: string): Promise<RawAnswer> {
  socket.write(request, 'latin1')
  return readAnswer(socket)
}
