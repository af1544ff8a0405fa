/** What the viewer keeps of what it is told: rows, and of the newer ones their details. */

export interface ViewLimits {
  readonly maxRows: number
  /** Rows that keep their details; the oldest lose theirs first. */
  readonly maxDetails: number
  /** UTF-16 units kept in the details of all rows; the oldest lose theirs first. */
  readonly maxDetailBytes: number
  /** The same for one row. */
  readonly maxRowBytes: number
  /** UTF-16 units of prompts and answers in all rows; those of the oldest are cut short first. */
  readonly maxSummaryUnits: number
}

export const viewLimits: ViewLimits = {
  maxRows: 100_000,
  maxDetails: 20_000,
  maxDetailBytes: 48 * 1024 * 1024,
  maxRowBytes: 32 * 1024 * 1024,
  maxSummaryUnits: 32 * 1024 * 1024,
}

/** Of a capture: what is let go is read again when it is opened. */
export const captureViewLimits: ViewLimits = {
  ...viewLimits,
  maxDetails: 1000,
  maxDetailBytes: 12 * 1024 * 1024,
  maxSummaryUnits: 16 * 1024 * 1024,
}
