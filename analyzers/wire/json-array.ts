/**
 * The elements of one JSON array (RFC 8259 §5), each given out as soon as its last byte is there:
 * what Google streams where no server-sent events are asked for. Only brackets, strings and commas
 * are looked at; whether an element is JSON is for its reader to find out. Never throws.
 */
import { sseEventLength } from './bounds.ts'
import type { EventReader, StreamEvent } from './stream-events.ts'

/** `elementLength`: UTF-16 units that one element may hold. */
export function createJsonArrayReader(elementLength: number = sseEventLength): EventReader {
  const decoder = new TextDecoder('utf-8')
  const scanner = new ArrayScanner()
  /** Of the element that is being read, what came with earlier bytes. */
  let pieces: string[] = []
  let heldLength = 0
  let problem: string | undefined

  function hold(piece: string): void {
    heldLength += piece.length
    if (heldLength > elementLength) problem = 'an event is longer than the limit'
    else pieces.push(piece)
  }

  function give(onEvent: (event: StreamEvent) => void, isEnd: boolean): void {
    const data = pieces.join('').trim()
    pieces = []
    heldLength = 0
    if (data !== '') onEvent({ data, ...(isEnd ? { unterminated: true } : {}) })
  }

  function feed(text: string, onEvent: (event: StreamEvent) => void): void {
    let start = 0
    for (let at = 0; at < text.length && problem === undefined; at += 1) {
      const mark = scanner.step(text.charCodeAt(at))
      if (mark === 'opens') start = at
      else if (mark === 'no-array') problem = 'not a JSON array'
      else if (mark !== undefined) {
        hold(text.slice(start, mark === 'closes' ? at + 1 : at))
        if (problem === undefined) give(onEvent, false)
      }
    }
    if (problem === undefined && scanner.isInside) hold(text.slice(start))
    if (problem !== undefined) pieces = []
  }

  return {
    push(bytes, onEvent) {
      feed(decoder.decode(bytes, { stream: true }), onEvent)
    },
    end(onEvent) {
      feed(decoder.decode(), onEvent)
      if (scanner.isInside) give(onEvent, true)
    },
    get problem() {
      return problem
    },
  }
}

/** An element begins with the character, ends with it, or ended before it. */
type Mark = 'opens' | 'closes' | 'stops' | 'no-array'
type Place = 'before' | 'between' | 'scalar' | 'nested' | 'string' | 'escape' | 'after'

/** Follows the array character by character. */
class ArrayScanner {
  #place: Place = 'before'
  /** Brackets open within the element. */
  #depth = 0

  /** Within an element. */
  get isInside(): boolean {
    return !['before', 'between', 'after'].includes(this.#place)
  }

  step(code: number): Mark | undefined {
    switch (this.#place) {
      case 'before':
        if (code === openBracket) this.#place = 'between'
        return code === openBracket || isBlank(code) ? undefined : 'no-array'
      case 'between':
        return this.#open(code)
      case 'scalar':
        if (code !== comma && code !== closeBracket) return undefined
        this.#place = code === comma ? 'between' : 'after'
        return 'stops'
      case 'nested':
        return this.#nest(code)
      case 'string':
        if (code === backslash) this.#place = 'escape'
        else if (code === quote) this.#place = this.#depth > 0 ? 'nested' : 'scalar'
        return undefined
      case 'escape':
        this.#place = 'string'
        return undefined
      default:
        return undefined
    }
  }

  #open(code: number): Mark | undefined {
    if (code === comma || isBlank(code)) return undefined
    if (code === closeBracket) {
      this.#place = 'after'
      return undefined
    }
    const isNested = code === openBrace || code === openBracket
    this.#depth = isNested ? 1 : 0
    this.#place = isNested ? 'nested' : code === quote ? 'string' : 'scalar'
    return 'opens'
  }

  #nest(code: number): Mark | undefined {
    if (code === quote) this.#place = 'string'
    else if (code === openBrace || code === openBracket) this.#depth += 1
    else if (code === closeBrace || code === closeBracket) this.#depth -= 1
    if (this.#depth > 0) return undefined
    this.#place = 'between'
    return 'closes'
  }
}

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** White space of JSON. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
