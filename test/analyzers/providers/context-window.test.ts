import { expect, it } from 'vitest'

import { contextWindowOf } from '../../../analyzers/providers/context-window.ts'

it('tells what the tables say, and nothing else', () => {
  expect(contextWindowOf('anthropic', 'claude-sonnet-4-5-20250929')).toBeGreaterThan(100_000)
  expect(contextWindowOf('openai', 'no-such-model-at-all')).toBeUndefined()
  expect(contextWindowOf('nobody', 'gpt-4o')).toBeUndefined()
  expect(contextWindowOf('api.anthropic.com', 'claude-sonnet-4-5')).toBeGreaterThan(100_000)
  expect(contextWindowOf(undefined, undefined)).toBeUndefined()
})
