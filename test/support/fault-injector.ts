/**
 * A TCP relay on loopback that spoils a connection on purpose: late, slow, in slices, cut off,
 * reset or swallowed. The sizes of slices and the jitter come from a seed, so that a failure can be
 * seen again.
 */
import net from 'node:net'
import type { Socket } from 'node:net'

import { startRawUpstream } from './upstream.ts'

export interface Faults {
  /** Milliseconds before each piece goes on. */
  readonly latencyMs?: number
  /** Up to so many milliseconds more, by chance. */
  readonly jitterMs?: number
  readonly bytesPerSecond?: number
  /** Largest slice that goes on at once; sizes from 1 to this, by chance. */
  readonly sliceBytes?: number
  /** After so many bytes: a reset, or the end of the stream. */
  readonly resetAfter?: number
  readonly finAfter?: number
  /** Takes everything and passes on nothing. */
  readonly blackhole?: boolean
}

export interface FaultPlan {
  /** On the way to the target. */
  readonly up?: Faults
  /** On the way back. */
  readonly down?: Faults
  readonly seed?: number
}

export interface FaultInjector {
  readonly port: number
  readonly seed: number
  /** Connections accepted so far. */
  connections(): number
  close(): Promise<void>
}

/** Relays connections to `targetPort` on 127.0.0.1. */
export async function startFaultInjector(
  targetPort: number,
  { up = {}, down = {}, seed = 1 }: FaultPlan,
): Promise<FaultInjector> {
  let connections = 0
  const targets = new Set<Socket>()
  const random = createRandom(seed)
  const relay = await startRawUpstream(
    (client) => {
      connections += 1
      const target = net.connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true })
      targets.add(target)
      target.on('error', () => client.destroy())
      client.on('close', () => target.destroy())
      target.on('close', () => {
        targets.delete(target)
        if (target.errored !== null) client.destroy()
      })
      void spoil(client, target, up, random)
      void spoil(target, client, down, random)
    },
    { allowHalfOpen: true, noDelay: true },
  )
  return {
    port: relay.port,
    seed,
    connections: () => connections,
    close: async () => {
      for (const target of targets) target.destroy()
      await relay.close()
    },
  }
}

async function spoil(
  from: Socket,
  to: Socket,
  faults: Faults,
  random: () => number,
): Promise<void> {
  const { finAfter = Infinity, resetAfter = Infinity } = faults
  const limit = Math.min(finAfter, resetAfter)
  let passed = 0
  try {
    for await (const slice of slicesOf(from, faults, random)) {
      const piece = slice.subarray(0, limit - passed)
      await delay(faults, piece.length, random)
      if (piece.length > 0) await written(to, piece)
      passed += piece.length
      if (passed < limit) continue
      if (resetAfter <= finAfter) to.resetAndDestroy()
      else to.end()
      break
    }
    if (faults.blackhole !== true && passed < limit) to.end()
  } catch {
    // A side that broke off: the other learns it as it would without the relay.
    to.resetAndDestroy()
  }
}

/** What comes, in slices of random size if sizes are asked for; nothing of it from a black hole. */
async function* slicesOf(
  from: Socket,
  { sliceBytes, blackhole = false }: Faults,
  random: () => number,
): AsyncGenerator<Buffer> {
  // Left open: the way back has a fate of its own.
  for await (const chunk of from.iterator({ destroyOnReturn: false })) {
    const bytes = blackhole ? Buffer.alloc(0) : (chunk as Buffer)
    let offset = 0
    while (offset < bytes.length) {
      const size = sliceBytes === undefined ? bytes.length : 1 + Math.floor(random() * sliceBytes)
      yield bytes.subarray(offset, offset + size)
      offset += size
    }
  }
}

async function delay(faults: Faults, bytes: number, random: () => number): Promise<void> {
  const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = faults
  const transfer = bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1000
  const wait = latencyMs + jitterMs * random() + transfer
  // A turn of the loop at least: slices that are written together would arrive together.
  await new Promise((resolve) => {
    if (wait > 0) setTimeout(resolve, wait)
    else setImmediate(resolve)
  })
}

function written(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(error)
    })
  })
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32): good enough to vary sizes. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
