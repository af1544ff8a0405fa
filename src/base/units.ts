/** Durations and sizes as users write and read them: in the largest unit that leaves a whole number. */

const durationUnits = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

const sizeUnits = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const

/** What is written behind a number, in small letters; a size without a unit is in bytes. */
export const sizeFactors: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1000],
  ['mb', 1000 ** 2],
  ['gb', 1000 ** 3],
  ['kib', 1024],
  ['mib', 1024 ** 2],
  ['gib', 1024 ** 3],
])

/** In milliseconds; a duration without a unit could be anything. */
export const durationFactors: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** A number with one of `factors` behind it, such as `30d` or `1.5 GiB`; undefined for anything else. */
export function parseUnits(text: string, factors: ReadonlyMap<string, number>): number | undefined {
  const { amount = '', unit = '' } =
    /^(?<amount>\d{1,15}(?:\.\d{1,3})?) ?(?<unit>[a-z]*)$/u.exec(text.trim().toLowerCase())
      ?.groups ?? {}
  const factor = factors.get(unit)
  return amount === '' || factor === undefined ? undefined : Number(amount) * factor
}

/** Milliseconds as `10s` or `2h`. */
export function formatDuration(ms: number): string {
  return inLargest(ms, durationUnits, 'ms')
}

/** Bytes as `64KiB` or `1GiB`. */
export function formatSize(bytes: number): string {
  return inLargest(bytes, sizeUnits, 'B')
}

function inLargest(
  value: number,
  units: ReadonlyArray<readonly [string, number]>,
  smallest: string,
): string {
  const found = units.find(([, size]) => value % size === 0)
  return found === undefined ? `${value}${smallest}` : `${value / found[1]}${found[0]}`
}
