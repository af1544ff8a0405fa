import { expect, test } from 'vitest'

import { sentTokens } from '../../../src/messages/sent-tokens.ts'

test('what was sent is fresh input, cache reads and cache writes', () => {
  expect(sentTokens({ inputTokens: 1, cacheReadTokens: 20, cacheWriteTokens: 300 })).toBe(321)
})
