/**
 * Which blobs the capture file that is being written holds already. The least recently used are
 * forgotten past a bound, and written again when they come again: a reader that keeps more than
 * this bound never misses one.
 */
import { LRUCache } from 'lru-cache'

/** Content, in bytes, that later lines of a file may refer to. Contexts of models take a few MB. */
export const knownBytes = 32 * 1024 * 1024

export class KnownPieces {
  readonly #known = new LRUCache<string, number>({
    maxSize: knownBytes,
    sizeCalculation: (bytes) => bytes,
  })

  /** Whether the file holds it; if not, the caller writes it before anything else. */
  take(hash: string, bytes: number): boolean {
    if (this.#known.get(hash) !== undefined) return true
    this.#known.set(hash, Math.max(1, bytes))
    return false
  }

  clear(): void {
    this.#known.clear()
  }
}
