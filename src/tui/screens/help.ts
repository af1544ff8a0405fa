/** The help screen: which part of it is shown. */
import type { Action } from '../keys.ts'
import type { UiContext, UiState } from '../ui.ts'
import { stepOf } from './movement.ts'

export function reduceHelp(ui: UiState, action: Action, context: UiContext): UiState {
  const last = Math.max(0, context.helpLines - context.helpHeight)
  const step = stepOf(action, context.helpHeight)
  if (step !== undefined) return { ...ui, helpTop: Math.max(0, Math.min(ui.helpTop + step, last)) }
  switch (action) {
    case 'first':
      return { ...ui, helpTop: 0 }
    case 'last':
      return { ...ui, helpTop: last }
    case 'help':
    case 'back':
      return { ...ui, overlay: undefined }
    default:
      return ui
  }
}
