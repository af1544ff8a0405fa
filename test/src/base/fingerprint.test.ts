import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { describeValue, fingerprintOf } from '../../../src/base/fingerprint.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 8 })
const anyJson = fc.jsonValue({ depthSize: 'small', stringUnit: 'binary' })

function nameOf(values: readonly unknown[]): string {
  return fingerprintOf(values.map(describeValue))
}

property.prop([fc.array(anyJson, { maxLength: 4 }), fc.array(anyJson, { maxLength: 4 })])(
  'values have one name exactly if they are one JSON text',
  (one, other) => {
    expect(nameOf(one) === nameOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
    expect(nameOf(structuredClone(one))).toBe(nameOf(one))
  },
)

property.prop([fc.array(anyText), fc.array(anyText)])(
  'strings cannot pose as more or fewer of them',
  (one, other) => {
    fc.pre(JSON.stringify(one) !== JSON.stringify(other))

    expect(nameOf(one)).not.toBe(nameOf(other))
  },
)

test.each([
  [['\ud800'], ['\ufffd']],
  [['1'], [1]],
  [[null], ['null']],
  [[[]], [{}]],
  [[new Date(0)], [new Date(1)]],
  [[{ a: 1, b: 2 }], [{ a: 1 }, { b: 2 }]],
])('%j is not named as %j is', (one, other) => {
  expect(nameOf(one)).not.toBe(nameOf(other))
})
