/**
 * Finds tokens in text that comes in pieces, in one pass: what is found is never looked at again,
 * whatever it is replaced by. Text has one character per byte (`latin1`). Held back is only what
 * could still become a token, so that the pieces may be cut anywhere. Pure.
 *
 * A token of ours has a fixed length, so what follows it does not matter. One of the other format
 * has none: it ends with its padding, or else where its alphabet ends.
 */
import { byteClass } from '../byte-classes.ts'
import { isToken, tokenPrefix, tokenRunLength } from './token-format.ts'
import type { TokenKind } from './token-source.ts'
import {
  codeOf,
  decodeUnits,
  lengthOf,
  none,
  unfinished,
  unitAt,
  writtenPattern,
} from './token-units.ts'

export interface FoundToken {
  readonly kind: TokenKind
  /** Without any coding that it stood in. */
  readonly text: string
  /** As it stood there. */
  readonly written: string
}

/** What was read, in order: text as it came, and tokens within it. */
export type TokenPiece = string | FoundToken

export const starpodPrefix = 'starpod:v1:'
/** Characters of base64: nonce and tag alone are 28 bytes; beyond 18 KiB nothing would be a secret. */
const leastStarpodRun = 38
/** Of a token of either format, in characters. */
export const leastTokenLength = 49
const mostStarpodRun = 24 * 1024

const prefixes: ReadonlyArray<readonly [TokenKind, string]> = [
  ['porthole', tokenPrefix],
  ['starpod', starpodPrefix],
]
const alternatives = prefixes.map(([kind, prefix]) => `(?<${kind}>${writtenPattern(prefix)})`)
const anyPrefix = new RegExp(alternatives.join('|'), 'gu')
/** How both end: looked for first, since most text has none, and fewer characters are sooner ruled out. */
const prefixEnd = new RegExp(writtenPattern(':v1:'), 'gu')
/** By code: what either may begin with, however it is written. */
const firsts = byteClass(/[ps%\\]/u)
const prefixHere = new RegExp(alternatives.join('|'), 'uy')
/** All but its last character, each as `\u0000`. */
const mostPartialPrefix = (tokenPrefix.length - 1) * 6 + 5

const backslash = '\\'

/** By code: what the run after each prefix is made of. */
const ownAlphabet = byteClass(/[\w-]/u)
const starpodAlphabet = byteClass(/[A-Za-z\d+/=]/u)
const padding = 0x3d

type Reading =
  | { readonly is: 'token'; readonly end: number }
  | { readonly is: 'none' }
  /** The text ends where it could still become one. */
  | { readonly is: 'open'; readonly readTo: number; readonly units: number }

export class TokenScanner {
  #held = ''
  /** Within what is held: how far a run has been read, so that none is read twice. */
  #resume: { readonly at: number; readonly units: number } | undefined
  /** Whether what was given out ends in an odd number of backslashes: then the next is escaped. */
  #isEscaped = false

  /** What can be told now. Without tokens, and nothing held back, `text` itself is the only piece. */
  push(text: string): TokenPiece[] {
    return this.#scan(this.#held === '' ? text : this.#held + text, false)
  }

  /** What was held back. */
  end(): TokenPiece[] {
    return this.#held === '' ? [] : this.#scan(this.#held, true)
  }

  /** In characters. */
  get heldLength(): number {
    return this.#held.length
  }

  #scan(text: string, isLast: boolean): TokenPiece[] {
    const resume = this.#resume
    const pieces: TokenPiece[] = []
    let told = 0
    let from = 0
    let holdFrom: number | undefined
    this.#held = ''
    this.#resume = undefined
    for (;;) {
      prefixEnd.lastIndex = from
      if (!prefixEnd.test(text)) break
      anyPrefix.lastIndex = from
      const match = anyPrefix.exec(text)
      if (match === null) break
      const start = match.index
      const runFrom = start + match[0].length
      from = runFrom
      if (match[0].startsWith(backslash) && this.#isOddBefore(text, start)) continue
      const kind = match.groups?.['porthole'] === undefined ? 'starpod' : 'porthole'
      const known = start === 0 && resume !== undefined ? resume : { at: runFrom, units: 0 }
      const reading = readRun(text, { kind, start, runFrom, ...known }, isLast)
      if (reading.is === 'none') continue
      if (reading.is === 'open') {
        holdFrom = start
        this.#resume = { at: reading.readTo - start, units: reading.units }
        break
      }
      if (start > told) pieces.push(text.slice(told, start))
      const written = text.slice(start, reading.end)
      pieces.push({ kind, text: decodeUnits(written), written })
      this.#isEscaped = false
      told = reading.end
      from = reading.end
    }
    if (!isLast) holdFrom ??= this.#partialFrom(text, from)
    return this.#finish(text, told, holdFrom ?? text.length, pieces)
  }

  #finish(text: string, told: number, holdFrom: number, pieces: TokenPiece[]): TokenPiece[] {
    this.#held = text.slice(holdFrom)
    if (holdFrom === told) return pieces
    this.#isEscaped = this.#isOddBefore(text, holdFrom, told)
    pieces.push(told === 0 && holdFrom === text.length ? text : text.slice(told, holdFrom))
    return pieces
  }

  /** Where the text ends with what may be the beginning of a prefix; undefined if it does not. */
  #partialFrom(text: string, from: number): number | undefined {
    let at = Math.max(from, text.length - mostPartialPrefix)
    let isEscaped = this.#isOddBefore(text, at)
    for (; at < text.length; at += 1) {
      const isBackslash = text.charAt(at) === backslash
      const mayBegin = !(isBackslash && isEscaped) && firsts[text.charCodeAt(at)] === true
      if (mayBegin && beginsPrefix(text, at)) return at
      isEscaped = isBackslash && !isEscaped
    }
    return undefined
  }

  /** Whether an odd number of backslashes stands before `at`: then one at `at` is escaped. */
  #isOddBefore(text: string, at: number, from = 0): boolean {
    let first = at
    while (first > from && text.charAt(first - 1) === backslash) first -= 1
    const isOdd = (at - first) % 2 === 1
    return first === 0 && this.#isEscaped ? !isOdd : isOdd
  }
}

/** All of a text at once. */
export function findTokens(text: string): TokenPiece[] {
  const scanner = new TokenScanner()
  return [...scanner.push(text), ...scanner.end()]
}

/** What is left of a text where all of them are taken out. */
export function withoutTokens(text: string): string {
  if (text.length < leastTokenLength) return text
  return findTokens(text)
    .filter((piece) => typeof piece === 'string')
    .join('')
}

interface Candidate {
  readonly kind: TokenKind
  readonly start: number
  readonly runFrom: number
  /** Where reading goes on, and after how many characters of the run. */
  readonly at: number
  readonly units: number
}

function readRun(text: string, candidate: Candidate, isLast: boolean): Reading {
  return candidate.kind === 'porthole'
    ? readOwn(text, candidate, isLast)
    : readStarpod(text, candidate, isLast)
}

/** Exactly so many characters, whatever follows; one that is not whole is told as well. */
function readOwn(text: string, { start, runFrom }: Candidate, isLast: boolean): Reading {
  let at = runFrom
  for (let units = 0; units < tokenRunLength; units += 1) {
    const unit = unitAt(text, at)
    if (unit === unfinished && !isLast) return { is: 'open', readTo: runFrom, units: 0 }
    if (unit < 0 || ownAlphabet[codeOf(unit)] !== true) return { is: 'none' }
    at += lengthOf(unit)
  }
  if (isToken(decodeUnits(text.slice(start, at)))) return { is: 'token', end: at }
  const cut = nextPrefixWithin(text, runFrom, at, isLast)
  return cut === unfinished
    ? { is: 'open', readTo: runFrom, units: 0 }
    : { is: 'token', end: cut === none ? at : cut }
}

/** Up to its padding, or to where its alphabet ends. */
function readStarpod(text: string, candidate: Candidate, isLast: boolean): Reading {
  const { start, runFrom } = candidate
  let { at, units } = candidate
  for (;;) {
    if (units > mostStarpodRun) return { is: 'none' }
    const unit = unitAt(text, at)
    if (unit === unfinished && !isLast) return { is: 'open', readTo: at, units }
    if (unit < 0 || starpodAlphabet[codeOf(unit)] !== true) break
    if (codeOf(unit) === padding) {
      const end = endOfPadding(text, at, units, isLast)
      return end === unfinished ? { is: 'open', readTo: at, units } : ended(units, end)
    }
    at += lengthOf(unit)
    units += 1
  }
  const cut = nextPrefixWithin(text, Math.max(runFrom, at - mostPartialPrefix), at, isLast)
  if (cut === unfinished) return { is: 'open', readTo: at, units }
  if (cut === none) return ended(units, at)
  return readStarpod(
    text.slice(0, cut),
    { kind: 'starpod', start, runFrom, at: runFrom, units: 0 },
    true,
  )
}

function ended(units: number, end: number): Reading {
  return units < leastStarpodRun ? { is: 'none' } : { is: 'token', end }
}

/** One `=` or two, as many as make it a multiple of four. */
function endOfPadding(text: string, from: number, units: number, isLast: boolean): number {
  let at = from
  for (let wanted = (4 - (units % 4)) % 4; wanted > 0; wanted -= 1) {
    const unit = unitAt(text, at)
    if (unit === unfinished && !isLast) return unfinished
    if (unit < 0 || codeOf(unit) !== padding) return at
    at += lengthOf(unit)
  }
  return at
}

/** Where, before `end`, the prefix of another token begins that goes on beyond it; or `none`. */
function nextPrefixWithin(text: string, from: number, end: number, isLast: boolean): number {
  for (let at = from; at < end; at += 1) {
    prefixHere.lastIndex = at
    if (prefixHere.test(text)) return at
    if (!isLast && text.length - at <= mostPartialPrefix && beginsPrefix(text, at)) {
      return unfinished
    }
  }
  return none
}

/** Whether all of the text from `at` on is the beginning of a prefix, but not the whole of one. */
function beginsPrefix(text: string, at: number): boolean {
  return prefixes.some(([, prefix]) => {
    let place = at
    for (let index = 0; index < prefix.length; index += 1) {
      const unit = unitAt(text, place)
      if (unit === unfinished) return couldBe(text.slice(place), prefix.charCodeAt(index))
      if (unit < 0 || codeOf(unit) !== prefix.charCodeAt(index)) return false
      place += lengthOf(unit)
    }
    return false
  })
}

/** Whether the beginning of a unit, or nothing at all, can become this character. */
function couldBe(beginning: string, code: number): boolean {
  const hex = code.toString(16)
  const lower = beginning.toLowerCase()
  return `%${hex}`.startsWith(lower) || `\\u00${hex}`.startsWith(lower)
}
