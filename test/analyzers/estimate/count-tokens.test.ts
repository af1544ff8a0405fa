import * as fc from 'fast-check'
import { countTokens as countByPackage } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'

import { countTokens, longestText } from '../../../analyzers/estimate/count-tokens.ts'
import type { Vocabulary } from '../../../analyzers/estimate/vocabulary.ts'
import { loadVocabulary } from '../../../analyzers/estimate/vocabulary.ts'
import { bodyBytes, readRecorded } from '../../support/recorded-exchanges.ts'

function load(): Vocabulary {
  const loading = loadVocabulary()
  for (;;) {
    const step = loading.next()
    if (step.done === true && step.value !== undefined) return step.value
    if (step.done === true) throw new Error('not loaded')
  }
}

const vocabulary = load()
const asText = { disallowedSpecial: new Set<string>() }
const expected = (text: string): number => countByPackage(text, asText)
const counted = (text: string): number => countTokens(text, vocabulary)

describe('a count of tokens', () => {
  test.each([
    '',
    'Hello, world!',
    "I'll say it's THEIRS, she'd've said",
    'function f(a) {\n\treturn a ?? [1234567, "x"]\n}\r\n\r\n',
    '中国人民的生活。日本語のテキスト、한국어',
    'naïve façade — “quoted” … été Ωμέγα Привет',
    '👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \ud800 \udc00',
    'zqxjzqxjzqxjzqxj antidisestablishmentarianism',
    '   \n\n   indented   \n',
    '<|endoftext|><|im_start|>',
    'a'.repeat(longestText),
    '中'.repeat(longestText),
    '\u{1f600}'.repeat(longestText / 2),
  ])('is the one of gpt-tokenizer for %j', (text) => {
    expect(counted(text)).toBe(expected(text))
  })

  test('is the one of gpt-tokenizer for any text', () => {
    // But for a byte-order mark: that package takes it for nothing where it stands within a word.
    const text = fc
      .oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.lorem({ maxCount: 30 }))
      .map((any) => any.replaceAll('\ufeff', ''))
    fc.assert(
      fc.property(text, (any) => {
        expect(counted(any)).toBe(expected(any))
      }),
    )
  })

  test.each(['chat-tools-stream', 'messages-thinking-stream', 'responses-text-stream'])(
    'is the one of gpt-tokenizer for the bodies of %s',
    (name) => {
      const { request, response } = readRecorded(name)
      const text = bodyBytes(request.body).toString() + bodyBytes(response.body).toString()
      for (let at = 0; at < text.length; at += longestText) {
        const piece = text.slice(at, at + longestText)
        expect(counted(piece)).toBe(expected(piece))
      }
    },
  )
})
