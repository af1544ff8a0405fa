/**
 * Indexes the capture of a proxy that has ended, for a moment: what is not done by then is done by
 * the next command that needs the index. Nothing depends on it.
 */
import { dirname, resolve } from 'node:path'

import { describeError, errorCodeOf } from '../base/errors.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import type { Session } from './session.ts'

/** A child's exit code waits for this, in milliseconds. */
const budgetMs = 250
/** For another process that is writing to the index. */
const busyMs = 50

/** Never throws; tells why the index cannot be used, once. */
export async function indexCapture(
  home: string,
  session: Pick<Session, 'capturePath' | 'tell'>,
): Promise<void> {
  const { capturePath } = session
  const onNotice = (text: string): void => session.tell(text)
  const folder = capturesFolder(home)
  if (capturePath === undefined || dirname(resolve(capturePath)) !== folder) return
  const signal = AbortSignal.timeout(budgetMs)
  try {
    // Loaded here: no proxy carries the database along while traffic flows.
    const { indexOne } = await import('../capture/index/capture-index.ts')
    await indexOne(folder, capturePath, { signal, busyMs, onNotice })
  } catch (error) {
    const isBusy = errorCodeOf(error instanceof Error ? error.cause : error) === 'SQLITE_BUSY'
    if (!isBusy) onNotice(`the capture is not indexed: ${describeError(error)}`)
  }
}
