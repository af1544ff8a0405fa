/** Feeds mergers the events of tests. */
import type { StreamMerger, StreamResult } from '../../analyzers/providers/stream-format.ts'

/** The result of events that are data alone. */
export function mergeData(merger: StreamMerger, events: readonly unknown[]): StreamResult {
  for (const event of events) merger.push(JSON.stringify(event))
  return merger.result()
}

/** The result of events whose type stands beside their data. */
export function mergeTyped(
  merger: StreamMerger,
  events: ReadonlyArray<readonly [string, unknown]>,
): StreamResult {
  for (const [type, event] of events) merger.push(JSON.stringify(event), type)
  return merger.result()
}
