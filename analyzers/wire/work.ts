/** Work of analyzers that takes long, in steps (see `Analyzer.onMessage`). */
import type { Work } from '../../src/pipeline/analyzer.ts'

/** UTF-16 units or bytes after which a step ends. */
export const stepLength = 128 * 1024

/** Does the first step: for most messages that is all, and nothing is left to return. */
export function begun(work: Work): Work | undefined {
  return work.next().done === true ? undefined : work
}
