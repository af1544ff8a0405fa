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
