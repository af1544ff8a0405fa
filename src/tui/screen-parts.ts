/** How the rows of the terminal are shared out among the parts of each screen. */
import { summaryHeight } from './session-line.ts'

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

/** Heights of the screen's parts; together never more than the terminal has rows. */
export interface ScreenParts {
  readonly listHeight: number
  readonly detailHeight: number
  readonly helpHeight: number
  readonly sessionHeight: number
}

export function screenParts(size: ScreenSize): ScreenParts {
  // The list stands under the header and its column titles, the detail under header, summary and
  // tabs; below both is the status line.
  return {
    listHeight: Math.max(1, size.rows - 3),
    detailHeight: Math.max(1, size.rows - 4),
    helpHeight: Math.max(1, size.rows - 2),
    // Under the summary of the session.
    sessionHeight: Math.max(1, size.rows - 2 - summaryHeight),
  }
}
