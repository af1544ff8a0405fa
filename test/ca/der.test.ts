import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import {
  bitString,
  bmpString,
  booleanTrue,
  bytesOf,
  contextTagOf,
  decodeDer,
  encodeDer,
  integer,
  membersOf,
  objectId,
  objectIdOf,
  octetString,
  sequence,
  set,
  smallInteger,
  tagged,
  taggedBytes,
  time,
  utf8String,
} from '../../ca/der.ts'

const hex = (der: Parameters<typeof encodeDer>[0]): string => encodeDer(der).toString('hex')

describe('DER', () => {
  it('encodes each shape as X.690 says', () => {
    expect(hex(sequence(smallInteger(2), booleanTrue()))).toBe('30060201020101ff')
    expect(hex(set(objectId('2.5.4.3')))).toBe('31050603550403')
    expect(hex(octetString(Buffer.of(0, 255)))).toBe('040200ff')
    expect(hex(bitString(Buffer.of(0x06), 1))).toBe('03020106')
    expect(hex(integer(Buffer.of(0x7f, 0x00)))).toBe('02027f00')
    expect(hex(utf8String('é'))).toBe('0c02c3a9')
    expect(hex(bmpString('A'))).toBe('1e020041')
    expect(hex(taggedBytes(2, Buffer.from('x')))).toBe('820178')
    expect(hex(tagged(3, smallInteger(1)))).toBe('a303020101')
  })

  it('writes years from 2050 on as GeneralizedTime', () => {
    expect(encodeDer(time(new Date('2049-12-31T23:59:59Z'))).toString()).toContain('491231235959Z')
    expect(encodeDer(time(new Date('2050-01-01T00:00:00Z'))).toString()).toContain(
      '20500101000000Z',
    )
  })

  test.prop([fc.uint8Array({ maxLength: 300 })])('gives bit strings back as bytes', (bytes) => {
    const decoded = decodeDer(encodeDer(sequence(bitString(bytes), octetString(bytes))))

    expect(bytesOf(membersOf(decoded)[0])).toEqual(Buffer.concat([Buffer.of(0), bytes]))
    expect(bytesOf(membersOf(decoded)[1])).toEqual(Buffer.from(bytes))
  })

  test.prop([fc.uint8Array({ maxLength: 64 })])(
    'either refuses arbitrary bytes or reads all of them',
    (bytes) => {
      try {
        expect(encodeDer(decodeDer(bytes)).length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    },
  )

  it('refuses to read a value as what it is not', () => {
    expect(() => membersOf(smallInteger(1))).toThrow('sequence')
    expect(() => bytesOf(sequence())).toThrow('octets')
    expect(() => objectIdOf(smallInteger(1))).toThrow('OID')
    expect(() => decodeDer(Buffer.from('0201010000', 'hex'))).toThrow()
    expect(objectIdOf(objectId('2.5.29.30'))).toBe('2.5.29.30')
    expect(contextTagOf(tagged(7))).toBe(7)
    expect(contextTagOf(smallInteger(7))).toBeUndefined()
  })
})
