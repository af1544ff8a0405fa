/**
 * Content codings (RFC 9110 §8.4): gzip, deflate (zlib or raw), br, zstd, stacked in any order.
 * Synchronous and incremental: what the sender flushed comes out of the very `push` that brought
 * it. Node offers this only through `_processChunk` of its zlib streams, kept since version 0.10
 * for packages such as pngjs and minizlib; this is the one file that touches it, and a contract
 * test in its mirror holds Node to it. Bounded in output; never throws.
 */
import type { Transform } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'

import { describeError } from './errors.ts'

/** Bytes that the content codings of one body may expand to before decoding stops. */
const decompressedBytes = 64 * 1024 * 1024

/** Content codings stacked on one body; real traffic has one, two where a cache adds its own. */
const stackedCodings = 4

export interface DecoderLimits {
  /** Bytes of output in total; default 64 MiB. */
  readonly outputBytes?: number
}

export type DecoderState =
  | { readonly kind: 'open' }
  /** Every coding reached its own end; what follows it is ignored. */
  | { readonly kind: 'ended' }
  /** `end` was called before a coding reached its end: what came out is a prefix. */
  | { readonly kind: 'truncated' }
  /** More came out than the limit allows. */
  | { readonly kind: 'limit' }
  | { readonly kind: 'failed'; readonly problem: string }

export interface ContentDecoder {
  /** The decoded bytes; without any coding, `bytes` itself. Empty once the state is not `open`. */
  push(bytes: Uint8Array): Uint8Array
  /** No more input: settles the state, which `open` then no longer is. */
  end(): DecoderState
  readonly state: DecoderState
}

/** The codings of Content-Encoding values in the order they were applied, `identity` left out. */
export function parseContentEncoding(values: readonly string[]): string[] {
  return values
    .flatMap((value) => value.split(','))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
}

/** Why nothing in these codings can be decoded, in one line; undefined where it can be tried. */
export function problemOfCodings(encodings: readonly string[]): string | undefined {
  if (encodings.length > stackedCodings) return 'too many content codings'
  const unknown = encodings.find((name) => !isKnownCoding(name))
  return unknown === undefined ? undefined : `unknown content coding ${unknown.slice(0, 40)}`
}

/** `encodings` in the order they were applied, so the last one is undone first. */
export function createContentDecoder(
  encodings: readonly string[],
  limits: DecoderLimits = {},
): ContentDecoder {
  const limit = limits.outputBytes ?? decompressedBytes
  const stages = encodings.toReversed().map((name) => createStage(name, limit))
  const problem = problemOfCodings(encodings)
  let state: DecoderState = problem === undefined ? { kind: 'open' } : failed(problem)

  function push(bytes: Uint8Array): Uint8Array {
    if (stages.length === 0) return state.kind === 'open' ? bytes : nothing
    const pieces: Uint8Array[] = []
    // Slices keep one call's output near the bound for honest data, whatever the sender chunked.
    for (let at = 0; at < bytes.length && state.kind === 'open'; at += sliceBytes) {
      let piece: Uint8Array = bytes.subarray(at, at + sliceBytes)
      for (const stage of stages) piece = runStage(stage, piece)
      if (piece.length > 0) pieces.push(piece)
    }
    return joined(pieces)
  }

  function runStage(stage: Stage, input: Uint8Array): Uint8Array {
    if (state.kind !== 'open' || input.length === 0) return nothing
    const output = stage.push(input)
    if (output.ok) return output.bytes
    state = output.isLimit ? { kind: 'limit' } : failed(`${stage.name}: ${output.problem}`)
    return nothing
  }

  return {
    push,
    end() {
      if (state.kind !== 'open') return state
      const complete = stages.map((stage) => stage.end()).every(Boolean)
      state = complete ? { kind: 'ended' } : { kind: 'truncated' }
      return state
    },
    get state() {
      return state
    },
  }
}

const sliceBytes = 16 * 1024
const nothing = new Uint8Array(0)

function failed(problem: string): DecoderState {
  return { kind: 'failed', problem }
}

type StageOutput =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly isLimit: boolean; readonly problem: string }

interface Stage {
  readonly name: string
  push(input: Uint8Array): StageOutput
  /** Whether the coding reached its end. */
  end(): boolean
}

interface Coding {
  /** `head` holds the first bytes, `headBytes` of them unless the body is shorter. */
  open(options: { maxOutputLength: number }, head: Uint8Array): Transform
  readonly headBytes: number
  readonly flush: number
  readonly finish: number
  /** Whether another member or frame may follow the first, beginning with this byte. */
  opensAgain(firstByte: number): boolean
}

const gzip: Coding = {
  open: createGunzip,
  headBytes: 1,
  flush: constants.Z_SYNC_FLUSH,
  finish: constants.Z_FINISH,
  opensAgain: (byte) => byte === 0x1f,
}
const codings: Readonly<Record<string, Coding>> = {
  gzip,
  'x-gzip': gzip,
  deflate: {
    // RFC 9110 §8.4.1.2: some senders omit the zlib wrapper, whose header is checkable in 2 bytes.
    open: (options, head) =>
      isZlibHeader(head) ? createInflate(options) : createInflateRaw(options),
    headBytes: 2,
    flush: constants.Z_SYNC_FLUSH,
    finish: constants.Z_FINISH,
    opensAgain: () => false,
  },
  br: {
    open: createBrotliDecompress,
    headBytes: 1,
    flush: constants.BROTLI_OPERATION_FLUSH,
    finish: constants.BROTLI_OPERATION_FINISH,
    opensAgain: () => false,
  },
  zstd: {
    // RFC 9659 §3: a window above 8 MiB is not for content codings.
    open: (options) =>
      createZstdDecompress({ ...options, params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
    headBytes: 1,
    flush: constants.ZSTD_e_flush,
    finish: constants.ZSTD_e_end,
    // RFC 8878 §3.1: a frame begins 28 B5 2F FD, a skippable one 5x 2A 4D 18.
    opensAgain: (byte) => byte === 0x28 || (byte & 0xf0) === 0x50,
  },
}

function isKnownCoding(name: string): boolean {
  return Object.hasOwn(codings, name)
}

function isZlibHeader(head: Uint8Array): boolean {
  const [first = 0, second = 0] = head
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

function createStage(name: string, limit: number): Stage {
  const coding = codings[name] ?? gzip
  let held: Uint8Array = nothing
  let inflater: Inflater | undefined
  let members = 0
  let total = 0
  let isOver = false

  /** One call into the current member, or into the next one; the rest of the input in `rest`. */
  function step(input: Uint8Array): StageOutput & { readonly rest: Uint8Array } {
    const isFresh = inflater === undefined
    if (inflater === undefined) {
      members += 1
      inflater = createInflater(coding.open({ maxOutputLength: limit }, input))
    }
    const result = inflater.write(input, coding.flush)
    if (!result.ok) {
      // What follows a complete member and is not another one is padding, as gzip(1) has it.
      isOver = members > 1 && !result.isLimit && result.output === 0
      return isOver ? { ok: true, bytes: nothing, rest: nothing } : { ...result, rest: nothing }
    }
    const rest = input.subarray(result.consumed)
    if (rest.length > 0) {
      // Input left over: the member is complete.
      inflater.close()
      inflater = undefined
      isOver = !coding.opensAgain(rest[0] ?? 0) || (isFresh && result.consumed === 0)
    }
    return { ok: true, bytes: result.bytes, rest }
  }

  function push(chunk: Uint8Array): StageOutput {
    let input = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    held = nothing
    if (members === 0 && input.length < coding.headBytes) {
      held = Uint8Array.from(input)
      return { ok: true, bytes: nothing }
    }
    const pieces: Uint8Array[] = []
    while (input.length > 0 && !isOver) {
      const result = step(input)
      if (!result.ok) return result
      total += result.bytes.length
      // Members are bounded one by one; a thousand small ones must be bounded together.
      if (total > limit) return { ok: false, isLimit: true, problem: 'limit' }
      pieces.push(result.bytes)
      input = result.rest
    }
    return { ok: true, bytes: joined(pieces) }
  }

  return {
    name,
    push,
    end() {
      if (isOver || (members > 0 && inflater === undefined)) return true
      const isComplete = inflater?.write(nothing, coding.finish).ok ?? false
      inflater?.close()
      return isComplete
    },
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
}

interface Inflater {
  write(
    input: Uint8Array,
    flush: number,
  ):
    | { readonly ok: true; readonly bytes: Uint8Array; readonly consumed: number }
    | {
        readonly ok: false
        readonly isLimit: boolean
        readonly problem: string
        /** Bytes that this member gave before it failed. */
        readonly output: number
      }
  /** Frees the native decoder at once; else the garbage collector does. */
  close(): void
}

/** What `_processChunk` needs of a zlib stream, as it is in Node 22 and 24. */
interface ZlibInternals extends Transform {
  _handle: { close(): void } | null
  bytesWritten: number
  _processChunk(chunk: Uint8Array, flush: number): Uint8Array
}

function createInflater(stream: Transform): Inflater {
  // The one place that reaches into Node's zlib: the types do not list these members.
  const zlib = stream as ZlibInternals
  let output = 0
  return {
    write(input, flush) {
      const handle = zlib._handle
      if (handle === null)
        return { ok: false, isLimit: false, problem: 'decoder is closed', output }
      // `_processChunk` closes the native handle after its one chunk: here more will follow.
      handle.close = () => undefined
      try {
        const bytes = zlib._processChunk(input, flush)
        output += bytes.length
        // The result may be a view of a buffer that the next call overwrites.
        return { ok: true, bytes: Uint8Array.from(bytes), consumed: zlib.bytesWritten }
      } catch (error) {
        const isLimit = error instanceof RangeError
        return { ok: false, isLimit, problem: describeError(error), output }
      } finally {
        Reflect.deleteProperty(handle, 'close')
        zlib._handle = handle
        // It adds a listener at every call, and reports a failure once more as an event.
        zlib.removeAllListeners('error')
        zlib.on('error', () => undefined)
      }
    },
    close() {
      const handle = zlib._handle
      zlib._handle = null
      handle?.close()
    },
  }
}
