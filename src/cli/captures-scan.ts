/**
 * Says which captures hold values that are stored as secrets now: what was recorded before a secret
 * was stored could not be masked. Values themselves are never printed, and nothing is changed.
 */
import { join } from 'node:path'

import { AppError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import type { CaptureSet } from '../capture/capture-sets.ts'
import { findCaptureSet, listCaptureSets } from '../capture/capture-sets.ts'
import type { ValueInCapture } from '../capture/find-values.ts'
import { findValuesIn } from '../capture/find-values.ts'
import type { ValueScanner } from '../policy/value-scanner.ts'
import { formatPlural } from '../run/amounts.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { storedValues } from './stored-values.ts'

/** Exchanges that a line names. */
const mostNamed = 5

/** Exit code 1 where something was found, or could not be looked at. */
export async function scanCaptures(
  context: CliContext,
  home: string,
  { names, isJson }: { readonly names: readonly string[]; readonly isJson: boolean },
): Promise<void> {
  const tell = createTeller(context)
  const folder = capturesFolder(home)
  const values = await storedValues(context, home, true)
  if (values === undefined || values.isEmpty) {
    tell('no value of a secret is stored, so there is none to look for')
    return
  }
  const all = await listCaptureSets(folder)
  const sets = names.length === 0 ? all : names.map((name) => findCaptureSet(all, folder, name))
  let holding = 0
  let problems = 0
  for (const set of sets) {
    const scan = await scanSet(set, { folder, values, tell })
    problems += scan.problems
    if (scan.found.length === 0) continue
    holding += 1
    for (const line of describe(set, scan.found, isJson)) context.stdout.write(`${line}\n`)
  }
  tell(`${formatPlural(holding, 'capture')} of ${sets.length} with values of stored secrets`)
  if (holding > 0) tell('remove them, and change the keys if others may have read them')
  if (holding + problems > 0) context.setExitCode(1)
}

interface Scanning {
  readonly folder: string
  readonly values: ValueScanner
  readonly tell: (line: string) => void
}

/** All files of a capture; `problems` counts what could not be looked at. */
async function scanSet(
  { files }: CaptureSet,
  { folder, values, tell }: Scanning,
): Promise<{ readonly found: readonly ValueInCapture[]; readonly problems: number }> {
  const found: ValueInCapture[] = []
  let problems = 0
  for (const { name } of files) {
    try {
      const scan = await findValuesIn(join(folder, name), values)
      found.push(...scan.found)
      problems += scan.unread
      if (scan.unread > 0) tell(`${name}: ${formatPlural(scan.unread, 'line')} too long to read`)
    } catch (error) {
      // Removed meanwhile, or damaged: the others are looked at all the same.
      if (!(error instanceof AppError)) throw error
      problems += 1
      tell(error.message)
    }
  }
  return { found, problems }
}

/** One line for each secret. */
function describe(
  { name }: CaptureSet,
  found: readonly ValueInCapture[],
  isJson: boolean,
): string[] {
  const bySecret = Map.groupBy(found, ({ secretId }) => secretId)
  return [...bySecret].map(([secret, places]) => {
    const exchanges = [...new Set(places.flatMap(({ exchangeId }) => exchangeId ?? []))]
    if (isJson) return JSON.stringify({ capture: name, secret, lines: places.length, exchanges })
    const more = exchanges.length > mostNamed ? ', …' : ''
    const named =
      exchanges.length === 0 ? '' : ` (${exchanges.slice(0, mostNamed).join(', ')}${more})`
    return visibleLine(
      `${name}  the value of ${secret} in ${formatPlural(places.length, 'line')}${named}`,
    )
  })
}
