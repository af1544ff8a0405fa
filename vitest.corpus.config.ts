import { defineConfig } from 'vitest/config'

/** The slow ring: every recorded exchange of a corpus that lies beside the checkout. */
export default defineConfig({
  test: {
    include: ['test/corpus/**/*.test.ts'],
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    testTimeout: 600_000,
    hookTimeout: 60_000,
    maxWorkers: 1,
  },
})
