/** Removes, pins and unpins captures: files first, the index after them. */
import { capturesFolder } from '../capture/capture-path.ts'
import {
  findCaptureSet,
  listCaptureSets,
  pinCapture,
  unpinCapture,
} from '../capture/capture-sets.ts'
import { withIndex } from '../capture/index/capture-index.ts'
import { removeMissing } from '../capture/index/indexer.ts'
import { removeCaptureFiles } from '../capture/retention.ts'
import { formatBytes, formatPlural } from '../run/amounts.ts'
import { chooseCaptures } from './captures-retention.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'

export interface PruneRequest {
  readonly olderThanMs: number | undefined
  readonly maxBytes: number | undefined
  readonly isDryRun: boolean
}

export async function prune(
  context: CliContext,
  home: string,
  request: PruneRequest,
): Promise<void> {
  const folder = capturesFolder(home)
  const tell = createTeller(context)
  const chosen = await chooseCaptures(home, request)
  for (const set of chosen) {
    if (!request.isDryRun) await removeCaptureFiles(folder, set)
    context.stdout.write(`${set.name}  ${formatBytes(set.bytes)}\n`)
  }
  const bytes = chosen.reduce((sum, set) => sum + set.bytes, 0)
  const verb = request.isDryRun ? 'would remove' : 'removed'
  tell(`${verb} ${formatPlural(chosen.length, 'capture')}, ${formatBytes(bytes)}`)
  if (!request.isDryRun && chosen.length > 0) await forgetRemoved(folder, tell)
}

/** What was said in a removed capture must not be found, nor lie about in the index. */
async function forgetRemoved(folder: string, tell: (line: string) => void): Promise<void> {
  await withIndex(folder, { onNotice: tell }, async (db) => {
    removeMissing(db, new Set((await listCaptureSets(folder)).map(({ name }) => name)))
    db.tidy()
  })
}

export async function pin(
  context: CliContext,
  home: string,
  name: string,
  isPinned: boolean,
): Promise<void> {
  const folder = capturesFolder(home)
  const set = findCaptureSet(await listCaptureSets(folder), folder, name)
  await (isPinned ? pinCapture(folder, set) : unpinCapture(folder, set))
  createTeller(context)(`${set.name} is ${isPinned ? 'pinned' : 'no longer pinned'}`)
}
