/** What a test opens is closed after it, whatever became of the test. */
import { afterEach } from 'vitest'

/** Returns what keeps an item to be closed after the test that opened it, the last one first. */
export function closesAfterEach(): <T extends { close(): Promise<void> }>(item: T) => T {
  const opened: Array<{ close(): Promise<void> }> = []
  afterEach(async () => {
    for (const item of opened.splice(0).toReversed()) await item.close()
  })
  return (item) => {
    opened.push(item)
    return item
  }
}
