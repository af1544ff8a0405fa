/** `kill -9` at any instant, three times here; `npm run soak -- --kills 50` does it more often. */
import { expect, test } from 'vitest'

import { runKills } from '../soak/kills.ts'

test('a proxy killed at any instant leaves a readable capture, the same CA and nothing in the way', async () => {
  const report = await runKills({ kills: 3, seed: 5 })

  expect(report.violations).toEqual([])
  expect(report.killedWhileStarting).toBe(2)
  expect(report.exchanges).toBeGreaterThan(0)
})
