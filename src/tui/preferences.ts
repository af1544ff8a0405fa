/**
 * What the viewer keeps from one run to the next: columns, order, whether tunnels are shown, and the
 * filters that were used, which are offered and not applied. Pure; the text comes from a file that
 * anything may have written to.
 */
import { z } from 'zod'

import type { ColumnId } from './columns.ts'
import { columnIds } from './columns.ts'
import { sortings } from './sort.ts'
import type { UiState } from './ui.ts'

const columnIdList = z.array(z.enum(columnIds)).max(columnIds.length)

const preferencesSchema = z.object({
  columns: z.object({ order: columnIdList, off: columnIdList, pinned: columnIdList }),
  order: z.object({ by: z.enum(sortings), isReversed: z.boolean() }),
  showTunnels: z.boolean(),
  filters: z.array(z.string().max(1024)).max(50),
})

export type Preferences = z.infer<typeof preferencesSchema>

/** Longer files are not ours. */
const maxCharacters = 128 * 1024

/** Undefined for what is damaged or foreign: the defaults stand then. Never throws. */
export function parsePreferences(text: string): Preferences | undefined {
  if (text.length > maxCharacters) return undefined
  try {
    return preferencesSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

export function formatPreferences(preferences: Preferences): string {
  return `${JSON.stringify(preferences, undefined, 2)}\n`
}

export function preferencesOf({ list }: UiState): Preferences {
  const { choice, order, showTunnels, history } = list
  return {
    columns: { order: [...choice.order], off: [...choice.off], pinned: [...choice.pinned] },
    order,
    showTunnels,
    filters: history.filter((text) => text.length <= 1024),
  }
}

export function isSamePreferences(a: Preferences, b: Preferences): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

export function applyPreferences(ui: UiState, preferences: Preferences): UiState {
  const { columns, order, showTunnels, filters } = preferences
  const choice = { order: completed(columns.order), off: columns.off, pinned: columns.pinned }
  return { ...ui, list: { ...ui.list, choice, order, showTunnels, history: filters } }
}

/** Every column once: a later version may know more of them. */
function completed(order: readonly ColumnId[]): readonly ColumnId[] {
  const known = new Set(order)
  return [...known, ...columnIds.filter((id) => !known.has(id))]
}
