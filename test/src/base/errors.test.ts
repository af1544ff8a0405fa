import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import type { ErrorCode, ErrorDetails } from '../../../src/base/errors.ts'
import {
  AppError,
  assertNever,
  describeError,
  errorCodeOf,
  errorTable,
} from '../../../src/base/errors.ts'

const repository = join(import.meta.dirname, '../../..')
const codes = Object.keys(errorTable) as ErrorCode[]
const exitCodes = [1, 2, 69, 70, 126, 127]

interface Thrown {
  readonly code: ErrorCode
  readonly file: string
  /** Names given in an object literal at the place of the throw; undefined if it is a variable. */
  readonly details: readonly string[] | undefined
}

function sources(folder: string): Array<{ file: string; text: string }> {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/u.test(name))
    .map((name) => ({
      file: join(folder, name),
      text: readFileSync(join(repository, folder, name), 'utf8'),
    }))
}

const files = ['src', 'analyzers', 'ca'].flatMap(sources)

function placeholdersOf(code: ErrorCode): string[] {
  const { message, hint } = errorTable[code]
  return Array.from(`${message} ${hint}`.matchAll(/\{(\w+)\}/gu), ([, name]) => name ?? '')
}

/** Every `new AppError('ERR_…', { … })`, with the keys of its literal as far as text shows them. */
function thrown(): Thrown[] {
  const found: Thrown[] = []
  for (const { file, text } of files) {
    for (const match of text.matchAll(/new AppError\(\s*'(?<code>ERR_\w+)'\s*(?<next>,\s*\S)?/gu)) {
      const code = match.groups?.['code'] as ErrorCode
      const next = match.groups?.['next']?.trim() ?? ''
      if (next !== '' && !next.endsWith('{')) {
        found.push({ code, file, details: undefined })
        continue
      }
      const literal = next === '' ? '' : literalAt(text, match.index + match[0].length)
      found.push({ code, file, details: keysOf(literal) })
    }
  }
  return found
}

/** The text of an object literal from just after its `{` to its matching `}`. */
function literalAt(text: string, start: number): string {
  let depth = 1
  let end = start
  while (depth > 0 && end < text.length) {
    const character = text[end]
    if (character === '{' || character === '(' || character === '[') depth += 1
    if (character === '}' || character === ')' || character === ']') depth -= 1
    end += 1
  }
  return text.slice(start, end - 1)
}

function keysOf(literal: string): string[] | undefined {
  const keys: string[] = []
  let depth = 0
  let part = ''
  for (const character of `${literal},`) {
    if ('{(['.includes(character)) depth += 1
    if ('})]'.includes(character)) depth -= 1
    if (character !== ',' || depth > 0) {
      part += character
      continue
    }
    const item = part.trim()
    part = ''
    if (item === '') continue
    // A spread may bring any name: such a place cannot be judged by its text.
    if (item.startsWith('...')) return undefined
    keys.push(/^\w+/u.exec(item)?.[0] ?? '')
  }
  return keys
}

describe('the table of errors', () => {
  test.each(codes)('%s is a code of area and cause with one-line texts', (code) => {
    const { message, hint, exitCode } = errorTable[code]

    expect(code).toMatch(/^ERR_[A-Z]+(?:_[A-Z]+)*$/u)
    expect(message).toMatch(/^[^\n]+$/u)
    expect(hint).toMatch(/^[^\n]+$/u)
    expect(exitCodes).toContain(exitCode)
  })

  test.each(codes)('%s is used somewhere', (code) => {
    const users = files.filter(
      ({ file, text }) => file !== join('src', 'base', 'errors.ts') && text.includes(`'${code}'`),
    )
    const inItsOwnFile = code === 'ERR_INTERNAL'

    expect(users.length > 0 || inItsOwnFile).toBe(true)
  })

  test('has a row for every code that is thrown', () => {
    const known = new Set<string>(codes)

    expect(thrown().filter(({ code }) => !known.has(code))).toEqual([])
  })

  test('finds most places of throwing with their details', () => {
    const places = thrown()

    expect(places.length).toBeGreaterThan(20)
    expect(places.filter(({ details }) => details !== undefined).length).toBeGreaterThan(15)
  })

  test('has no placeholder that a place of throwing leaves empty', () => {
    const missing = thrown().flatMap(({ code, file, details }) =>
      details === undefined
        ? []
        : placeholdersOf(code)
            .filter((name) => !details.includes(name))
            .map((name) => `${code} in ${file}: ${name}`),
    )

    expect(missing).toEqual([])
  })
})

describe('an AppError', () => {
  test.each(codes)('%s fills every placeholder of its texts', (code) => {
    const details: ErrorDetails = Object.fromEntries(
      placeholdersOf(code).map((name) => [name, `<${name}>`]),
    )

    const error = new AppError(code, details)

    expect(`${error.message} ${error.hint}`).not.toMatch(/\{\w+\}/u)
    expect(error.code).toBe(code)
    expect(error.exitCode).toBe(errorTable[code].exitCode)
    for (const value of Object.values(details)) {
      expect(`${error.message} ${error.hint}`).toContain(value)
    }
  })

  test('keeps its cause, its name and its details', () => {
    const cause = new Error('why')

    const error = new AppError('ERR_LISTEN', { host: 'h', port: 1, problem: 'p' }, cause)

    expect(error.cause).toBe(cause)
    expect(error.name).toBe('AppError')
    expect(error.details).toEqual({ host: 'h', port: 1, problem: 'p' })
    expect('cause' in new AppError('ERR_USAGE')).toBe(false)
  })

  test('does not expand placeholders that come in a value', () => {
    const error = new AppError('ERR_USAGE', { problem: 'a {next} b $& $1', next: 'n' })

    expect(error.message).toBe('a {next} b $& $1')
  })
})

describe('describeError', () => {
  test.each([
    [new Error('plain'), 'plain'],
    [new TypeError(''), 'TypeError'],
    [new AggregateError([new Error('first'), new Error('second')], 'all'), 'first'],
    [new AggregateError([], 'none'), 'none'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('of %j is %j', (error, wanted) => {
    expect(describeError(error)).toBe(wanted)
  })
})

describe('errorCodeOf', () => {
  test.each([
    [Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [new AggregateError([Object.assign(new Error('x'), { code: 'EHOSTUNREACH' })]), 'EHOSTUNREACH'],
    [Object.assign(new Error('x'), { code: 7 }), undefined],
    [new Error('x'), undefined],
    [{ code: 'PLAIN' }, 'PLAIN'],
    [null, undefined],
    ['ECONNRESET', undefined],
  ])('of %j is %j', (error, wanted) => {
    expect(errorCodeOf(error)).toBe(wanted)
  })
})

test('assertNever names the value that should not exist', () => {
  expect(() => assertNever('surprise' as never)).toThrow(/"surprise"/u)
})
