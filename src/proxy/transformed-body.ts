/**
 * Request bodies that analyzers transform. A small one of known length is taken in and transformed
 * before its head is sent, so that the upstream is told the length that it has, and a refusal
 * comes before anything was sent; a large one streams, chunked. What fails fails the exchange:
 * no body is ever sent half transformed.
 */
import type { Readable } from 'node:stream'

import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { BodyTransform, HeaderList } from '../pipeline/analyzer.ts'
import { contentLengthOf } from './http-messages.ts'
import type { RequestBody } from './request-body.ts'

/** Announced, and come to, in bytes. */
const heldBytes = 1024 * 1024
const heldResultBytes = 4 * 1024 * 1024

export type PreparedBody =
  /** To be sent as it comes, through these; none leave it as it is. */
  | { readonly kind: 'streamed'; readonly transforms: readonly BodyTransform[] }
  /** All of it, with its length in the head. */
  | { readonly kind: 'held'; readonly bytes: Buffer }
  /** What came to more than was expected: it goes on from here. */
  | {
      readonly kind: 'begun'
      readonly stream: Readable
      readonly transforms: readonly BodyTransform[]
    }

export function mayBeHeld({ headers }: { readonly headers: HeaderPairs }): boolean {
  const length = contentLengthOf(headers)
  // Who waits for a 100 sends nothing before the upstream has seen the head.
  return length !== undefined && length <= heldBytes && headerValues(headers, 'expect').length === 0
}

/** Each through the next. `onFailed` is called for the first that fails. */
export function throughTransforms(
  source: Readable,
  transforms: readonly BodyTransform[],
  onFailed: (error: Error) => void,
): Readable {
  let stream = source
  for (const transform of transforms) {
    transform.stream.on('error', onFailed)
    stream = stream.pipe(transform.stream)
  }
  return stream
}

/**
 * Takes in a body that `mayBeHeld`. Undefined where the client left before its end; rejects with
 * what a transform failed with.
 */
export async function holdBody(
  request: Pick<RequestBody, 'stream' | 'tee'>,
  transforms: readonly BodyTransform[],
  headers: HeaderList,
): Promise<PreparedBody | undefined> {
  const { tee } = request
  const body = request.stream()
  // It may have left while the request was judged; then nothing tells of it any more.
  if (body.destroyed && !body.readableEnded) return undefined
  const came: Buffer[] = []
  body.on('data', (chunk: Buffer) => {
    came.push(chunk)
    tee(chunk)
  })
  const result = await new Promise<Collected | undefined>((resolve, reject) => {
    const stream = throughTransforms(body, transforms, reject)
    body.once('close', () => {
      if (!body.readableEnded) resolve(undefined)
    })
    collect(stream, resolve)
  })
  if (result === undefined) {
    for (const { stream } of transforms) stream.destroy()
    return undefined
  }
  if (!result.isWhole) {
    frameAnew(headers, transforms)
    return { kind: 'begun', stream: result.stream, transforms }
  }
  if (transforms.every((transform) => !transform.hasChanged())) {
    return { kind: 'held', bytes: Buffer.concat(came) }
  }
  const bytes = Buffer.concat(result.chunks)
  headers.set('Content-Length', String(bytes.byteLength))
  if (transforms.some(({ decodes }) => decodes)) headers.remove('content-encoding')
  return { kind: 'held', bytes }
}

type Collected =
  | { readonly isWhole: true; readonly chunks: readonly Buffer[] }
  | { readonly isWhole: false; readonly stream: Readable }

function collect(stream: Readable, resolve: (result: Collected) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  const onEnd = (): void => resolve({ isWhole: true, chunks })
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes <= heldResultBytes) return
    stream.pause()
    stream.off('data', onData).off('end', onEnd)
    stream.unshift(Buffer.concat(chunks))
    resolve({ isWhole: false, stream })
  }
  stream.on('data', onData).on('end', onEnd)
}

/** For a body whose length is not known before its end. */
export function frameAnew(headers: HeaderList, transforms: readonly BodyTransform[] = []): void {
  headers.remove('content-length')
  headers.set('Transfer-Encoding', 'chunked')
  if (transforms.some(({ decodes }) => decodes)) headers.remove('content-encoding')
}

/** The trailers of a body that was transformed. */
export async function transformTrailers(
  pairs: HeaderPairs,
  transforms: readonly BodyTransform[],
): Promise<HeaderPairs> {
  let trailers = pairs
  for (const transform of transforms) trailers = await transform.trailers(trailers)
  return trailers
}
