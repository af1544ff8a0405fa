/** Finds what `porthole why` asks for, in the newest capture first, and prints what is told of it. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'

import { AppError, describeError } from '../base/errors.ts'
import { nearestName } from '../base/nearest.ts'
import { visibleLine } from '../base/visible-text.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import { listCaptureSets } from '../capture/capture-sets.ts'
import { findExchange } from '../capture/find-exchange.ts'
import type { FoundExchange } from '../capture/find-exchange.ts'
import { discover } from '../control/client.ts'
import { explainExchange } from '../run/explain-exchange.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'

interface WhyRequest {
  /** Undefined for the last one. */
  readonly id: string | undefined
  readonly capture: string | undefined
  readonly isJson: boolean
}

interface Place {
  readonly path: string
  readonly found: FoundExchange
}

/** Throws ERR_EXCHANGE_UNKNOWN, ERR_CAPTURE_UNREADABLE. */
export async function explain(
  context: CliContext,
  home: string,
  request: WhyRequest,
): Promise<void> {
  const { path, found } = await find(context, home, request)
  const steps = explainExchange(found)
  if (request.isJson) {
    const shown = { exchangeId: found.id, capture: path, steps }
    context.stdout.write(`${JSON.stringify(shown, null, 2)}\n`)
    return
  }
  const width = Math.max(...steps.map(({ topic }) => topic.length))
  const lines = steps.map(({ topic, text }, index) => {
    const isSame = steps[index - 1]?.topic === topic
    return `  ${(isSame ? '' : topic).padEnd(width)}  ${text}\n`
  })
  context.stdout.write(`${visibleLine(found.id)} in ${visibleLine(path)}\n${lines.join('')}`)
}

async function find(context: CliContext, home: string, request: WhyRequest): Promise<Place> {
  const { id, capture } = request
  const paths = capture === undefined ? await newestFirst(home) : [capture]
  let ids: readonly string[] = []
  for (const [index, path] of paths.entries()) {
    try {
      const result = await findExchange(path, id)
      if (result.found !== undefined) return { path, found: result.found }
      if (ids.length === 0) ({ ids } = result)
    } catch (error) {
      // One that cannot be read says nothing about the others.
      if (paths.length === 1) throw error
      createTeller(context)(describeError(error))
    }
    if (index === 0 && id !== undefined && !id.includes('-')) break
  }
  const where = capture ?? capturesFolder(home)
  throw unknownExchange(id, where, ids)
}

function unknownExchange(id: string | undefined, where: string, ids: readonly string[]): AppError {
  const last = ids.slice(-3).toReversed().join(', ')
  const near = id === undefined ? undefined : nearestName(id, ids)
  const next =
    ids.length === 0
      ? 'record one with: porthole run -- COMMAND'
      : `${near === undefined ? '' : `did you mean ${near}? `}the last ones are ${last}`
  return new AppError('ERR_EXCHANGE_UNKNOWN', {
    what: id === undefined ? 'exchange' : visibleLine(`exchange ${id}`),
    where: visibleLine(where),
    next: visibleLine(next),
  })
}

/** Captures of this folder, and those that running proxies write elsewhere. */
async function newestFirst(home: string): Promise<string[]> {
  const sets = await listCaptureSets(capturesFolder(home))
  const times = new Map(sets.map(({ path, modifiedAt }) => [path, modifiedAt]))
  for (const { capture } of await discover(join(home, 'run'))) {
    if (capture === undefined || times.has(capture)) continue
    const stats = await stat(capture).catch(() => undefined)
    if (stats !== undefined) times.set(capture, stats.mtimeMs)
  }
  return [...times].toSorted(([, a], [, b]) => b - a).map(([path]) => path)
}
