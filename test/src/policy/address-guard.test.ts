/** Which addresses may be dialled, literal by literal. */
import { test } from '@fast-check/vitest'
import * as fc from 'fast-check'
import { describe, expect } from 'vitest'

import { classifyAddress } from '../../../src/policy/address-guard.ts'

describe('classifyAddress', () => {
  test.each([
    ['104.18.6.192', 'public'],
    ['2606:4700::6812:6c0', 'public'],
    ['169.254.169.254', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['169.254.0.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.255.255', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12:3456::1', 'private'],
    ['0.0.0.0', 'special'],
    ['::', 'special'],
    ['255.255.255.255', 'special'],
    ['224.0.0.1', 'special'],
    ['ff02::1', 'special'],
    ['not an address', 'special'],
  ])('takes %s for %s', (address, expected) => {
    expect(classifyAddress(address)).toBe(expected)
  })

  test.each([
    ['::ffff:169.254.169.254', 'metadata'],
    ['::ffff:a9fe:a9fe', 'metadata'],
    ['::127.0.0.1', 'loopback'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b:1::7f00:1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['2002:a00:1::1', 'private'],
    ['2001:0:4136:e378:8000:63bf:80ff:fffe', 'loopback'],
    ['64:ff9b::808:808', 'public'],
  ])('sees the IPv4 address inside %s: %s', (address, expected) => {
    expect(classifyAddress(address)).toBe(expected)
  })

  test.prop([fc.ipV4()])('judges an IPv4 address alike in every wrapping', (address) => {
    const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
    const high = ((a << 8) | b).toString(16)
    const low = ((c << 8) | d).toString(16)
    const expected = classifyAddress(address)

    expect(classifyAddress(`::ffff:${address}`)).toBe(expected)
    expect(classifyAddress(`64:ff9b::${high}:${low}`)).toBe(expected)
    expect(classifyAddress(`2002:${high}:${low}::1`)).toBe(expected)
  })
})
