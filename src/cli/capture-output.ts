/** What the commands that read a capture share: text at the reader's pace, and damaged lines told. */
import { once } from 'node:events'
import { basename } from 'node:path'

import { errorCodeOf } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import type { CaptureProblemLine } from '../capture/reader.ts'

/** A line of the named file goes by its number alone; one of an earlier file by its name too. */
export function describeLineProblem(line: CaptureProblemLine, path: string): string {
  const file = line.path === path ? '' : `${visibleLine(basename(line.path))} `
  const place = line.lineNumber > 0 ? `${file}line ${line.lineNumber}: ` : ''
  return `${place}${visibleLine(line.problem)}`
}

/** Writes text at the reader's pace; false once the reader has gone away. */
export function createTextOutput(
  stdout: NodeJS.WritableStream,
): (text: string) => Promise<boolean> {
  let isGone = false
  const gone = new AbortController()
  stdout.on('error', (error: unknown) => {
    isGone = true
    gone.abort(error)
  })
  return async (text) => {
    if (!isGone && !stdout.write(text)) {
      await once(stdout, 'drain', { signal: gone.signal }).catch(() => {
        // Gone while waiting; looked at below.
      })
    }
    if (gone.signal.aborted && errorCodeOf(gone.signal.reason) !== 'EPIPE') {
      throw gone.signal.reason
    }
    return !isGone
  }
}
