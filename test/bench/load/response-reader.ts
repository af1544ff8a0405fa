/**
 * Reads HTTP/1.1 responses of known servers, as cheaply as a load client may: status, framing by
 * Content-Length or chunks, nothing else. It is no parser for hostile input.
 */

export interface ResponseEvents {
  onHead(status: number): void
  onBody(piece: Buffer): void
  /** The response is complete; the connection may carry the next one. */
  onEnd(): void
}

export interface ResponseReader {
  /** Throws on what is not a framed response. */
  push(bytes: Buffer): void
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers'

const emptyLine = Buffer.from('\r\n\r\n')

export function createResponseReader(events: ResponseEvents): ResponseReader {
  let state: State = 'head'
  let rest: Buffer = Buffer.alloc(0)
  let left = 0

  const end = (): void => {
    state = 'head'
    events.onEnd()
  }
  const readHead = (): boolean => {
    const at = rest.indexOf(emptyLine)
    if (at === -1) return false
    const head = rest.subarray(0, at).toString('latin1')
    rest = rest.subarray(at + 4)
    const status = Number(/^HTTP\/1\.1 (\d{3})/u.exec(head)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw new Error(`not a response: ${head.slice(0, 80)}`)
    if (status < 200) return true
    events.onHead(status)
    const length = /\r\ncontent-length: *(\d+)/iu.exec(head)?.[1]
    if (length !== undefined) {
      left = Number(length)
      state = 'length'
      if (left === 0) end()
    } else if (/\r\ntransfer-encoding: *chunked/iu.test(head)) state = 'chunk-size'
    else throw new Error('a response that ends with its connection')
    return true
  }
  const readBytes = (next: () => void): boolean => {
    if (rest.length === 0) return false
    const piece = rest.subarray(0, left)
    rest = rest.subarray(piece.length)
    left -= piece.length
    events.onBody(piece)
    if (left === 0) next()
    return true
  }
  const readLine = (take: (line: string) => void): boolean => {
    const at = rest.indexOf('\r\n')
    if (at === -1) return false
    const line = rest.subarray(0, at).toString('latin1')
    rest = rest.subarray(at + 2)
    take(line)
    return true
  }
  const steps: Record<State, () => boolean> = {
    head: readHead,
    length: () => readBytes(end),
    chunk: () =>
      readBytes(() => {
        state = 'chunk-end'
      }),
    'chunk-end': () =>
      readLine(() => {
        state = 'chunk-size'
      }),
    'chunk-size': () =>
      readLine((line) => {
        left = Number.parseInt(line, 16)
        if (Number.isNaN(left)) throw new Error(`not a chunk size: ${line.slice(0, 40)}`)
        state = left === 0 ? 'trailers' : 'chunk'
      }),
    trailers: () =>
      readLine((line) => {
        if (line === '') end()
      }),
  }
  return {
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      while (rest.length > 0 && steps[state]()) {
        // Each step takes what it can; the loop ends when one needs more bytes.
      }
    },
  }
}
