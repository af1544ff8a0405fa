/**
 * When memory counts as flat. Samples are taken while nothing runs, after a full collection; the
 * first third is left out, since code is still being compiled, caches fill and the allocator grows
 * to what the peaks need. Of the rest, the second half may stand above the first by no more than the
 * slack below.
 */
import type { ProxySample } from './proxy-process.ts'

const mebibyte = 1024 * 1024
/** Heap and buffers in use: what a leak grows, whatever the allocator does. */
const heapSlackBytes = 4 * mebibyte
/** What the process holds: allocators give back late, so this is a coarser net. */
const rssSlackBytes = 32 * mebibyte

export const memoryCriterion =
  'medians of the first and second half of the idle samples after the first third: ' +
  'heap + buffers within 4 MiB, RSS within 32 MiB'

export interface Growth {
  readonly name: string
  readonly fromBytes: number
  readonly toBytes: number
  readonly slackBytes: number
  readonly isFlat: boolean
}

/** Empty with fewer than six samples, which say nothing. */
export function growthOf(samples: readonly ProxySample[]): Growth[] {
  const settled = samples.slice(Math.ceil(samples.length / 3))
  if (settled.length < 4) return []
  const middle = Math.floor(settled.length / 2)
  const grow = (name: string, slackBytes: number, of: (sample: ProxySample) => number): Growth => {
    const fromBytes = median(settled.slice(0, middle).map(of))
    const toBytes = median(settled.slice(middle).map(of))
    return { name, fromBytes, toBytes, slackBytes, isFlat: toBytes - fromBytes <= slackBytes }
  }
  return [
    grow('heap + buffers', heapSlackBytes, (it) => it.heapBytes + it.outsideBytes),
    grow('RSS', rssSlackBytes, (it) => it.rssBytes),
  ]
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

export function mebibytes(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}
