import { constantFrom, array, assert, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { findKeys } from '../../../src/policy/key-shapes.ts'
import type { SecretRange } from '../../../src/policy/secret-range.ts'

const body = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'
const kind = 'PRIVATE KEY'
const keys = [
  `sk-${body}`,
  `sk-proj-${body}`,
  `AIza${body}`,
  ...['p', 'o', 'u', 's', 'r'].map((letter) => `gh${letter}_${body}`),
  `github_pat_${body}`,
  `glpat-${body}`,
  ...['b', 'a', 'p', 'r', 's'].map((letter) => `xox${letter}-${body}`),
  `xai-${body}`,
  `gsk_${body}`,
  `hf_${body}`,
  `npm_${body}`,
  `aoc_${body}`,
  `starpod:v1:${body}`,
  `porthole:v1:${body}`,
  ...['%3A', '%3a'].flatMap((colon) => [
    `starpod${colon}v1${colon}${body}`,
    `porthole${colon}v1${colon}${body}`,
  ]),
  `eyJ${body}.eyJ${body}.${body}`,
  `-----BEGIN RSA ${kind}-----\n${body}\n-----END`,
]

function rangesIn(text: string): SecretRange[] {
  const ranges: SecretRange[] = []
  findKeys(text, ranges)
  return ranges
}

/** The text without what is found in it. */
function rest(text: string): string {
  const characters = text.split('')
  for (const { start, end } of rangesIn(text)) characters.fill('', start, end)
  return characters.join('')
}

describe('keys', () => {
  test.each(keys)('are found where they stand: %s', (key) => {
    expect(rest(`before ${key} after`)).toBe('before  after')
    expect(rest(key)).toBe('')
    expect(rest(`-${key}`)).toMatch(/^-?$/u)
    expect(rangesIn(key)[0]).toMatchObject({ from: 0, start: 0, open: { kind: 'token' } })
  })

  test('are found behind what only begins as they do', () => {
    const beginnings = ['sk-', 'xoxz-', 'xoxb-', 'gh', '_pat_', ':v1:', 'eyJ', 'AIz', '-----BEGIN ']
    assert(
      property(array(constantFrom(...beginnings)), constantFrom(...keys), (before, key) => {
        expect(rest(`${before.join(' ')} ${key} `)).not.toContain(body)
      }),
    )
  })

  test('are whole where one begins within another', () => {
    expect(rest(`sk-${body}-sk-${body} x`)).toBe(' x')
    expect(rest(`xoxz-xoxb-${body} x`)).toBe('xoxz- x')
    expect(rest(`a_pat_github_pat_${body} x`)).toBe('a_pat_ x')
    expect(rest(`xoxb-${body}_xoxb-${body} x`)).toBe('_ x')
    expect(rest(`eyJ${body}.eyJ${body}.eyJ${body}.${body} x`)).toBe(' x')
  })

  test('are none within a word, or where too little follows', () => {
    for (const text of [
      `task-${body}`,
      'sk-short1',
      `sk-${'word-'.repeat(9)}`,
      'hf_abc',
      'eyJ.eyJ.a',
    ])
      expect(rangesIn(text)).toEqual([])
  })

  // A megabyte; were each beginning followed to the end, this would take minutes.
  test.each(['sk-', 'glpat-', 'eyJ-', 'aoc_', 'xoxb-', 'AIza-', '-----BEGIN ', '_', '-'])(
    'are looked for in one go where a text has nothing but %j',
    (beginning) => {
      const text = beginning.repeat(1_000_000 / beginning.length)

      expect(rangesIn(text).length).toBeLessThan(text.length)
    },
  )
})
