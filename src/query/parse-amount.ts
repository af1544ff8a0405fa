/** The numbers of a filter, with their units. */
import { durationFactors, parseUnits } from '../base/units.ts'
import type { NumberAtom } from './filter-grammar.ts'

export type Amount =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly problem: string }

const counts: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1000],
  ['m', 1_000_000],
])

interface Form {
  readonly read: (text: string) => number | undefined
  readonly like: string
}

// A bare number could be seconds or milliseconds, and the wrong one would be believed.
const time: Form = {
  read: (text) => parseUnits(text, durationFactors),
  like: 'a time with its unit, such as 250ms, 3s or 1m',
}
const forms: Readonly<Record<NumberAtom, Form>> = {
  c: { read: (text) => readNumber(/^(\d{3})$/u, text), like: 'a status, such as 404' },
  cost: {
    read: (text) => readNumber(/^\$?(\d{0,15}\.?\d{1,15})$/u, text),
    like: 'dollars, such as 0.5',
  },
  tokens: {
    read: (text) => parseUnits(text, counts),
    like: 'a number, such as 500, 10k or 1.5M',
  },
  ttft: time,
  dur: time,
}

/** Times in milliseconds, money in dollars. */
export function parseAmount(name: NumberAtom, text: string): Amount {
  const { read, like } = forms[name]
  const value = read(text)
  return value === undefined
    ? { ok: false, problem: `~${name} wants ${like}` }
    : { ok: true, value }
}

function readNumber(form: RegExp, text: string): number | undefined {
  const digits = form.exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
