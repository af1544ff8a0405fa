/**
 * What changed between two texts, line by line: the longest common subsequence, by dynamic
 * programming over what lies between their common start and end. Bounded: of texts that differ in
 * too much, all that differs is removed and added in one piece.
 */

export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added'
  readonly text: string
}

/** Cells of the table: 2 MiB of memory, and some milliseconds. */
const maxCells = 1_048_576

export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const start = commonStart(before, after)
  const end = commonEnd(before, after, start)
  const old = before.slice(start, before.length - end)
  const fresh = after.slice(start, after.length - end)
  const same = (text: string): DiffLine => ({ kind: 'same', text })
  return [
    ...before.slice(0, start).map(same),
    ...diffMiddle(old, fresh),
    ...before.slice(before.length - end).map(same),
  ]
}

/** Only what changed, each with up to `context` lines around it; a gap between is `undefined`. */
export function diffHunks(
  before: readonly string[],
  after: readonly string[],
  context: number,
): Array<DiffLine | undefined> {
  const lines = diffLines(before, after)
  const isShown = new Uint8Array(lines.length)
  for (const [at, { kind }] of lines.entries()) {
    if (kind !== 'same') isShown.fill(1, Math.max(0, at - context), at + context + 1)
  }
  const hunks: Array<DiffLine | undefined> = []
  let last = -1
  for (const [at, line] of lines.entries()) {
    if (isShown[at] === 0) continue
    if (last !== -1 && at > last + 1) hunks.push(undefined)
    hunks.push(line)
    last = at
  }
  return hunks
}

function commonStart(a: readonly string[], b: readonly string[]): number {
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1
  return at
}

function commonEnd(a: readonly string[], b: readonly string[], start: number): number {
  const most = Math.min(a.length, b.length) - start
  let at = 0
  while (at < most && a[a.length - 1 - at] === b[b.length - 1 - at]) at += 1
  return at
}

function diffMiddle(old: readonly string[], fresh: readonly string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: 'removed', text })
  const added = (text: string): DiffLine => ({ kind: 'added', text })
  const width = fresh.length + 1
  if ((old.length + 1) * width > maxCells) return [...old.map(removed), ...fresh.map(added)]
  const lengths = commonLengths(old, fresh)
  const lines: DiffLine[] = []
  let a = 0
  let b = 0
  while (a < old.length && b < fresh.length) {
    const text = old[a] ?? ''
    if (text === fresh[b]) {
      lines.push({ kind: 'same', text })
      a += 1
      b += 1
    } else if ((lengths[(a + 1) * width + b] ?? 0) >= (lengths[a * width + b + 1] ?? 0)) {
      lines.push(removed(text))
      a += 1
    } else {
      lines.push(added(fresh[b] ?? ''))
      b += 1
    }
  }
  return [...lines, ...old.slice(a).map(removed), ...fresh.slice(b).map(added)]
}

/** At `a * width + b`: how many lines `old` from `a` on and `fresh` from `b` on share. */
function commonLengths(old: readonly string[], fresh: readonly string[]): Uint16Array {
  const width = fresh.length + 1
  // A common subsequence is no longer than the shorter side, which the bound keeps below 2^16.
  const lengths = new Uint16Array((old.length + 1) * width)
  for (let a = old.length - 1; a >= 0; a -= 1) {
    for (let b = fresh.length - 1; b >= 0; b -= 1) {
      const at = a * width + b
      lengths[at] =
        old[a] === fresh[b]
          ? (lengths[at + width + 1] ?? 0) + 1
          : Math.max(lengths[at + width] ?? 0, lengths[at + 1] ?? 0)
    }
  }
  return lengths
}
