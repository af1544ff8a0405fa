import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { decodeBytes, decodeLine, encodeBytes, encodeLine } from '../../../src/messages/codec.ts'
import type { AnalysisMsg, CaptureOpened } from '../../../src/messages/schema.ts'
import { samples } from './samples.ts'

const header: CaptureOpened = { kind: 'capture-opened', v: 1, porthole: '0.1.0', startedAt: 5 }

describe('a line', () => {
  test.each(samples.map((msg) => [msg.kind, msg] as const))(
    'of kind %s comes back as it went',
    (_kind, msg) => {
      const line = encodeLine(msg)

      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(decodeLine(line.slice(0, -1))).toEqual({ ok: true, type: 'message', msg })
    },
  )

  test('that opens a capture comes back as a header', () => {
    expect(decodeLine(encodeLine(header).trimEnd())).toEqual({ ok: true, type: 'header', header })
  })

  property.prop([fc.string({ unit: 'binary' })])('stays one line with any text in it', (text) => {
    const msg: AnalysisMsg = {
      v: 1,
      seq: 0,
      at: 0,
      kind: 'analyzer-failed',
      analyzer: 'a',
      error: text,
    }

    const line = encodeLine(msg)

    // Every character that some reader takes for a line end.
    expect(line.slice(0, -1)).not.toMatch(/[\n\r\u2028\u2029]/u)
    expect(decodeLine(line.slice(0, -1))).toMatchObject({ msg: { error: text } })
  })

  test('of an unknown kind is kept with all its fields', () => {
    const value = { v: 1, seq: 3, at: 4, kind: 'from-the-future', nested: { a: [1, 2] } }

    expect(decodeLine(JSON.stringify(value))).toEqual({ ok: true, type: 'unknown', value })
  })

  test('of an unknown kind in another format version is a problem', () => {
    const line = JSON.stringify({ v: 2, seq: 3, at: 4, kind: 'from-the-future' })

    expect(decodeLine(line)).toEqual({ ok: false, problem: 'format version 2 is not known' })
  })

  test('keeps optional fields that a later version added', () => {
    const [known] = samples
    const later = { ...known, addedLater: { deep: true } }

    const decoded = decodeLine(JSON.stringify(later))

    expect(decoded).toEqual({ ok: true, type: 'message', msg: later })
  })

  test.each([
    ['', 'not JSON'],
    ['{"kind":', 'not JSON'],
    ['null', 'not a message: no "kind"'],
    ['[]', 'not a message: no "kind"'],
    ['"kind"', 'not a message: no "kind"'],
    ['7', 'not a message: no "kind"'],
    ['{}', 'not a message: no "kind"'],
  ])('%j is told as: %s', (line, problem) => {
    expect(decodeLine(line)).toEqual({ ok: false, problem })
  })

  test.each([
    ['{"kind":"capture-opened","v":1}', 'porthole'],
    ['{"kind":"request-body","v":1,"seq":0,"at":0}', 'offset'],
    ['{"kind":"request-body","v":1,"seq":0,"at":0,"offset":-1}', 'offset'],
  ])('%j is told with the field at fault', (line, field) => {
    const decoded = decodeLine(line)

    expect(decoded.ok).toBe(false)
    expect(decoded).toHaveProperty('problem', expect.stringContaining(field))
  })

  property.prop([fc.oneof(fc.string({ unit: 'binary' }), fc.json())])(
    'of garbage never throws',
    (line) => {
      expect(typeof decodeLine(line).ok).toBe('boolean')
    },
  )

  property.prop([fc.constantFrom(...samples), fc.nat(20), fc.jsonValue()])(
    'with one field replaced by anything never throws',
    (msg, position, value) => {
      const names = Object.keys(msg)
      const name = names[position % names.length] ?? 'kind'

      const decoded = decodeLine(JSON.stringify({ ...msg, [name]: value }))

      expect(typeof decoded.ok).toBe('boolean')
      if (decoded.ok && decoded.type === 'message') expect(decoded.msg).toHaveProperty('kind')
    },
  )

  test('whose kind is a name of Object.prototype is not taken for a known one', () => {
    expect(decodeLine('{"kind":"constructor","v":1}')).toMatchObject({ type: 'unknown' })
    expect(decodeLine('{"kind":7}')).toMatchObject({ ok: false })
  })
})

describe('bytes', () => {
  property.prop([fc.uint8Array({ maxLength: 300 })])('come back as they went', (bytes) => {
    expect([...decodeBytes(encodeBytes(bytes))]).toEqual([...bytes])
  })

  property.prop([fc.string({ unit: 'binary' })])('that are text stay text', (text) => {
    const bytes = Buffer.from(text, 'utf8')

    expect(encodeBytes(bytes)).toEqual({ text: bytes.toString('utf8') })
  })

  test.each([
    [[0xff], { base64: '/w==' }],
    [[0xc3], { base64: 'ww==' }],
    [[0xed, 0xa0, 0x80], { base64: '7aCA' }],
    [[], { text: '' }],
    [[0xef, 0xbb, 0xbf, 0x61], { text: '\ufeffa' }],
  ])('%j become %j', (bytes, wanted) => {
    expect(encodeBytes(Uint8Array.from(bytes))).toEqual(wanted)
  })

  test('of a view are those of the view alone', () => {
    const whole = Buffer.from('abcdef')

    expect(encodeBytes(new Uint8Array(whole.buffer, whole.byteOffset + 2, 2))).toEqual({
      text: 'cd',
    })
  })

  test('of neither field are none', () => {
    expect(decodeBytes({})).toHaveLength(0)
  })
})
