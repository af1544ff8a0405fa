/**
 * Finds personal data that has a shape of its own: mail addresses, payment cards, bank accounts,
 * telephone numbers in international form and US social security numbers. What has a check digit is
 * checked, so that ids and timestamps stay. Names and addresses have no shape: they are not found.
 */

export interface DataRange {
  readonly start: number
  readonly end: number
  /** As `start`: such data is known by its own looks. */
  readonly from: number
}

const shapes: ReadonlyArray<{
  readonly shape: RegExp
  readonly holds: (match: string) => boolean
}> = [
  {
    shape: /[\w.%+-]{1,64}@(?:[A-Za-z\d-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])/gu,
    holds: () => true,
  },
  { shape: /(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])/gu, holds: isCardNumber },
  { shape: /(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z\d]){11,30}(?!\w)/gu, holds: isBankAccount },
  { shape: /(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)/gu, holds: () => true },
  { shape: /(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])/gu, holds: () => true },
]

/** In no order. Bare numbers of JSON stay: masking them would break it. */
export function findPersonalData(text: string): DataRange[] {
  return shapes.flatMap(({ shape, holds }) =>
    [...text.matchAll(shape)]
      .filter((match) => holds(match[0]) && !isBareNumber(text, match))
      .map(({ index, 0: data }) => ({ from: index, start: index, end: index + data.length })),
  )
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
