/** The index at work for a command: brought up to date first, with what that takes told on stderr. */
import { describeError } from '../base/errors.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import { withIndex } from '../capture/index/capture-index.ts'
import type { IndexDatabase } from '../capture/index/database.ts'
import { catchUp } from '../capture/index/indexer.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'

/** Less is not worth a line, in milliseconds. */
const quietMs = 1000
const progressEveryMs = 200

/** Runs `work` on an index that holds all that the captures of `home` do. */
export async function withCurrentIndex<T>(
  context: CliContext,
  home: string,
  work: (db: IndexDatabase) => Promise<T>,
): Promise<T> {
  const folder = capturesFolder(home)
  const tell = createTeller(context)
  return await withIndex(folder, { onNotice: tell }, async (db) => {
    const progress = createProgress(context)
    const { problems } = await catchUp(db, folder, {
      onProgress: (done, all) => progress.show(done, all),
    })
    progress.end()
    for (const { name, error } of problems) tell(`${name}: ${describeError(error)}`)
    return await work(db)
  })
}

/** On a terminal, one line that changes, once it takes long. */
function createProgress({ stderr }: CliContext): {
  show(done: number, all: number): void
  end(): void
} {
  const startedAt = performance.now()
  let shownAt = startedAt + quietMs - progressEveryMs
  let isShown = false
  return {
    show(done, all) {
      const now = performance.now()
      if (!stderr.isTTY || all === 0 || now - shownAt < progressEveryMs) return
      shownAt = now
      isShown = true
      stderr.write(`\rporthole: indexing the captures, ${Math.floor((100 * done) / all)} %`)
    },
    end() {
      if (isShown) stderr.write('\r\u001B[K')
    },
  }
}
