import { describe, expect, test } from 'vitest'

import { beginPaths, followPaths, parseJsonPath } from '../../../src/serve/json-path.ts'

/** Whether the path names the value that these keys lead to. */
function names(path: string, keys: ReadonlyArray<string | number>): boolean {
  let states = beginPaths([parseJsonPath(path)])
  let isEnd = false
  for (const key of keys) ({ states, isEnd } = followPaths(states, key))
  return isEnd
}

describe('a path', () => {
  test.each([
    ['$.metadata', ['metadata']],
    ['metadata', ['metadata']],
    ['$.a.b', ['a', 'b']],
    ['$.messages[1].content', ['messages', 1, 'content']],
    ['$.messages[*].content', ['messages', 7, 'content']],
    ['$.*.content', ['any', 'content']],
    ["$['x y'].z", ['x y', 'z']],
    ['$["x.y"]', ['x.y']],
    ['$..cache_control', ['cache_control']],
    ['$..cache_control', ['tools', 0, 'cache_control']],
    ['$.tools..id', ['tools', 3, 'function', 'id']],
  ])('%s names %j', (path, keys) => {
    expect(names(path, keys)).toBe(true)
  })

  test.each([
    ['$.metadata', ['other']],
    ['$.metadata', ['a', 'metadata']],
    ['$.messages[1]', ['messages', 2]],
    ['$.messages[1]', ['messages', '1']],
    ['$.tools..id', ['input', 'id']],
    ['$.a', ['a', 'b']],
  ])('%s does not name %j', (path, keys) => {
    expect(names(path, keys)).toBe(false)
  })

  test.each(['', '$', '$.', '$.a[', '$.a[?(@.b)]', '$.a[1:2]', '$.a b', "$['a"])(
    'written as %j is refused',
    (text) => {
      expect(() => parseJsonPath(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }))
    },
  )
})
