/** The picker of columns: which of them is pointed at, and what its keys make of the choice. */
import type { ColumnId } from '../columns.ts'
import type { Action } from '../keys.ts'
import type { ColumnChoice, Layout } from '../layout.ts'
import { defaultChoice } from '../layout.ts'
import type { UiContext, UiState } from '../ui.ts'
import { withList } from './selection.ts'

export function reducePicker(ui: UiState, action: Action, context: UiContext): UiState {
  const { choice, pickedAt } = ui.list
  const last = choice.order.length - 1
  const picked = choice.order[pickedAt]
  switch (action) {
    case 'down':
      return withList(ui, { pickedAt: Math.min(last, pickedAt + 1) })
    case 'up':
      return withList(ui, { pickedAt: Math.max(0, pickedAt - 1) })
    case 'toggle-column':
      return picked === undefined
        ? ui
        : withList(ui, { choice: toggled(choice, picked, context.layout) })
    case 'column-left':
      return move(ui, pickedAt, pickedAt - 1)
    case 'column-right':
      return move(ui, pickedAt, pickedAt + 1)
    case 'reset':
      return withList(ui, { choice: defaultChoice })
    case 'back':
    case 'pick-columns':
      return { ...ui, overlay: undefined }
    default:
      return ui
  }
}

/** A column without room is asked for: it goes before the others. */
function toggled(choice: ColumnChoice, id: ColumnId, { columns }: Layout): ColumnChoice {
  const isShown = columns.some((column) => column.id === id)
  const off = choice.off.filter((other) => other !== id)
  const pinned = choice.pinned.filter((other) => other !== id)
  return isShown
    ? { ...choice, off: [...off, id], pinned }
    : { ...choice, off, pinned: [...pinned, id] }
}

function move(ui: UiState, from: number, to: number): UiState {
  const order = [...ui.list.choice.order]
  const [one, other] = [order[from], order[to]]
  if (one === undefined || other === undefined) return ui
  order[from] = other
  order[to] = one
  return withList(ui, { choice: { ...ui.list.choice, order }, pickedAt: to })
}
