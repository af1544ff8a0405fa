/** Which captures go, given what runs: for `captures prune`, and when a proxy starts. */
import { join } from 'node:path'

import { describeError } from '../base/errors.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import type { CaptureSet } from '../capture/capture-sets.ts'
import { listCaptureSets } from '../capture/capture-sets.ts'
import { choosePrunable, removeCaptureFiles } from '../capture/retention.ts'
import { discover } from '../control/client.ts'
import type { Descriptor } from '../control/descriptor.ts'
import { formatPlural } from '../run/amounts.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'

export interface RetentionRules {
  readonly olderThanMs: number | undefined
  readonly maxBytes: number | undefined
}

/** Whether a running proxy writes to a capture of this folder. */
export async function findRunning(home: string): Promise<(set: CaptureSet) => boolean> {
  const running = await discover(join(home, 'run'))
  return (set) => running.some((descriptor) => isWriting(descriptor, set))
}

/** By the file that it names; one of an earlier version goes by the process id in the file's name. */
function isWriting({ capture, pid }: Descriptor, { name, path }: CaptureSet): boolean {
  return capture === undefined ? name.endsWith(`-${pid}`) : capture === path
}

export async function chooseCaptures(home: string, rules: RetentionRules): Promise<CaptureSet[]> {
  const sets = await listCaptureSets(capturesFolder(home))
  const isRunning = await findRunning(home)
  return choosePrunable(sets, { ...rules, now: Date.now(), isRunning })
}

/**
 * As `--keep-captures` and `--keep-size` ask for, when a proxy starts. Never throws: traffic does
 * not depend on it. What is indexed of removed captures goes when the index is used next.
 */
export async function pruneAtStart(
  context: CliContext,
  home: string,
  rules: RetentionRules,
): Promise<void> {
  if (rules.olderThanMs === undefined && rules.maxBytes === undefined) return
  const tell = createTeller(context)
  try {
    const chosen = await chooseCaptures(home, rules)
    for (const set of chosen) await removeCaptureFiles(capturesFolder(home), set)
    if (chosen.length > 0) tell(`removed ${formatPlural(chosen.length, 'old capture')}`)
  } catch (error) {
    tell(`old captures were not removed: ${describeError(error)}`)
  }
}
