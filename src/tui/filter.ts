/**
 * Which rows the list shows. Each row's verdict is kept until the row or the filter changes, so that
 * a frame with ten thousand rows looks only at those that changed.
 */
import type { ViewState } from './model.ts'
import type { Row } from './row.ts'

export interface RowFilter {
  readonly text: string
  readonly showTunnels: boolean
}

export interface FilteredRows {
  readonly rows: readonly Row[]
  readonly hiddenTunnels: number
}

export function createRowSelector(): (state: ViewState, filter: RowFilter) => FilteredRows {
  let verdicts = new WeakMap<Row, { readonly version: number; readonly isMatch: boolean }>()
  let knownText = ''
  let known: (FilteredRows & RowFilter & { readonly version: number }) | undefined
  function isMatch(row: Row, needle: string): boolean {
    const verdict = verdicts.get(row)
    if (verdict?.version === row.version) return verdict.isMatch
    const matches = rowMatches(row, needle)
    verdicts.set(row, { version: row.version, isMatch: matches })
    return matches
  }
  return (state, { text, showTunnels }) => {
    const needle = text.trim().toLowerCase()
    if (
      known?.version === state.version &&
      known.text === needle &&
      known.showTunnels === showTunnels
    ) {
      return known
    }
    if (needle !== knownText) {
      verdicts = new WeakMap()
      knownText = needle
    }
    const shown = showTunnels ? state.rows : state.rows.filter(({ kind }) => kind !== 'tunnel')
    const rows = needle === '' ? [...shown] : shown.filter((row) => isMatch(row, needle))
    const hiddenTunnels = state.rows.length - shown.length
    known = { version: state.version, text: needle, showTunnels, rows, hiddenTunnels }
    return known
  }
}

/** `needle` is lower case. Prompt and answer are searched as far as the summary keeps them. */
export function rowMatches(row: Row, needle: string): boolean {
  return [
    row.model,
    row.provider,
    row.host,
    row.path,
    row.method,
    row.agent,
    row.kind,
    row.problem,
    row.prompt,
    row.answer,
  ].some((text) => text !== undefined && text.toLowerCase().includes(needle))
}
