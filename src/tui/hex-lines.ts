/** Bytes as a dump: address, hexadecimal, and the printable ASCII among them. */
import { formatBytes } from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'

/** Bytes that are shown. */
const maxHexBytes = 65_536

export function hexLines(content: Buffer, width: number): Line[] {
  // Each byte takes three cells, and one more for its character.
  const perLine = Math.max(1, Math.min(16, Math.floor((width - 14) / 4)))
  const lines: Line[] = []
  for (let offset = 0; offset < Math.min(content.length, maxHexBytes); offset += perLine) {
    const bytes = content.subarray(offset, Math.min(offset + perLine, maxHexBytes))
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = bytes.toString('latin1').replaceAll(/[^\u0020-\u007e]/gu, '·')
    const address = offset.toString(16).padStart(8, '0')
    lines.push(
      clipLine(
        [span(`  ${address}  `, 'dim'), span(hex.padEnd(perLine * 3)), span(text, 'dim')],
        width,
      ),
    )
  }
  if (content.length > maxHexBytes) {
    const rest = `  … ${formatBytes(content.length - maxHexBytes)} more`
    lines.push(clipLine([span(rest, 'dim')], width))
  }
  return lines
}
