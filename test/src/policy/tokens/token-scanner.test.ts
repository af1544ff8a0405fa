import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { formatToken } from '../../../../src/policy/tokens/token-format.ts'
import { findTokens, TokenScanner } from '../../../../src/policy/tokens/token-scanner.ts'
import type { TokenPiece } from '../../../../src/policy/tokens/token-scanner.ts'

const tokens = [1, 2, 3].map((byte) => formatToken(new Uint8Array(32).fill(byte)))
const [token = '', other = ''] = tokens
const starpod = `starpod:v1:${Buffer.alloc(40, 9).toString('base64')}`
const unpadded = `starpod:v1:${Buffer.alloc(42, 8).toString('base64')}`

/** With each token as `<n>`, by its place in the list. */
function shown(pieces: readonly TokenPiece[]): string {
  const known = [...tokens, starpod, unpadded]
  return pieces
    .map((piece) => (typeof piece === 'string' ? piece : `<${known.indexOf(piece.text)}>`))
    .join('')
}

function scanned(text: string, cuts: readonly number[]): TokenPiece[] {
  const scanner = new TokenScanner()
  const ends = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted((a, b) => a - b)
  const pieces: TokenPiece[] = []
  let at = 0
  for (const end of [...ends, text.length]) {
    pieces.push(...scanner.push(text.slice(at, end)))
    at = end
  }
  return [...pieces, ...scanner.end()]
}

const fragment = fc.oneof(
  fc.constantFrom(...tokens, starpod, unpadded),
  fc.constantFrom('porthole:v1:', 'starpod:v1:', 'porthole', 'starpod', ':v1:', 'p', 's', 'A', '='),
  fc.constantFrom('\\', '\\\\', '\\u', '\\u0070', '%', '%7', '%70', '%3A', '"', '\n', ' '),
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) }),
)
const text = fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(2000), { maxLength: 20 })

describe('text', () => {
  property.prop([text, cuts], { numRuns: 1000 })(
    'in any pieces holds the same tokens, and is whole',
    (all, at) => {
      const pieces = scanned(all, at)
      const whole = pieces.map((piece) => (typeof piece === 'string' ? piece : piece.written))

      expect(whole.join('')).toBe(all)
      expect(shown(pieces)).toBe(shown(findTokens(all)))
    },
  )

  property.prop([fc.string({ unit: 'binary-ascii', maxLength: 3000 }), cuts])(
    'without tokens comes out as it went in',
    (all, at) => {
      expect(shown(scanned(all, at))).toBe(all)
    },
  )

  test('with nothing to wait for is given out itself', () => {
    const all = 'nothing to see here.'

    expect(new TokenScanner().push(all)).toEqual([all])
  })

  test('waits only as long as it could still become a token', () => {
    const scanner = new TokenScanner()
    const heldAfter = (more: string): number => {
      scanner.push(more)
      return scanner.heldLength
    }

    expect(heldAfter('hello p')).toBe(1)
    expect(heldAfter('a')).toBe(0)
    expect(heldAfter('x \\u00')).toBe(4)
    expect(heldAfter('8')).toBe(0)
    expect(heldAfter('%7')).toBe(2)
    expect(heldAfter('1')).toBe(0)
    expect(heldAfter('x'.repeat(1000))).toBe(0)
    expect(heldAfter('porthole:v1:')).toBe(12)
    expect(heldAfter('A'.repeat(47))).toBe(59)
    expect(heldAfter('.')).toBe(0)
    expect(heldAfter(`starpod:v1:${'A'.repeat(1000)}`)).toBe(1011)
    expect(heldAfter('A'.repeat(40_000))).toBe(0)
  })

  property.prop([fc.array(fragment, { minLength: 1, maxLength: 40 })])(
    'is held back within bounds, whatever comes',
    (parts) => {
      const scanner = new TokenScanner()
      for (const part of parts) {
        scanner.push(part)
        expect(scanner.heldLength).toBeLessThan(26_000)
      }
    },
  )
})

describe('S2 a token', () => {
  const forms = [token, encodeURIComponent(token), escaped(token), starpod, unpadded]
  test.each(forms)('S2 cut at any two places is found: %s', (form) => {
    const all = `before ${form}" after`
    const wanted = shown(findTokens(all))
    expect(wanted).toMatch(/^before <\d>" after$/u)

    for (let first = 0; first <= all.length; first += 1) {
      expect(shown(scanned(all, [first]))).toBe(wanted)
      expect(shown(scanned(all, [first, first + 7]))).toBe(wanted)
    }
    expect(
      shown(
        scanned(
          all,
          Array.from(all, (_, index) => index),
        ),
      ),
    ).toBe(wanted)
  })
})

/** Every character as JSON may have it. */
function escaped(plain: string): string {
  return Array.from(plain, (one) => `\\u00${one.charCodeAt(0).toString(16)}`).join('')
}

describe('S4 a token', () => {
  test('S4 is found next to others, within words, and as the prefix of something longer', () => {
    expect(shown(findTokens(`${token}${other}${token}`))).toBe('<0><1><0>')
    expect(shown(findTokens(`a${token}bcd`))).toBe('a<0>bcd')
    expect(shown(findTokens(`${token}porthole:v1:`))).toBe('<0>porthole:v1:')
    expect(shown(findTokens(`porthole:v1:${token}`))).toBe('porthole:v1:<0>')
    expect(shown(findTokens(`pppporthole:v1${token}`))).toBe('pppporthole:v1<0>')
    expect(shown(findTokens(`${starpod}${starpod}abc`))).toBe('<3><3>abc')
    expect(shown(findTokens(`${unpadded}${unpadded}.`))).toBe('<4><4>.')
    expect(shown(findTokens(`${unpadded}${token}.`))).toBe('<4><0>.')
  })

  test('S4 is found behind one that is broken and swallows the beginning of its prefix', () => {
    const broken = `porthole:v1:${'A'.repeat(40)}`

    expect(shown(findTokens(`${broken}${token}`))).toBe('<-1><0>')
    for (let cut = 0; cut < 110; cut += 1) {
      expect(shown(scanned(`${broken}${token}`, [cut]))).toBe('<-1><0>')
    }
  })

  test('S4 is none where a backslash before it is itself escaped', () => {
    const rest = token.slice(1)

    expect(shown(findTokens(`\\u0070${rest}`))).toBe('<0>')
    expect(shown(findTokens(`\\\\u0070${rest}`))).toBe(`\\\\u0070${rest}`)
    expect(shown(findTokens(`\\\\\\u0070${rest}`))).toBe('\\\\<0>')
    for (const cut of [1, 2, 3, 5]) {
      expect(shown(scanned(`\\\\u0070${rest}`, [cut]))).toBe(`\\\\u0070${rest}`)
      expect(shown(scanned(`\\\\\\u0070${rest}`, [cut]))).toBe('\\\\<0>')
    }
  })

  test('S4 that is broken is told as a whole', () => {
    const broken = `${token.slice(0, -1)}!`
    const changed = token.replace(/.$/u, (last) => (last === 'A' ? 'B' : 'A'))

    expect(findTokens(broken)).toEqual([broken])
    expect(findTokens(changed)).toEqual([{ kind: 'porthole', text: changed, written: changed }])
  })

  test('of a run without end costs no more than its bytes, however it is cut', () => {
    const scanner = new TokenScanner()
    const run = `starpod:v1:${'A'.repeat(60_000)}`
    let out = ''
    for (const one of run) {
      out += shown(scanner.push(one))
      expect(scanner.heldLength).toBeLessThan(25_000)
    }

    expect(out + shown(scanner.end())).toBe(run)
  })
})
