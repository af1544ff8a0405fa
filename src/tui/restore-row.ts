/**
 * Puts back what was let go of a row, or never read: from the messages of its exchange, taken from
 * the capture once more. What the row says in the list stays as it is.
 */
import type { AnalysisMsg } from '../messages/schema.ts'
import type { ViewState } from './model.ts'
import { applyMessage, createViewState } from './model.ts'
import type { Body, Row } from './row.ts'

/** Whether a capture holds more of this row than the viewer does. */
export function isIncomplete({ kind, phase, detail, requestBytes, responseBytes }: Row): boolean {
  if (phase === 'running' || kind === 'tunnel' || kind === 'refused' || kind === 'tls') return false
  if (detail === undefined) return true
  return isPassedOver(detail.request, requestBytes) || isPassedOver(detail.response, responseBytes)
}

function isPassedOver({ chunks, parsed }: Body, bytes: number): boolean {
  return bytes > 0 && chunks.length === 0 && parsed === undefined
}

/** `messages` are those of the exchange that the rows belong to. False where they say nothing new. */
export function restoreRows(
  state: ViewState,
  rows: readonly Row[],
  messages: readonly AnalysisMsg[],
): boolean {
  const again = createViewState({ ...state.limits, maxDetails: Infinity })
  for (const msg of messages) applyMessage(again, msg, '')
  const restored = rows.filter((row) => restore(state, row, again.byId.get(row.id)))
  state.version += 1
  return restored.length > 0
}

function restore(state: ViewState, row: Row, read: Row | undefined): boolean {
  // It may have been cleared away in the meantime.
  if (read?.detail === undefined || state.byId.get(row.id) !== row) return false
  const hadNone = row.detail === undefined
  if (hadNone) state.details += 1
  state.keptBytes += read.keptBytes - row.keptBytes
  row.keptBytes = read.keptBytes
  row.detail = read.detail
  row.version += 1
  state.changes.add(row)
  return hadNone || !isIncomplete(row)
}
