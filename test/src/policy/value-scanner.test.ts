import { randomBytes } from 'node:crypto'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { formsAtRest } from '../../../src/policy/credential-value.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'

const value = 'sk-CANARY/7f3a"quoted"+Zx'

function scannerOf(...values: readonly string[]): ValueScanner {
  const scanner = new ValueScanner(randomBytes(seedBytes))
  for (const [index, text] of values.entries()) scanner.add(`s${index}`, text)
  return scanner
}

/** Few letters, so that values share beginnings and repeat themselves. */
const letters = fc.stringMatching(/^[a-c]{8,24}$/u)
const printable = fc.stringMatching(/^[!-~][ -~]{6,60}[!-~]$/u)

/** All places where one of the forms begins, by plain search; the longest first. */
function placesOf(text: string, forms: readonly string[]): Array<{ start: number; end: number }> {
  const places: Array<{ start: number; end: number }> = []
  for (let at = 0; at < text.length; at += 1) {
    const here = forms.filter((form) => text.startsWith(form, at))
    if (here.length === 0) continue
    const end = at + Math.max(...here.map(({ length }) => length))
    places.push({ start: at, end })
    at = end - 1
  }
  return places
}

describe('a value', () => {
  test.each([...formsAtRest(value)])('is found as %s, and named by its secret', (form) => {
    const found = scannerOf(value).find(`before ${form} after`)

    expect(found).toEqual([{ start: 7, end: 7 + form.length, secretId: 's0' }])
  })

  test('is found at the beginning, at the end, alone and in long text', () => {
    const scanner = scannerOf(value)
    const long = 'x'.repeat(200_000)

    expect(scanner.find(value)).toHaveLength(1)
    expect(scanner.find(`${value}${value}`)).toHaveLength(2)
    expect(scanner.find(`${long}${value}${long}${value}`).map(({ start }) => start)).toEqual([
      200_000,
      400_000 + value.length,
    ])
  })

  test('is none where a character only looks like it when cut to a byte', () => {
    const twin = value.replaceAll(/./gu, (it) => String.fromCharCode(it.charCodeAt(0) + 0x0100))
    const scanner = scannerOf(value)

    expect(scanner.find(twin)).toEqual([])
    expect(scanner.find(`${twin}${value}\u4e2d`)).toHaveLength(1)
  })

  test('is found in bytes', () => {
    const bytes = Buffer.concat([Buffer.from([0, 255, 254]), Buffer.from(value), Buffer.alloc(3)])

    expect(scannerOf(value).findIn(bytes.subarray(1))).toMatchObject([{ start: 2 }])
  })

  test('shorter than eight characters is not looked for, nor is a word of the format', () => {
    const scanner = scannerOf('short', 'messages', 'response', 'request-started')

    expect(scanner.isEmpty).toBe(true)
    expect(scanner.find('"kind":"request-started","messages":[] short')).toEqual([])
  })

  test('is forgotten when all are', () => {
    const scanner = scannerOf(value)
    scanner.clear()

    expect(scanner.isEmpty).toBe(true)
    expect(scanner.find(value)).toEqual([])
    expect(scanner.partialStart(value.slice(0, 9))).toBe(9)
    scanner.add('again', value)
    expect(scanner.find(value)).toMatchObject([{ secretId: 'again' }])
  })
})

describe('many values', () => {
  property.prop([
    fc.array(letters, { minLength: 1, maxLength: 12 }),
    fc.stringMatching(/^[a-d]*$/u),
  ])('are found where plain search finds them', (values, filler) => {
    const text = `${filler}${values.join(filler)}${filler}`
    const forms = values.flatMap((it) => [...formsAtRest(it)])

    const found = scannerOf(...values).find(text)

    expect(found.map(({ start, end }) => ({ start, end }))).toEqual(placesOf(text, forms))
  })

  property.prop([fc.array(printable, { minLength: 1, maxLength: 5 }), fc.string(), fc.nat(200)])(
    'are waited for wherever the end of a text cuts one',
    (values, before, cut) => {
      const scanner = scannerOf(...values)
      for (const form of values.flatMap((it) => [...formsAtRest(it)])) {
        const part = form.slice(0, 1 + (cut % Math.max(1, form.length - 1)))
        if (part.length === form.length || scanner.isEmpty) continue
        expect(scanner.partialStart(`${before}${part}`)).toBeLessThanOrEqual(before.length)
      }
    },
  )

  test('do not hold back a text that ends as none begins', () => {
    const scanner = scannerOf('sk-ant-api03-abcdefgh', 'ghp_0123456789')

    expect(scanner.partialStart('data: {"delta":"words"}\n\n')).toBe(25)
    expect(scanner.partialStart('the key is sk-ant')).toBe(11)
  })

  test('make a scanner full long before it is slow', () => {
    const scanner = new ValueScanner(randomBytes(seedBytes))
    for (let number = 0; !scanner.isFull; number += 1) scanner.add('s', `value-number-${number}!`)

    expect(scanner.find('nothing of that kind value-number-x')).toEqual([])
    expect(scanner.find('value-number-17!')).toHaveLength(1)
  })
})
