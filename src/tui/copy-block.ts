/** Copies the block that the cursor stands in, and says what came of it. */
import { clippingOf } from './clipboard.ts'
import { formatCount } from './format.ts'
import type { DetailFrame } from './screens/detail-frame.ts'

/** `copy` writes a sequence to the terminal. */
export function copyBlock(
  { document, line }: DetailFrame,
  copy: ((sequence: string) => void) | undefined,
): string {
  const placed = document.blocks.at(document.blocks.indexAt(line))
  const text = placed?.block.text() ?? ''
  if (text === '') return 'there is nothing to copy here'
  if (copy === undefined) return 'this terminal cannot be copied to'
  const { sequence, copied, of } = clippingOf(text)
  copy(sequence)
  const what = `${formatCount(copied)} characters`
  return copied === of ? `copied ${what}` : `copied the first ${what} of ${formatCount(of)}`
}
