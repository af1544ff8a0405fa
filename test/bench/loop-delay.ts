/**
 * Loaded into a proxy's process with `--import`: measures for how long the event loop was held
 * up at worst between `loop-delay-start` and `loop-delay-read`, in milliseconds. It keeps the process neither busy nor alive.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { answerParent } from './serve-parent.ts'

/** A timer that should fire so often, in milliseconds: what it is late by is the stall. */
const resolutionMs = 1
const histogram = monitorEventLoopDelay({ resolution: resolutionMs })

answerParent({
  'loop-delay-start': () => {
    histogram.enable()
    histogram.reset()
  },
  // No percentile: a stall is one late sample among those of all the idle milliseconds around it.
  'loop-delay-read': () => Math.max(0, histogram.max / 1e6 - resolutionMs),
})
process.channel?.unref()
