/**
 * Prints `N passed, N failed, N skipped` as the very last line of a run, so that a script can read
 * the result without knowing vitest. A module that cannot be loaded and an unhandled error each
 * count as one failure, as does whatever else makes the run fail, such as a secret that was found:
 * a run that tested nothing must not look green.
 */
import type { Reporter, TestModule } from 'vitest/node'

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const state = test.result().state
        if (state === 'passed' || state === 'failed' || state === 'skipped') counts[state] += 1
      }
    }
    process.once('exit', (code) => {
      if (code !== 0 && counts.failed === 0) counts.failed = 1
      const { passed, failed, skipped } = counts
      process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
    })
  }
}
