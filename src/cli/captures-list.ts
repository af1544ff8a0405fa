/** Lists the captures with what is in them; names and models come from files, and are made safe. */
import { AppError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import type { CaptureSet } from '../capture/capture-sets.ts'
import { listCaptureSets } from '../capture/capture-sets.ts'
import type { CaptureTotals } from '../capture/index/capture-totals.ts'
import { totalsOfCaptures } from '../capture/index/capture-totals.ts'
import { formatBytes, formatCount, formatPlural, formatUsd } from '../run/amounts.ts'
import { findRunning } from './captures-retention.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { withCurrentIndex } from './indexed-captures.ts'
import { localTime } from './search-action.ts'

interface ListedCapture {
  readonly set: CaptureSet
  /** Undefined where the index cannot be used. */
  readonly totals: CaptureTotals | undefined
  readonly isRunning: boolean
}

export async function listCaptures(
  context: CliContext,
  home: string,
  isJson: boolean,
): Promise<void> {
  const folder = capturesFolder(home)
  const tell = createTeller(context)
  const isRunning = await findRunning(home)
  const totals = await readTotals(context, home, tell)
  const listed = (await listCaptureSets(folder)).map((set) => ({
    set,
    totals: totals.get(set.name),
    isRunning: isRunning(set),
  }))
  for (const capture of listed) {
    const line = isJson ? JSON.stringify(toJson(capture)) : toLine(capture)
    context.stdout.write(`${line}\n`)
  }
  const bytes = listed.reduce((sum, { set }) => sum + set.bytes, 0)
  if (!isJson)
    tell(`${formatPlural(listed.length, 'capture')}, ${formatBytes(bytes)}, in ${folder}`)
}

/** The files are listed even where the index cannot be used. */
async function readTotals(
  context: CliContext,
  home: string,
  tell: (line: string) => void,
): Promise<Map<string, CaptureTotals>> {
  try {
    return await withCurrentIndex(context, home, async (db) => totalsOfCaptures(db))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    tell(`${error.message}; ${error.hint}`)
    return new Map()
  }
}

function toLine({ set, totals, isRunning }: ListedCapture): string {
  const marks = [isRunning ? 'running' : '', set.isPinned ? 'pinned' : ''].filter((it) => it !== '')
  const cells = [
    visibleLine(set.name).padEnd(24),
    totals?.startedAt === undefined ? ' '.repeat(19) : localTime(totals.startedAt),
    formatBytes(set.bytes).padStart(9),
    ...(totals === undefined ? [] : describeTotals(totals)),
    ...(marks.length === 0 ? [] : [`[${marks.join(', ')}]`]),
  ]
  return cells.join('  ').trimEnd()
}

function describeTotals(totals: CaptureTotals): string[] {
  const { calls, failedCalls, tokens, usd, unknownCosts, models, problems } = totals
  return [
    formatPlural(calls, 'call') + (failedCalls > 0 ? ` (${formatCount(failedCalls)} failed)` : ''),
    `${formatCount(tokens)} tokens`,
    `${formatUsd(usd)}${unknownCosts > 0 ? ` (${formatPlural(unknownCosts, 'cost')} unknown)` : ''}`,
    visibleLine(models.join(', ')),
    ...(problems > 0 ? [`${formatPlural(problems, 'line')} unreadable`] : []),
  ]
}

function toJson({ set, totals, isRunning }: ListedCapture): Readonly<Record<string, unknown>> {
  return {
    name: set.name,
    path: set.path,
    files: set.files.length,
    bytes: set.bytes,
    modifiedAt: set.modifiedAt,
    pinned: set.isPinned,
    running: isRunning,
    ...totals,
  }
}
