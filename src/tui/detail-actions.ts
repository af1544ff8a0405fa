/** What keys do in an open row beyond the screen: copying to the clipboard, and exporting. */
import { clippingOf } from './clipboard.ts'
import type { ExportCall } from './export-call.ts'
import { formatOf } from './export-call.ts'
import { formatCount } from './format.ts'
import { recordOfRow } from './row-record.ts'
import type { DetailFrame } from './screens/detail-frame.ts'

export interface DetailTools {
  /** Writes an escape sequence to the terminal. */
  readonly copy?: ((sequence: string) => void) | undefined
  readonly exportCall?: ExportCall | undefined
}

/** Whether an action does more than move what is on screen. */
export function isDetailAction(action: string): boolean {
  return action === 'copy' || formatOf(action) !== undefined
}

/** What there is to say, or will be; undefined for an action that does no more than move. */
export function actOnDetail(
  action: string,
  frame: DetailFrame,
  { copy, exportCall }: DetailTools,
): string | Promise<string> | undefined {
  if (action === 'copy') return copyBlock(frame, copy)
  const { open } = frame
  const format = formatOf(action)
  if (format === undefined) return undefined
  if (exportCall === undefined) return 'nothing can be written from here'
  if (open.whole.detail === undefined) {
    return 'its details were dropped to make room; export it from the capture'
  }
  return exportCall(recordOfRow(open.row, open.whole), format)
}

/** Copies the block that the cursor stands in. */
function copyBlock({ document, line }: DetailFrame, copy: DetailTools['copy']): string {
  const placed = document.blocks.at(document.blocks.indexAt(line))
  const text = placed?.block.text() ?? ''
  if (text === '') return 'there is nothing to copy here'
  if (copy === undefined) return 'this terminal cannot be copied to'
  const { sequence, copied, of } = clippingOf(text)
  copy(sequence)
  const what = `${formatCount(copied)} characters`
  return copied === of ? `copied ${what}` : `copied the first ${what} of ${formatCount(of)}`
}
