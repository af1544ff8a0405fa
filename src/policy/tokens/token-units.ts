/**
 * Characters of a token as text holds them: by themselves, percent-encoded (RFC 3986 §2.1), or
 * escaped as in JSON strings (RFC 8259 §7), each for itself and in any mixture. Pure.
 */

/** There may be one, but the text ends within it. */
export const unfinished = -1
/** No character that a token could have. */
export const none = -2

const percent = 0x25
const backslash = 0x5c
const slash = 0x2f
const letterU = 0x75
/** A unit is a number: the character's code, and its length in the text above it. */
const lengthShift = 8

/** The character at `at` and how long it is written there: `codeOf`, `lengthOf`; or why there is none. */
export function unitAt(text: string, at: number): number {
  if (at >= text.length) return unfinished
  const code = text.charCodeAt(at)
  if (code === percent) return hexUnit(text, at, 1)
  if (code !== backslash) return code | (1 << lengthShift)
  if (at + 1 === text.length) return unfinished
  const next = text.charCodeAt(at + 1)
  if (next === slash) return slash | (2 << lengthShift)
  if (next !== letterU) return none
  for (const zero of [at + 2, at + 3]) {
    if (zero >= text.length) return unfinished
    if (text.charAt(zero) !== '0') return none
  }
  return hexUnit(text, at, 4)
}

/** Two hexadecimal digits, `before` characters into the unit. Tokens have ASCII alone. */
function hexUnit(text: string, at: number, before: number): number {
  const high = hexDigit(text.charCodeAt(at + before))
  if (Number.isNaN(text.charCodeAt(at + before))) return unfinished
  if (high < 2 || high > 7) return none
  const low = hexDigit(text.charCodeAt(at + before + 1))
  if (Number.isNaN(text.charCodeAt(at + before + 1))) return unfinished
  return low === -1 ? none : (high * 16 + low) | ((before + 2) << lengthShift)
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

export function codeOf(unit: number): number {
  return unit & 0xff
}

export function lengthOf(unit: number): number {
  return unit >> lengthShift
}

/** Matches a word however its characters are written. */
export function writtenPattern(word: string): string {
  return Array.from(word, (character) => {
    const hex = character.charCodeAt(0).toString(16)
    const digits = Array.from(hex, (digit) =>
      /[a-f]/u.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit,
    ).join('')
    return `(?:${character}|%${digits}|\\\\u00${digits})`
  }).join('')
}

/** The text without its codings; of what was read as units alone. */
export function decodeUnits(text: string): string {
  return text.replaceAll(/%[\dA-Fa-f]{2}|\\u00[\dA-Fa-f]{2}|\\\//gu, (unit) =>
    unit === String.raw`\/` ? '/' : String.fromCharCode(Number.parseInt(unit.slice(-2), 16)),
  )
}
