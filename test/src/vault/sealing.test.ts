/**
 * The cipher of the vault, by the published vectors for AES-256-GCM (D. McGrew and J. Viega, "The
 * Galois/Counter Mode of Operation", appendix B, cases 13 to 16), by what must not open, and by
 * nonces that never repeat.
 */
import { createCipheriv } from 'node:crypto'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import {
  decrypt,
  encodeBinding,
  encrypt,
  mintKey,
  seal,
  unseal,
} from '../../../src/vault/sealing.ts'

const longKey = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'
const longPlain =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'
const longCipher =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
  '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662'

const vectors = [
  {
    name: 'case 13',
    key: '0'.repeat(64),
    nonce: '0'.repeat(24),
    aad: '',
    plain: '',
    cipher: '',
    tag: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    name: 'case 14',
    key: '0'.repeat(64),
    nonce: '0'.repeat(24),
    aad: '',
    plain: '0'.repeat(32),
    cipher: 'cea7403d4d606b6e074ec5d3baf39d18',
    tag: 'd0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    name: 'case 15',
    key: longKey,
    nonce: 'cafebabefacedbaddecaf888',
    aad: '',
    plain: `${longPlain}1aafd255`,
    cipher: `${longCipher}898015ad`,
    tag: 'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    name: 'case 16',
    key: longKey,
    nonce: 'cafebabefacedbaddecaf888',
    aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plain: longPlain,
    cipher: longCipher,
    tag: '76fc6ece0f4e1768cddf8853bb2d551b',
  },
].map(({ name, key, nonce, aad, plain, cipher, tag }) => {
  return {
    name,
    key: Buffer.from(key, 'hex'),
    nonce: Buffer.from(nonce, 'hex'),
    aad: Buffer.from(aad, 'hex'),
    plain: Buffer.from(plain, 'hex'),
    cipher: Buffer.from(cipher, 'hex'),
    tag: Buffer.from(tag, 'hex'),
  }
})

describe('S14 the published vector', () => {
  test.each(vectors)('$name is met both ways', ({ key, nonce, aad, plain, cipher, tag }) => {
    expect(encrypt(key, nonce, plain, aad)).toEqual(Buffer.concat([cipher, tag]))
    expect(decrypt(key, nonce, Buffer.concat([cipher, tag]), aad)).toEqual(plain)
  })

  test.each(vectors)('$name does not open with anything changed', (vector) => {
    const { key, nonce, aad, cipher, tag } = vector
    const sealed = Buffer.concat([cipher, tag])
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 1) {
      expect(decrypt(key, nonce, flipped(sealed, bit), aad)).toBeUndefined()
    }
    for (let bit = 0; bit < 96; bit += 1) {
      expect(decrypt(key, flipped(nonce, bit), sealed, aad)).toBeUndefined()
    }
    expect(decrypt(flipped(key, 0), nonce, sealed, aad)).toBeUndefined()
    expect(decrypt(key, nonce, sealed, Buffer.concat([aad, Buffer.alloc(1)]))).toBeUndefined()
  })

  test.each([0, 4, 8, 12, 13, 14, 15])('with a tag of %i bytes does not open', (length) => {
    for (const { key, nonce, aad, cipher, tag } of vectors) {
      const short = Buffer.concat([cipher, tag.subarray(0, length)])
      expect(decrypt(key, nonce, short, aad)).toBeUndefined()
    }
  })

  test.each([0, 1, 8, 11, 13, 16, 64])('with a nonce of %i bytes is refused', (length) => {
    for (const { key, aad, cipher, tag, plain } of vectors) {
      const nonce = Buffer.alloc(length, 7)
      expect(decrypt(key, nonce, Buffer.concat([cipher, tag]), aad)).toBeUndefined()
      expect(() => encrypt(key, nonce, plain, aad)).toThrow(RangeError)
    }
  })

  test('a tag of four bytes that is right as far as it goes does not open', () => {
    const key = mintKey()
    const nonce = Buffer.alloc(12, 1)
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 4 })
    const body = Buffer.concat([cipher.update('a whole secret value'), cipher.final()])
    const short = Buffer.concat([body, cipher.getAuthTag()])

    expect(decrypt(key, nonce, short, Buffer.alloc(0))).toBeUndefined()
  })
})

describe('what was sealed', () => {
  const fields = fc.array(fc.oneof(fc.string(), fc.nat()), { maxLength: 5 })

  property.prop([fc.uint8Array({ maxLength: 200 }), fields])(
    'opens with its binding',
    (plain, binding) => {
      const key = mintKey()

      expect(unseal(key, seal(key, Buffer.from(plain), binding), binding)).toEqual(
        Buffer.from(plain),
      )
    },
  )

  property.prop([fields, fields])('opens with no other binding', (one, other) => {
    fc.pre(JSON.stringify(one) !== JSON.stringify(other))
    const key = mintKey()

    expect(unseal(key, seal(key, Buffer.from('x'), one), other)).toBeUndefined()
    expect(encodeBinding(one)).not.toEqual(encodeBinding(other))
  })

  property.prop([fc.uint8Array({ maxLength: 100 })])('is not what any bytes are', (bytes) => {
    expect(unseal(mintKey(), Buffer.from(bytes), ['x'])).toBeUndefined()
  })

  test('S15 never has the nonce of another', () => {
    const key = mintKey()
    const nonces = new Set<string>()
    const count = 100_000
    for (let index = 0; index < count; index += 1) {
      nonces.add(seal(key, Buffer.alloc(0), []).subarray(0, 12).toString('latin1'))
    }

    expect(nonces.size).toBe(count)
  })
})

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  const at = bit >> 3
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7))
  return copy
}
