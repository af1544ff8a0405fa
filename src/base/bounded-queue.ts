/** A first-in-first-out queue with a cap in bytes: a full queue refuses, it never grows. */

export class BoundedQueue<T> {
  readonly #limitBytes: number
  #items: Array<{ readonly value: T; readonly bytes: number } | undefined> = []
  #head = 0
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** Whether `bytes` more would stay below the cap. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limitBytes
  }

  /** False, and nothing is kept, when `bytes` more would pass the cap (unless `force`). */
  push(value: T, bytes: number, force = false): boolean {
    if (!force && !this.fits(bytes)) return false
    this.#items.push({ value, bytes })
    this.#bytes += bytes
    return true
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head] = undefined
    this.#head += 1
    this.#bytes -= item.bytes
    // Array.prototype.shift is linear; compacting now and then keeps a long queue linear overall.
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item.value
  }
}
