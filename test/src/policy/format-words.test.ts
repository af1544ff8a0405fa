import { expect, test } from 'vitest'

import { isWordOfFormat } from '../../../src/policy/format-words.ts'

test.each(['response', 'model-called', 'Messages', 'request-started', 'secretId'])(
  '%s is a word of the format',
  (word) => {
    expect(isWordOfFormat(word)).toBe(true)
  },
)

test.each(['hunter-two-hunter', 'response1', 'correct horse', 'sk-abcdefghijkl'])(
  '%s is none',
  (word) => {
    expect(isWordOfFormat(word)).toBe(false)
  },
)
