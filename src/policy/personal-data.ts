/**
 * Finds personal data that has a shape of its own: mail addresses, payment cards, bank accounts,
 * telephone numbers in international form and US social security numbers. What has a check digit is
 * checked, so that ids and timestamps stay. Names and addresses have no shape: they are not found.
 */

import { byteClass } from './byte-classes.ts'

export interface DataRange {
  readonly start: number
  readonly end: number
  /** As `start`: such data is known by its own looks. */
  readonly from: number
}

interface DataShape {
  readonly shape: RegExp
  /** What stands in all such data; text without it is not searched. */
  readonly needs: string
  readonly holds: (match: string) => boolean
}

const shapes: readonly DataShape[] = [
  { shape: /(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])/gu, needs: '', holds: isCardNumber },
  { shape: /(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z\d]){11,30}(?!\w)/gu, needs: '', holds: isBankAccount },
  { shape: /(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)/gu, needs: '+', holds: () => true },
  { shape: /(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])/gu, needs: '-', holds: () => true },
]

/** In no order. Bare numbers of JSON stay: masking them would break it. */
export function findPersonalData(text: string): DataRange[] {
  const found = findAddresses(text)
  for (const { shape, needs, holds } of shapes) {
    if (!text.includes(needs)) continue
    for (const match of text.matchAll(shape)) {
      const { index, 0: data } = match
      if (!holds(data) || isBareNumber(text, match)) continue
      found.push({ from: index, start: index, end: index + data.length })
    }
  }
  return found
}

const localCodes = byteClass(/[\w.%+-]/u)
const localLength = 64
const domain = /@(?:[A-Za-z\d-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])/uy

/** Mail addresses: read from their `@`, for any text is made of what may stand before one. */
function findAddresses(text: string): DataRange[] {
  const found: DataRange[] = []
  let first = 0
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let start = at
    const least = Math.max(first, at - localLength)
    while (start > least && localCodes[text.charCodeAt(start - 1)] === true) start -= 1
    if (start === at) continue
    domain.lastIndex = at
    const match = domain.exec(text)
    if (match === null) continue
    first = at + match[0].length
    found.push({ from: start, start, end: first })
  }
  return found
}

function isBareNumber(text: string, match: RegExpExecArray): boolean {
  if (!/^\d+$/u.test(match[0])) return false
  const before = text.slice(Math.max(0, match.index - 8), match.index)
  const after = text.slice(match.index + match[0].length, match.index + match[0].length + 8)
  return /[[:,]\s*$/u.test(before) && /^\s*[\]},]/u.test(after)
}

/** The check digit of ISO/IEC 7812-1 (Luhn). */
function isCardNumber(match: string): boolean {
  const digits = match.replaceAll(/\D/gu, '')
  let sum = 0
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits.charAt(digits.length - 1 - index))
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0 && /[1-9]/u.test(digits)
}

/** The check digits of ISO 13616: the number, its first four characters moved to the end, mod 97. */
function isBankAccount(match: string): boolean {
  const account = match.replaceAll(' ', '')
  if (account.length > 34) return false
  let rest = 0
  for (const character of account.slice(4) + account.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
