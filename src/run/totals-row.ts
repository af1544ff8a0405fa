/** Rows of totals by key, bounded: names come from the wire and could be endless. */

/** Rows kept apart; all further keys share one. */
const rowLimit = 1000

/** The row of a key, made on first use; past the limit, one common row for all new keys. */
export function totalsRow<T>(
  rows: Map<string, T>,
  parts: readonly string[],
  make: (isOverflow: boolean) => T,
): T {
  const wanted = JSON.stringify(parts)
  const isOverflow = rows.size >= rowLimit && !rows.has(wanted)
  const key = isOverflow ? '' : wanted
  const found = rows.get(key)
  if (found !== undefined) return found
  const made = make(isOverflow)
  rows.set(key, made)
  return made
}
