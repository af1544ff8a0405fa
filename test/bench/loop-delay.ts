/**
 * Loaded into a proxy's process with `--import`: measures how late the event loop is, and answers
 * `loop-delay-start` and `loop-delay-read`. It keeps the process neither busy nor alive.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { answerParent } from './serve-parent.ts'

/** Sampled every millisecond: a stall shows as one late sample. */
const histogram = monitorEventLoopDelay({ resolution: 1 })

answerParent({
  'loop-delay-start': () => {
    histogram.enable()
    histogram.reset()
    return true
  },
  'loop-delay-read': () => ({
    p50Ms: histogram.percentile(50) / 1e6,
    p99Ms: histogram.percentile(99) / 1e6,
    maxMs: histogram.max / 1e6,
    count: histogram.count,
  }),
})
process.channel?.unref()
