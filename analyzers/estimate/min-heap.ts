/** A queue of small integers, the least first, in room that is taken once (a binary heap). */

export interface MinHeap {
  clear(): void
  /** Drops the number where there is no room for it. */
  push(key: number): void
  /** The least number, or undefined. */
  pop(): number | undefined
}

/** `room`: how many it holds at most. */
export function createMinHeap(room: number): MinHeap {
  const keys = new Int32Array(room)
  let size = 0

  function sink(key: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && (keys[child + 1] ?? 0) < (keys[child] ?? 0)) child += 1
      const least = keys[child] ?? 0
      if (least >= key) break
      keys[at] = least
      at = child
    }
    keys[at] = key
  }

  return {
    clear() {
      size = 0
    },
    push(key) {
      if (size >= room) return
      let at = size
      size += 1
      while (at > 0) {
        const parent = (at - 1) >>> 1
        const above = keys[parent] ?? 0
        if (above <= key) break
        keys[at] = above
        at = parent
      }
      keys[at] = key
    },
    pop() {
      if (size === 0) return undefined
      const least = keys[0]
      size -= 1
      if (size > 0) sink(keys[size] ?? 0)
      return least
    },
  }
}
