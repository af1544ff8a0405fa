import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { diffHunks, diffLines } from '../../../src/tui/line-diff.ts'

const texts = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 20 })

test.prop([texts, texts])('the difference leads from one text to the other', (before, after) => {
  const lines = diffLines(before, after)

  expect(lines.flatMap(({ kind, text }) => (kind === 'added' ? [] : [text]))).toEqual(before)
  expect(lines.flatMap(({ kind, text }) => (kind === 'removed' ? [] : [text]))).toEqual(after)
})

it('changes no more lines than it must', () => {
  const lines = diffLines(['a', 'b', 'c', 'd', 'e'], ['a', 'c', 'x', 'd', 'e'])

  expect(lines.filter(({ kind }) => kind !== 'same')).toEqual([
    { kind: 'removed', text: 'b' },
    { kind: 'added', text: 'x' },
  ])
})

it('is bounded: texts too long to compare are replaced as a whole', () => {
  const many = (word: string): string[] => Array.from({ length: 3000 }, (_, at) => `${word}${at}`)
  const lines = diffLines(['same', ...many('a')], ['same', ...many('b')])

  expect(lines).toHaveLength(6001)
  expect(lines[1]).toEqual({ kind: 'removed', text: 'a0' })
})

it('shows changes with what stands around them, and gaps between', () => {
  const before = Array.from({ length: 20 }, (_, at) => String(at))
  const hunks = diffHunks(before, before.with(2, 'x').with(15, 'y'), 1)

  expect(hunks.map((line) => line?.text)).toEqual([
    '1',
    '2',
    'x',
    '3',
    undefined,
    '14',
    '15',
    'y',
    '16',
  ])
})
