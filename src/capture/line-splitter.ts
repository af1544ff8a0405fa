/**
 * Cuts a byte stream into lines at `\n`, whatever the chunk boundaries are, within a bound: of a
 * longer line only its length is kept. Linear in the bytes, also when a line drips in.
 */

export type SplitLine =
  | { readonly ok: true; readonly bytes: Buffer }
  /** Longer than the bound; `length` counts its bytes without the newline. */
  | { readonly ok: false; readonly length: number }

export interface LineSplitter {
  /** The lines that end in this chunk, without their newlines. */
  push(chunk: Buffer): SplitLine[]
  /** The bytes after the last newline, if there are any. */
  end(): SplitLine | undefined
}

const newline = 0x0a

export interface SplitterOptions {
  /**
   * Chunks lie in one buffer that is filled anew: their lines are to be used before the next push,
   * and what has no end yet is copied.
   */
  readonly reusesChunks?: boolean | undefined
}

/** `maxLineBytes` bounds what is kept of a line, without its newline. */
export function createLineSplitter(
  maxLineBytes: number,
  { reusesChunks = false }: SplitterOptions = {},
): LineSplitter {
  let parts: Buffer[] = []
  let length = 0

  function add(part: Buffer): void {
    length += part.length
    if (length > maxLineBytes) parts = []
    else if (part.length > 0) parts.push(part)
  }

  function take(): SplitLine {
    const [first] = parts
    const line: SplitLine =
      length > maxLineBytes
        ? { ok: false, length }
        : { ok: true, bytes: parts.length === 1 && first ? first : Buffer.concat(parts, length) }
    parts = []
    length = 0
    return line
  }

  return {
    push(chunk) {
      const lines: SplitLine[] = []
      let from = 0
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
        add(chunk.subarray(from, at))
        lines.push(take())
        from = at + 1
      }
      if (from === chunk.length) return lines
      const rest = chunk.subarray(from)
      add(reusesChunks && length <= maxLineBytes ? Buffer.from(rest) : rest)
      return lines
    },
    end() {
      return length === 0 ? undefined : take()
    },
  }
}
