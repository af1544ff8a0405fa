/**
 * A filter: what `~model opus & ~cost > 0.5` says of a call. See README.md for the language. Pure,
 * and safe over text of strangers (`text-pattern.ts`).
 */
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { Expression, FilterProblem } from './expression.ts'
import type { FlagAtom, NumberAtom, TextAtom } from './filter-grammar.ts'
import type { FilterSubject } from './filter-subject.ts'
import { parseExpression } from './parse-expression.ts'
import { MatchBudget, compilePattern } from './text-pattern.ts'

export interface Filter {
  /** As the user wrote it. */
  readonly text: string
  /** Texts that took too long to look through; they counted as no match. */
  readonly skipped: number
  /** Never throws. */
  matches(subject: FilterSubject): boolean
}

export type ParsedFilter =
  | { readonly ok: true; readonly filter: Filter }
  | ({ readonly ok: false } & FilterProblem)

/** What a viewer can be held up for, in milliseconds; a command that works alone may take longer. */
const defaultPatienceMs = 3000

/**
 * Blank text matches everything. Never throws. `patienceMs` is spent at most on texts that take
 * long to look through, and a tenth of the time since.
 */
export function parseFilter(text: string, patienceMs: number = defaultPatienceMs): ParsedFilter {
  const parsed = parseExpression(text)
  if (!parsed.ok) return parsed
  const budget = new MatchBudget(patienceMs)
  const { test } = compile(parsed.expression, budget)
  return {
    ok: true,
    filter: {
      text,
      get skipped() {
        return budget.skipped
      },
      matches: test,
    },
  }
}

type Test = (subject: FilterSubject) => boolean
/** `price`: 0 for what is at hand, 1 for header fields, 2 for bodies and conversations. */
interface Compiled {
  readonly test: Test
  readonly price: number
}

function compile(expression: Expression, budget: MatchBudget): Compiled {
  switch (expression.type) {
    case 'and':
    case 'or':
      return compileList(expression.type, expression.items, budget)
    case 'not': {
      const { test, price } = compile(expression.item, budget)
      return { test: (subject) => !test(subject), price }
    }
    case 'flag':
      return { test: flagTests[expression.name], price: expression.name === 'websocket' ? 1 : 0 }
    case 'number':
      return { test: compileNumber(expression), price: 0 }
    case 'cache':
      return {
        test: ({ cacheVerdict }) =>
          cacheVerdict !== undefined && expression.verdicts.includes(cacheVerdict),
        price: 0,
      }
    default:
      return compileText(expression.name, expression.pattern, budget)
  }
}

function compileList(
  type: 'and' | 'or',
  items: readonly Expression[],
  budget: MatchBudget,
): Compiled {
  // The cheap ones often decide. The order changes nothing else: no test has an effect.
  const compiled = items.map((item) => compile(item, budget)).sort((a, b) => a.price - b.price)
  const tests = compiled.map(({ test }) => test)
  return {
    test:
      type === 'and'
        ? (subject) => tests.every((test) => test(subject))
        : (subject) => tests.some((test) => test(subject)),
    price: compiled.at(-1)?.price ?? 0,
  }
}

const flagTests: Readonly<Record<FlagAtom, Test>> = {
  all: () => true,
  q: ({ method, hasResponse }) => method !== '' && !hasResponse,
  s: ({ hasResponse }) => hasResponse,
  e: ({ isError }) => isError,
  err: ({ isError }) => isError,
  http: ({ method }) => method !== '',
  websocket: (subject) =>
    /^wss?:/iu.test(subject.url) ||
    headerValues(subject.requestHeaders(), 'upgrade').some((value) => /websocket/iu.test(value)),
  tunnel: ({ kind }) => kind === 'tunnel',
}

const numbers: Readonly<Record<NumberAtom, (subject: FilterSubject) => number | undefined>> = {
  c: ({ status }) => status,
  cost: ({ costUsd }) => costUsd,
  tokens: ({ tokens }) => tokens,
  ttft: ({ ttftMs }) => ttftMs,
  dur: ({ durationMs }) => durationMs,
}

function compileNumber(expression: Extract<Expression, { type: 'number' }>): Test {
  const { name, comparison, value } = expression
  const read = numbers[name]
  return (subject) => {
    const number = read(subject)
    // What is unknown is neither more nor less than anything, nor is it something else.
    if (number === undefined) return false
    switch (comparison) {
      case '>':
        return number > value
      case '>=':
        return number >= value
      case '<':
        return number < value
      case '<=':
        return number <= value
      case '=':
        return number === value
      default:
        return number !== value
    }
  }
}

interface TextSource {
  readonly read: (subject: FilterSubject) => ReadonlyArray<string | undefined>
  readonly price: number
  /** `m`: `^` and `$` at every line. `s`: a dot is a line end too. */
  readonly flags?: 's' | 'm'
}

const texts: Readonly<Record<TextAtom, TextSource>> = {
  u: { read: ({ url }) => [url], price: 0 },
  d: { read: ({ host }) => [host], price: 0 },
  m: { read: ({ method }) => [method], price: 0 },
  h: {
    read: (subject) => [lines(subject.requestHeaders()), lines(subject.responseHeaders())],
    price: 1,
    flags: 'm',
  },
  hq: { read: (subject) => [lines(subject.requestHeaders())], price: 1, flags: 'm' },
  hs: { read: (subject) => [lines(subject.responseHeaders())], price: 1, flags: 'm' },
  b: {
    read: (subject) => [subject.requestBody(), subject.responseBody()],
    price: 2,
    flags: 's',
  },
  bq: { read: (subject) => [subject.requestBody()], price: 2, flags: 's' },
  bs: { read: (subject) => [subject.responseBody()], price: 2, flags: 's' },
  t: {
    read: (subject) => [
      ...contentTypes(subject.requestHeaders()),
      ...contentTypes(subject.responseHeaders()),
    ],
    price: 1,
  },
  tq: { read: (subject) => contentTypes(subject.requestHeaders()), price: 1 },
  ts: { read: (subject) => contentTypes(subject.responseHeaders()), price: 1 },
  provider: { read: ({ provider }) => [provider], price: 0 },
  model: { read: ({ model }) => [model], price: 0 },
  tool: { read: (subject) => subject.tools(), price: 1 },
  agent: { read: ({ agent }) => [agent], price: 0 },
  session: { read: ({ sessions }) => sessions, price: 0 },
  stop: { read: ({ stop }) => [stop], price: 0 },
  op: { read: ({ operation }) => [operation], price: 0 },
  kind: { read: ({ kind }) => [kind], price: 0 },
}

/** Of a bare word: first what is at hand, then the conversation. */
const anyShort: TextSource = {
  read: ({ url, method, host, provider, model, agent, stop }) => [
    url,
    method,
    host,
    provider,
    model,
    agent,
    stop,
  ],
  price: 0,
}
const anyLong: TextSource = {
  read: (subject) => [subject.conversation()],
  price: 2,
  flags: 's',
}

function compileText(name: TextAtom | undefined, pattern: string, budget: MatchBudget): Compiled {
  if (name !== undefined) return compileSource(texts[name], pattern, budget)
  const short = compileSource(anyShort, pattern, budget)
  const long = compileSource(anyLong, pattern, budget)
  return { test: (subject) => short.test(subject) || long.test(subject), price: long.price }
}

function compileSource(source: TextSource, pattern: string, budget: MatchBudget): Compiled {
  const { read, price, flags } = source
  const compiled = compilePattern(pattern, flags)
  // The parser has tried it already.
  if (!compiled.ok) return { test: () => false, price }
  return {
    test: (subject) =>
      read(subject).some((text) => text !== undefined && budget.isFound(compiled.pattern, text)),
    price,
  }
}

function lines(headers: HeaderPairs): string {
  return headers.map(([name, value]) => `${name}: ${value}`).join('\n')
}

function contentTypes(headers: HeaderPairs): string[] {
  return headerValues(headers, 'content-type')
}
