/** The numbers of a filter, with their units. */
import type { NumberAtom } from './filter-grammar.ts'

export type Amount =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly problem: string }

const factors = { '': 1, k: 1000, M: 1_000_000 } as const
const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

const forms = {
  c: { of: /^(?<digits>[0-9]{3})$/u, units: { '': 1 }, like: 'a status, such as 404' },
  cost: {
    of: /^\$?(?<digits>[0-9]*\.?[0-9]+)$/u,
    units: { '': 1 },
    like: 'dollars, such as 0.5',
  },
  tokens: {
    of: /^(?<digits>[0-9]*\.?[0-9]+)(?<unit>[kM]?)$/u,
    units: factors,
    like: 'a number, such as 500, 10k or 1.5M',
  },
  // A bare number could be either, and the wrong one would be believed.
  ttft: {
    of: /^(?<digits>[0-9]*\.?[0-9]+)(?<unit>ms|s|m|h)$/u,
    units: milliseconds,
    like: 'a time with its unit, such as 250ms, 3s or 1m',
  },
  dur: {
    of: /^(?<digits>[0-9]*\.?[0-9]+)(?<unit>ms|s|m|h)$/u,
    units: milliseconds,
    like: 'a time with its unit, such as 250ms, 3s or 1m',
  },
} as const satisfies Record<
  NumberAtom,
  { readonly of: RegExp; readonly units: Readonly<Record<string, number>>; readonly like: string }
>

/** Times in milliseconds, money in dollars. */
export function parseAmount(name: NumberAtom, text: string): Amount {
  const form = forms[name]
  const groups = form.of.exec(text)?.groups
  const units: Readonly<Record<string, number>> = form.units
  const factor = units[groups?.['unit'] ?? '']
  if (groups === undefined || factor === undefined) {
    return { ok: false, problem: `~${name} wants ${form.like}` }
  }
  return { ok: true, value: Number(groups['digits']) * factor }
}
