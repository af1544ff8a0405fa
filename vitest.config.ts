import { tmpdir } from 'node:os'

import { defineConfig } from 'vitest/config'

/**
 * How long a test may take, and how long it waits for what must come, in milliseconds. Both guess at
 * the slowest machine, nothing is measured by them: a test that is right never gets there.
 */
const patienceMs = { test: 300_000, poll: 60_000 }

/** Sockets stand in the temporary folders of tests, and a path to one is short (unix(7)). */
const longestFolder = 45
if (process.platform !== 'win32' && Buffer.byteLength(tmpdir()) > longestFolder) {
  process.env['TMPDIR'] = '/tmp'
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    globalSetup: ['./test/support/canary-run.ts'],
    setupFiles: ['./test/support/canary-watch.ts'],
    exclude: ['test/corpus/**', 'node_modules/**'],
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    testTimeout: patienceMs.test,
    hookTimeout: patienceMs.test,
    expect: { poll: { timeout: patienceMs.poll } },
    maxWorkers: 2,
  },
})
