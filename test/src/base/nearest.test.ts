import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { nearestName } from '../../../src/base/nearest.ts'

const names = ['listen', 'allow', 'allowPreset', 'capture', 'viewer']

test.each([
  ['lisen', 'listen'],
  ['LISTEN', 'listen'],
  ['alow', 'allow'],
  ['allowpresets', 'allowPreset'],
  ['cpature', 'capture'],
  ['view', 'viewer'],
])('%s is probably %s', (typed, wanted) => {
  expect(nearestName(typed, names)).toBe(wanted)
})

test.each([['something'], [''], ['x'], ['allowallowallow']])('%j is near to nothing', (typed) => {
  expect(nearestName(typed, names)).toBeUndefined()
})

test('a single wrong letter is found even in a short name', () => {
  expect(nearestName('rum', ['run'])).toBe('run')
  expect(nearestName('a', [])).toBeUndefined()
})

property.prop([fc.constantFrom(...names), fc.nat(10), fc.stringMatching(/^[a-z]$/u)])(
  'a name with one letter more is always found',
  (name, position, letter) => {
    const typed = `${name.slice(0, position)}${letter}${name.slice(position)}`

    expect(nearestName(typed, names)).toBe(name)
  },
)

property.prop([fc.string(), fc.array(fc.string())])(
  'what is found is one of the candidates',
  (typed, candidates) => {
    const found = nearestName(typed, candidates)

    expect(found === undefined || candidates.includes(found)).toBe(true)
  },
)
