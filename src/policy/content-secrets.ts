/**
 * Finds secrets inside of content: credential fields of JSON and forms, values that look like keys,
 * values that are known to be secret, and personal data. It works on one character per byte
 * (`latin1`), so that what it finds can be masked in place without moving anything.
 *
 * It looks for literals first and reads around what it finds: content is large, secrets are rare.
 * What it cannot see is a secret in pieces, such as one that a model spells in several events.
 */
import { byteClass } from './byte-classes.ts'
import { closingQuote, findFields, isCredentialName } from './credential-fields.ts'
import { findKeys } from './key-shapes.ts'
import { findPersonalData } from './personal-data.ts'
import { isSecretParameter } from './redaction.ts'
import type { OpenSecret, SecretRange } from './secret-range.ts'
import type { ValueFinder } from './value-scanner.ts'

/** `off` leaves prompts and answers as they are; credential fields and known values always go. */
export type ContentRedaction = 'secrets' | 'pii' | 'off'

export interface SecretSearch {
  readonly mode: ContentRedaction
  /** `application/x-www-form-urlencoded`. */
  readonly isForm: boolean
  /** Values to be found wherever they stand, as they are written there. */
  readonly known: readonly string[]
  /** Of stored secrets, found in the same way. */
  readonly values?: ValueFinder | undefined
}

/** Characters that keys and tokens are made of. */
const tokenChars = /[\w.\-:+/=~%]*/uy

/** In order of `start`; they may overlap. */
export function findSecrets(text: string, search: SecretSearch): SecretRange[] {
  const found = findWhatIsKnown(text, search)
  findFields(text, found)
  if (search.isForm) findFormFields(text, found)
  if (search.mode !== 'off') findKeys(text, found)
  if (search.mode === 'pii') found.push(...findPersonalData(text))
  return found.length < 2 ? found : found.sort((a, b) => a.start - b.start)
}

/** Those alone that are told by nothing but themselves, in no order. */
export function findWhatIsKnown(
  text: string,
  { known, values }: Pick<SecretSearch, 'known' | 'values'>,
): SecretRange[] {
  const found: SecretRange[] = []
  findKnown(text, known, found)
  if (values?.isEmpty === false) findValues(text, values, found)
  return found
}

/** Where a secret that was open ends in what follows; `undefined` if not within `text`. */
export function endOfOpen(text: string, open: OpenSecret): number | undefined {
  if (open.kind === 'string') return closingQuote(text, 0, open.depth)
  if (open.kind === 'form') return found(text.indexOf('&'))
  tokenChars.lastIndex = 0
  const end = tokenChars.exec(text)?.[0].length ?? 0
  return end < text.length ? end : undefined
}

/** Where an unfinished secret may begin at the end of `text`: from there on it has to be kept. */
export function tailStart(text: string, search: SecretSearch): number {
  let start = Math.min(tokenStart(text), openingStart(text))
  if (search.mode === 'pii') start = Math.min(start, numberStart(text))
  return Math.min(start, knownTailStart(text, search))
}

/** As `tailStart`, of what is known alone. */
export function knownTailStart(
  text: string,
  { known, values }: Pick<SecretSearch, 'known' | 'values'>,
): number {
  let start = text.length
  for (const value of known) start = Math.min(start, prefixStart(text, value))
  return values?.isEmpty === false ? Math.min(start, values.partialStart(text)) : start
}

/** Characters of the end of a text that are looked at for the opening of a field or a number. */
const openingLength = 200
/** A field's name and what stands between it and its value; matches nothing at the end at least. */
const fieldOpening = /(?:\\*"[\w.-]{0,64}\\*"?\s{0,16}:?\s{0,16}\\{0,8}"?)?$/u
const numberOpening = /[\d ().+-]{0,40}$/u

/** Of the field that the text ends with the opening of. */
function openingStart(text: string): number {
  const first = Math.max(0, text.length - openingLength)
  let at = text.length
  let hasQuote = false
  // Most texts end with what no opening holds, and need no closer look.
  while (at > first && openingCodes[text.charCodeAt(at - 1)] === true) {
    at -= 1
    if (text.charCodeAt(at) === quote) hasQuote = true
  }
  return hasQuote ? at + text.slice(at).search(fieldOpening) : text.length
}

function numberStart(text: string): number {
  const near = text.slice(-openingLength)
  return text.length - near.length + near.search(numberOpening)
}

const quote = 0x22

/** By code: what stands in tokens, and what in openings of fields. */
const tokenCodes = byteClass(/[\w.\-:+/=~%]/u)
const openingCodes = byteClass(/[\w.\-\s:"\\]/u)

/** The longest unfinished token that is waited for, in bytes. */
const tokenLength = 4096

/** Of the token that the text ends with, with the quote before it. */
function tokenStart(text: string): number {
  let at = text.length
  const first = Math.max(0, at - tokenLength)
  while (at > first && tokenCodes[text.charCodeAt(at - 1)] === true) at -= 1
  if (at > first && text.charAt(at - 1) === '"') at -= 1
  while (at > first && text.charAt(at - 1) === '\\') at -= 1
  return at
}

/** Where the text ends with the beginning of `value`, at its longest; its end if it does not. */
function prefixStart(text: string, value: string): number {
  if (!value.includes(text.charAt(text.length - 1))) return text.length
  const first = value.charAt(0)
  let at = text.indexOf(first, Math.max(0, text.length - value.length + 1))
  while (at !== -1 && !value.startsWith(text.slice(at))) at = text.indexOf(first, at + 1)
  return at === -1 ? text.length : at
}

function findKnown(text: string, known: readonly string[], into: SecretRange[]): void {
  for (const value of known) {
    for (const start of placesOf(text, value))
      into.push({ from: start, start, end: start + value.length, known: value })
  }
}

/** What is known already is told as such. */
function findValues(text: string, values: ValueFinder, into: SecretRange[]): void {
  const known = into.length
  for (const { start, end, secretId } of values.find(text)) {
    const isKnown = into.slice(0, known).some((it) => it.start < end && start < it.end)
    into.push({ from: start, start, end, ...(isKnown ? {} : { secretId }) })
  }
}

function* placesOf(text: string, literal: string): Generator<number> {
  for (let at = text.indexOf(literal); at !== -1; at = text.indexOf(literal, at + 1)) yield at
}

function findFormFields(text: string, into: SecretRange[]): void {
  for (const match of text.matchAll(/(?:^|&)([^=&]{1,100})=([^&]+)/gu)) {
    const [all, name = '', value = ''] = match
    if (!isSecretParameter(name) && !isCredentialName(name)) continue
    const end = match.index + all.length
    const open = end === text.length ? { open: { kind: 'form' } as const } : {}
    into.push({ from: match.index, start: end - value.length, end, ...open })
  }
}

function found(index: number): number | undefined {
  return index === -1 ? undefined : index
}
