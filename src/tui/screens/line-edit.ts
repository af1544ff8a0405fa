/** A line of text that is being typed. Pure: a key in, the next text out. */

export interface LineEdit {
  readonly text: string
  /** What it was before, for when the typing is cancelled. */
  readonly before: string
}

/** The next state; `accept` or `cancel` when the typing ends. */
export function editLine(edit: LineEdit, key: string): LineEdit | 'accept' | 'cancel' {
  switch (key) {
    case 'enter':
      return 'accept'
    case 'esc':
    case 'ctrl-c':
      return 'cancel'
    case 'backspace':
      return { ...edit, text: Array.from(edit.text).slice(0, -1).join('') }
    case 'ctrl-u':
      return { ...edit, text: '' }
    case 'space':
      return { ...edit, text: `${edit.text} ` }
    default:
      return Array.from(key).length === 1 ? { ...edit, text: edit.text + key } : edit
  }
}
