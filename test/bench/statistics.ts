/** Order statistics of small samples. Pure. */

export interface Spread {
  readonly median: number
  readonly lower: number
  readonly upper: number
  readonly count: number
}

/** Median and quartiles; undefined for no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  return {
    median: quantileOfSorted(sorted, 0.5),
    lower: quantileOfSorted(sorted, 0.25),
    upper: quantileOfSorted(sorted, 0.75),
    count: sorted.length,
  }
}

/** The value below which the fraction `q` lies, between neighbours in proportion. */
export function quantile(values: ArrayLike<number>, q: number): number {
  return quantileOfSorted(Float64Array.from(values).sort(), q)
}

function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return Number.NaN
  const at = q * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? 0
  const above = sorted[Math.ceil(at)] ?? 0
  return below + (above - below) * (at - Math.floor(at))
}
