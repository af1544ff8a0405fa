/** A map that holds a bounded number of entries: the least recently set or touched gives way. */
export class RecentMap<V> {
  readonly #entries = new Map<string, V>()
  readonly #limit: number
  readonly #onEvict: (value: V) => void

  constructor(limit: number, onEvict: (value: V) => void = () => undefined) {
    this.#limit = limit
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#entries.size
  }

  /** Does not count as use. */
  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#limit) this.evict()
  }

  touch(key: string): void {
    const value = this.#entries.get(key)
    if (value !== undefined) this.set(key, value)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** Drops the least recently used entry; false if there is none. */
  evict(): boolean {
    const [oldest] = this.#entries
    if (oldest === undefined) return false
    this.#entries.delete(oldest[0])
    this.#onEvict(oldest[1])
    return true
  }
}
