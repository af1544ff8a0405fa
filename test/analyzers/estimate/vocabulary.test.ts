import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { describe, expect, test } from 'vitest'

import { loadVocabulary, noRank, Vocabulary } from '../../../analyzers/estimate/vocabulary.ts'

function load(): { readonly vocabulary: Vocabulary; readonly steps: number } {
  const loading = loadVocabulary()
  for (let steps = 1; ; steps += 1) {
    const step = loading.next()
    if (step.done === true && step.value !== undefined) return { vocabulary: step.value, steps }
    if (step.done === true) throw new Error('not loaded')
  }
}

const { vocabulary, steps } = load()
const path = createRequire(import.meta.url).resolve('gpt-tokenizer/data/o200k_base.tiktoken')

describe('the vocabulary', () => {
  test('has the rank of every token in the file, and of nothing else', () => {
    const lines = readFileSync(path, 'latin1').trimEnd().split('\n')
    const wrong = lines.filter((line) => {
      const [token = '', rank] = line.split(' ')
      const bytes = Buffer.from(token, 'base64')
      return vocabulary.rankOf(bytes, 0, bytes.length) !== Number(rank)
    })

    expect(wrong).toEqual([])
    expect(vocabulary.size).toBe(lines.length)
    for (const text of ['', 'no such token as this', ' zqxj']) {
      expect(vocabulary.rankOf(Buffer.from(text), 0, text.length)).toBe(noRank)
    }
  })

  test('is asked for a part of some bytes', () => {
    const bytes = Buffer.from('xx the xx')

    expect(vocabulary.rankOf(bytes, 2, 6)).toBe(vocabulary.rankOf(Buffer.from(' the'), 0, 4))
  })

  test('is loaded in steps, and once for all', () => {
    const again = load()

    expect(steps).toBeGreaterThan(100)
    expect(again.vocabulary).toBe(vocabulary)
    expect(again.steps).toBe(1)
  })

  test('takes no more tokens than it has room for', () => {
    const small = new Vocabulary()
    const token = new Uint8Array(512 * 1024)

    small.add(token, 0, token.length)
    small.add(token.fill(1), 0, token.length)
    small.add(token.fill(2), 0, token.length)

    expect(() => small.add(token.fill(3), 0, token.length)).toThrow(RangeError)
    expect(small.rankOf(token.fill(2), 0, token.length)).toBe(2)
    expect(small.rankOf(token.fill(3), 0, token.length)).toBe(noRank)
  })
})
