/** Ids of connections and exchanges: unique across processes, short enough to read aloud. */
import { randomBytes } from 'node:crypto'

export interface IdSource {
  /** `c` ids name client connections, `x` ids name exchanges and tunnels. */
  next(kind: 'c' | 'x'): string
}

/** Ids such as `k3f9a2-x17`: six random base-36 digits for the process, then a counter. */
export function createIdSource(): IdSource {
  const prefix = (randomBytes(4).readUInt32BE() % 36 ** 6).toString(36).padStart(6, '0')
  const counters = { c: 0, x: 0 }
  return {
    next(kind) {
      counters[kind] += 1
      return `${prefix}-${kind}${counters[kind]}`
    },
  }
}
