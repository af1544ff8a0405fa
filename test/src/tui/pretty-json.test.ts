import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { prettyJson } from '../../../src/tui/pretty-json.ts'

test.prop([fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()))])(
  'indents as JSON.stringify does, whatever space there was',
  (value) => {
    const expected = JSON.stringify(value, undefined, 2)

    expect(prettyJson(JSON.stringify(value))).toBe(expected)
    expect(prettyJson(JSON.stringify(value, undefined, 7))).toBe(expected)
  },
)

it('leaves what is no JSON, or no object, as it stands', () => {
  for (const text of ['[INFO] started', '{"cut": ', '"text"', '12', '']) {
    expect(prettyJson(text)).toBe(text)
  }
})
