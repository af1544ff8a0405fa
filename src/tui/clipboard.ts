/**
 * The escape sequence that puts text on the clipboard of the terminal's user (OSC 52, as xterm
 * defines it). What is copied is safe text: pasted somewhere, it cannot press keys of its own.
 */
import { safeText } from './format.ts'

/** Bytes of base64 that terminals take; what does not fit is left out. */
export const maxClipboardBase64 = 74 * 1024

export interface Clipping {
  /** To be written to the terminal as it stands. */
  readonly sequence: string
  /** UTF-16 units that are in it, and that there were. */
  readonly copied: number
  readonly of: number
}

export function clippingOf(text: string): Clipping {
  // No character takes less than a byte: more than this cannot fit, and need not be looked at.
  const safe = safeText(text.slice(0, maxClipboardBase64))
  const most = Math.floor(maxClipboardBase64 / 4) * 3
  const bytes = Buffer.from(safe)
  let end = Math.min(bytes.length, most)
  // Not within a character: the bytes that continue one begin with the bits 10.
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  const isWhole = end === bytes.length && text.length <= maxClipboardBase64
  const kept = bytes.subarray(0, end)
  return {
    sequence: `\u001b]52;c;${kept.toString('base64')}\u0007`,
    copied: isWhole ? text.length : kept.toString().length,
    of: text.length,
  }
}
