/** The picker of columns: each with what it says, whether it is shown, and whether it has room. */
import type { ReactElement } from 'react'

import { columns } from '../columns.ts'
import type { ColumnId } from '../columns.ts'
import { fit } from '../format.ts'
import { nameOf } from '../layout.ts'
import type { Line } from '../line.ts'
import { clipLine, fillLine, span } from '../line.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface PickerProps {
  readonly frame: ViewerFrame
  readonly width: number
  readonly height: number
  readonly theme: Theme
}

export function Picker({ frame, width, height, theme }: PickerProps): ReactElement {
  return <Lines lines={pickerLines(frame, width, height)} theme={theme} />
}

function pickerLines(frame: ViewerFrame, width: number, height: number): Line[] {
  const { choice, pickedAt } = frame.ui.list
  const room = Math.max(1, height - 1)
  const top = Math.max(0, Math.min(pickedAt - Math.floor(room / 2), choice.order.length - room))
  const lines = choice.order
    .slice(top, top + room)
    .map((id, at) => columnLine(frame, id, top + at === pickedAt, width))
  while (lines.length < room) lines.push([])
  const title = [span('Columns', 'heading'), span('  from left to right', 'dim')]
  return [clipLine(title, width), ...lines].slice(0, height)
}

function columnLine(frame: ViewerFrame, id: ColumnId, isPicked: boolean, width: number): Line {
  const column = columns[id]
  const { choice } = frame.ui.list
  const isShown = frame.list.layout.columns.some((shown) => shown.id === id)
  const box = isShown ? '[x]' : choice.off.includes(id) ? '[ ]' : '[-]'
  const aside = box === '[-]' ? ` (${noRoom(frame, id)})` : ''
  const text = `${isPicked ? '›' : ' '} ${box} ${fit(nameOf(column), 9)} ${column.about}${aside}`
  if (isPicked) return fillLine([span(text, 'selected')], width, 'selected')
  return clipLine([span(text, isShown ? 'plain' : 'dim')], width)
}

function noRoom({ list }: ViewerFrame, id: ColumnId): string {
  const isSqueezed = list.layout.squeezed.some((column) => column.id === id)
  return isSqueezed ? 'no room' : 'nothing to show'
}
