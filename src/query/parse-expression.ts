/**
 * From the text of a filter to its tree, by recursive descent. mitmproxy's grammar: `!` binds
 * tighter than `&`, that tighter than `|`, and things side by side bind loosest; a word ends at
 * space, parenthesis, `~` or quote, so that `|` and `&` within it belong to its regular expression.
 */
import { nearestName } from '../base/nearest.ts'
import type { Expression, FilterProblem } from './expression.ts'
import type { CacheVerdict, Comparison, FlagAtom, NumberAtom, TextAtom } from './filter-grammar.ts'
import {
  atomNames,
  cacheVerdicts,
  comparisons,
  flagAtoms,
  numberAtoms,
  textAtoms,
} from './filter-grammar.ts'
import { parseAmount } from './parse-amount.ts'
import { compilePattern } from './text-pattern.ts'

/** UTF-16 units; nobody types more. */
const maxLength = 4096
/** Parentheses and `!` within each other: both parsing and matching recurse. */
const maxDepth = 64

export type ParsedExpression =
  | { readonly ok: true; readonly expression: Expression }
  | ({ readonly ok: false } & FilterProblem)

/** Never throws. Blank text is `~all`. */
export function parseExpression(text: string): ParsedExpression {
  if (text.length > maxLength) {
    return { ok: false, problem: `longer than ${maxLength} characters`, at: maxLength }
  }
  if (text.trim() === '') return { ok: true, expression: { type: 'flag', name: 'all' } }
  try {
    return { ok: true, expression: new Parser(text).parse() }
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    return { ok: false, problem: error.message, at: error.at }
  }
}

class Mistake extends Error {
  readonly at: number
  constructor(at: number, problem: string) {
    super(problem)
    this.at = at
  }
}

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): Expression {
    const expression = this.#readLoose()
    if (this.#at < this.#text.length) throw new Mistake(this.#at, 'no ( stands before this )')
    return expression
  }

  #readLoose(): Expression {
    const items = [this.#readList('|')]
    for (let next = this.#peek(); next !== '' && next !== ')'; next = this.#peek()) {
      items.push(this.#readList('|'))
    }
    return joined('and', items)
  }

  #readList(operator: '|' | '&'): Expression {
    const read = (): Expression => (operator === '|' ? this.#readList('&') : this.#readUnary())
    const items = [read()]
    while (this.#peek() === operator) {
      this.#at += 1
      items.push(read())
    }
    return joined(operator === '|' ? 'or' : 'and', items)
  }

  #readUnary(): Expression {
    const next = this.#peek()
    const start = this.#at
    if (next === '') throw new Mistake(start, 'something is missing here')
    if (next === ')' || next === '|' || next === '&') {
      throw new Mistake(start, `something is missing before ${next}`)
    }
    if (next !== '!' && next !== '(') return this.#readAtom()
    this.#at += 1
    this.#depth += 1
    if (this.#depth > maxDepth) throw new Mistake(start, `nested deeper than ${maxDepth}`)
    const item = next === '!' ? this.#readUnary() : this.#readLoose()
    this.#depth -= 1
    if (next === '!') return { type: 'not', item }
    if (this.#peek() !== ')') throw new Mistake(start, 'this ( is never closed')
    this.#at += 1
    return item
  }

  #readAtom(): Expression {
    if (this.#text[this.#at] !== '~') return this.#readText(undefined)
    const start = this.#at
    const name = this.#take(/~[a-z]*/iuy).slice(1)
    if (Object.hasOwn(flagAtoms, name)) return { type: 'flag', name: name as FlagAtom }
    if (Object.hasOwn(textAtoms, name)) return this.#readText(name as TextAtom)
    if (Object.hasOwn(numberAtoms, name)) return this.#readNumber(name as NumberAtom)
    if (name === 'cache') return this.#readCache()
    const nearest = nearestName(name, atomNames)
    const hint = nearest === undefined ? '' : `; did you mean ~${nearest}?`
    throw new Mistake(start, name === '' ? 'a name is missing after ~' : `no ~${name}${hint}`)
  }

  #readText(name: TextAtom | undefined): Expression {
    const start = this.#skipSpace()
    const wanted = name === undefined ? 'a word' : `a regular expression after ~${name}`
    const pattern = this.#readWord(wanted)
    const compiled = compilePattern(pattern)
    if (!compiled.ok) throw new Mistake(start, `not a regular expression: ${compiled.problem}`)
    return { type: 'text', name, pattern }
  }

  #readWord(wanted: string): string {
    const start = this.#skipSpace()
    const quote = this.#text[start]
    if (quote === '"' || quote === "'") {
      const quoted = this.#take(quote === '"' ? /"(?:[^"\\]|\\.)*"/suy : /'(?:[^'\\]|\\.)*'/suy)
      if (quoted === '') throw new Mistake(start, `this ${quote} is never closed`)
      if (quoted.length === 2) throw new Mistake(start, 'nothing stands in the quotes')
      // All other escapes are the regular expression's.
      return quoted
        .slice(1, -1)
        .replaceAll(/\\(.)/gsu, (whole, character: string) => (character === quote ? quote : whole))
    }
    const word = this.#take(/[^\s()~'"]+/uy)
    if (word === '' || word === '&' || word === '|') {
      throw new Mistake(start, `${wanted} is missing here`)
    }
    const last = /(?<!\\)[&|]$/u.exec(word)
    if (last !== null) {
      const at = start + word.length - 1
      throw new Mistake(at, `put a space before ${last[0]}, or the word in quotes`)
    }
    return word
  }

  #readNumber(name: NumberAtom): Expression {
    const start = this.#skipSpace()
    const found = comparisons.find((sign) => this.#text.startsWith(sign, start))
    if (found === undefined && name !== 'c') {
      throw new Mistake(start, `~${name} wants a comparison: > >= < <= = !=`)
    }
    this.#at += found?.length ?? 0
    const at = this.#skipSpace()
    const amount = parseAmount(name, this.#take(/[^\s()~'"&|!]+/uy))
    if (!amount.ok) throw new Mistake(at, amount.problem)
    const comparison: Comparison = found === undefined || found === '==' ? '=' : found
    return { type: 'number', name, comparison, value: amount.value }
  }

  #readCache(): Expression {
    let at = this.#skipSpace()
    const verdicts: CacheVerdict[] = []
    for (const word of this.#readWord(`one of ${cacheVerdicts.join(', ')}`).split('|')) {
      const verdict = cacheVerdicts.find((known) => known === word)
      if (verdict === undefined) {
        throw new Mistake(at, `~cache takes ${cacheVerdicts.join(', ')}, not ${word || 'nothing'}`)
      }
      verdicts.push(verdict)
      at += word.length + 1
    }
    return { type: 'cache', verdicts }
  }

  /** The next character that is no space; empty at the end. */
  #peek(): string {
    return this.#text[this.#skipSpace()] ?? ''
  }

  #skipSpace(): number {
    this.#take(/\s+/uy)
    return this.#at
  }

  #take(sticky: RegExp): string {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }
}

function joined(type: 'and' | 'or', items: readonly Expression[]): Expression {
  const [only] = items
  return only !== undefined && items.length === 1 ? only : { type, items }
}
