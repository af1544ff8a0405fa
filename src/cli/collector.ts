/**
 * How this process collects garbage. Bodies lie in buffers outside V8's heap, which are given back
 * only when the few small objects that hold them are collected. V8 lets the young generation grow
 * to tens of megabytes, and so looks at them so rarely that it fills up to its bound on outside
 * memory first, and marks all of the heap instead, once for every 64 MB that pass. Kept small, the
 * young generation is collected in time, and takes less memory itself. A process of somebody else
 * that uses the library is left as it is.
 */
import { setFlagsFromString } from 'node:v8'

/** To be called before much has been allocated: it cannot be made smaller again. */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * For a viewer of a capture, which reads gigabytes and keeps little of them: the heap grows by a
 * tenth before all of it is marked again, where V8 would let it double and more. It takes some time
 * instead of memory.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=10')
}
