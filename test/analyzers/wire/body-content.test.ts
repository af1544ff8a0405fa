import { describe, expect, test } from 'vitest'

import { readBody, readBodySlices } from '../../../analyzers/wire/body-content.ts'
import type { ContentType } from '../../../analyzers/wire/headers.ts'

function readSlices(bytes: Buffer, type: ContentType, isWhole = true) {
  const slices = readBodySlices(bytes, type, isWhole)
  for (let steps = 0; ; steps += 1) {
    const next = slices.next()
    if (next.done === true) return { content: next.value, steps }
  }
}

const items = Array.from({ length: 400 }, (_, index) => ({ index, text: '“word” \\n'.repeat(100) }))
const json = JSON.stringify({ items })
const jsonType: ContentType = { mediaType: 'application/json' }

describe('a long body', () => {
  test('of JSON is read in steps', () => {
    const { content, steps } = readSlices(Buffer.from(json), jsonType)

    expect(content).toEqual({ json: { items } })
    expect(steps).toBeGreaterThan(5)
  })

  test.each<[string, Buffer, ContentType, boolean?]>([
    ['JSON', Buffer.from(json), jsonType],
    ['JSON with a byte-order mark', Buffer.from(`\ufeff${json}`), jsonType],
    ['JSON that is cut off', Buffer.from(json.slice(0, -9)), jsonType],
    [
      'JSON that is cut off within a character',
      Buffer.from(json).subarray(0, 300_004),
      jsonType,
      false,
    ],
    [
      'JSON that is nested too deeply',
      Buffer.from(`[${'['.repeat(300)}${']'.repeat(300)},${json}]`),
      jsonType,
    ],
    ['JSON with a number beyond all', Buffer.from(`[1e999,${json}]`), jsonType],
    ['JSON without a type', Buffer.from(` \n${json}`), {}],
    ['text without a type', Buffer.from(json.replaceAll('{', '(')), {}],
    ['what begins like JSON, without a type', Buffer.from(`${json},`), {}],
    ['a text', Buffer.from(json), { mediaType: 'text/plain' }],
    ['bytes', Buffer.from(json), { mediaType: 'image/png' }],
    ['JSON that is not UTF-8', Buffer.from(json, 'latin1'), jsonType],
    ['JSON in another charset', Buffer.from(json, 'utf16le'), { ...jsonType, charset: 'utf-16le' }],
    ['JSON in a charset that nobody knows', Buffer.from(json), { ...jsonType, charset: 'x' }],
  ])('that is %s is read as it is at once', (_name, bytes, type, isWhole = true) => {
    expect(bytes.length).toBeGreaterThan(256 * 1024)
    expect(readSlices(bytes, type, isWhole).content).toEqual(readBody(bytes, type, isWhole))
  })
})

test('a short body is read in one step', () => {
  expect(readSlices(Buffer.from('{"a":1}'), jsonType)).toEqual({
    content: { json: { a: 1 } },
    steps: 0,
  })
})
