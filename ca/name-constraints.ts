/**
 * What the authority may vouch for, as the name constraints of its own certificate (RFC 5280
 * §4.2.1.10). A dNSName subtree `x.com` stands for `x.com` and every name under it: the extension
 * cannot say less, so `*.x.com` becomes `x.com`. A name type that nothing permits is excluded whole,
 * because an absent permitted subtree would leave that type open.
 */
import { isIPv4, isIPv6 } from 'node:net'

import { AppError } from '../src/base/errors.ts'
import { parseHost } from '../src/policy/authority.ts'
import { parseHostPattern } from '../src/policy/host-pattern.ts'
import type { Der } from './der.ts'
import { bytesOf, contextTagOf, membersOf, sequence, tagged, taggedBytes } from './der.ts'

/** GeneralName choices (RFC 5280 §4.2.1.6). */
const dnsNameTag = 2
const ipAddressTag = 7

export interface AddressRange {
  /** 4 or 16 bytes. */
  readonly address: Buffer
  readonly mask: Buffer
}

interface Subtrees {
  /** Lower case; the empty name matches every name. */
  readonly names: readonly string[]
  readonly ranges: readonly AddressRange[]
}

export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
}

/** What a certificate or a constraint names, in the form in which it is encoded. */
export type Identity =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'address'; readonly bytes: Buffer }

/**
 * The constraints for host patterns such as `api.openai.com`, `*.openai.com`, `[::1]:8443`; ports
 * do not count. Throws `ERR_HOST_PATTERN` on anything that is no host pattern.
 */
export function constraintsFor(patterns: readonly string[]): NameConstraints {
  const names = new Set<string>()
  const addresses = new Map<string, Buffer>()
  for (const pattern of patterns) {
    const identity = identityOf(parseHostPattern(bracketBareIPv6(pattern)).host)
    if (identity === undefined) {
      const details = { pattern: JSON.stringify(pattern), problem: 'no host name or address' }
      throw new AppError('ERR_HOST_PATTERN', details)
    }
    if (identity.kind === 'name') names.add(identity.name)
    else addresses.set(identity.bytes.toString('hex'), identity.bytes)
  }
  const ranges = [...addresses.values()].map((address) => ({
    address,
    mask: Buffer.alloc(address.length, 0xff),
  }))
  const uncovered = [4, 16].filter((size) => !ranges.some(({ address }) => address.length === size))
  return {
    permitted: { names: [...names], ranges },
    excluded: {
      names: names.size === 0 ? [''] : [],
      ranges: uncovered.map((size) => ({ address: Buffer.alloc(size), mask: Buffer.alloc(size) })),
    },
  }
}

export function encodeConstraints({ permitted, excluded }: NameConstraints): Der {
  const fields = [
    { tag: 0, subtrees: encodeSubtrees(permitted) },
    { tag: 1, subtrees: encodeSubtrees(excluded) },
  ]
  return sequence(
    ...fields
      .filter(({ subtrees }) => subtrees.length > 0)
      .map(({ tag, subtrees }) => tagged(tag, ...subtrees)),
  )
}

/** Throws on a value that is no NameConstraints, or holds a kind of name not handled here. */
export function decodeConstraints(der: Der): NameConstraints {
  const fields = membersOf(der)
  const read = (tag: number): Subtrees => {
    const field = fields.find((candidate) => contextTagOf(candidate) === tag)
    return field === undefined ? { names: [], ranges: [] } : decodeSubtrees(membersOf(field))
  }
  return { permitted: read(0), excluded: read(1) }
}

/** RFC 5280 §6.1.4: a permitted subtree of its own type, if there is any, and no excluded one. */
export function permitsIdentity(constraints: NameConstraints, identity: Identity): boolean {
  const { permitted, excluded } = constraints
  if (identity.kind === 'name') {
    const within = (subtree: string): boolean => isWithinName(identity.name, subtree)
    const open = permitted.names.length === 0 || permitted.names.some(within)
    return open && !excluded.names.some(within)
  }
  const within = (range: AddressRange): boolean => isWithinRange(identity.bytes, range)
  const open = permitted.ranges.length === 0 || permitted.ranges.some(within)
  return open && !excluded.ranges.some(within)
}

/** The permitted subtrees as text: `x.com` (with all names under it), `127.0.0.1`, `10.0.0.0/8`. */
export function permittedText({ permitted }: NameConstraints): readonly string[] {
  return [...permitted.names, ...permitted.ranges.map(rangeText)]
}

/** Undefined for what is no exact host: a pattern, an address with a zone, an empty string. */
export function identityOf(host: string): Identity | undefined {
  const parsed = parseHost(bracketBareIPv6(host))
  if (!parsed.ok) return undefined
  if (parsed.kind === 'name') return { kind: 'name', name: parsed.host }
  return {
    kind: 'address',
    bytes: parsed.kind === 'ipv4' ? ipv4Bytes(parsed.host) : ipv6Bytes(parsed.host),
  }
}

/** The GeneralName of an identity, as it stands in a subject alternative name. */
export function generalName(identity: Identity): Der {
  return identity.kind === 'name'
    ? taggedBytes(dnsNameTag, Buffer.from(identity.name, 'ascii'))
    : taggedBytes(ipAddressTag, identity.bytes)
}

function encodeSubtrees({ names, ranges }: Subtrees): readonly Der[] {
  return [
    ...names.map((name) => sequence(taggedBytes(dnsNameTag, Buffer.from(name, 'ascii')))),
    ...ranges.map(({ address, mask }) =>
      sequence(taggedBytes(ipAddressTag, Buffer.concat([address, mask]))),
    ),
  ]
}

function decodeSubtrees(subtrees: readonly Der[]): Subtrees {
  const names: string[] = []
  const ranges: AddressRange[] = []
  for (const subtree of subtrees) {
    const base = membersOf(subtree)[0]
    const tag = base === undefined ? undefined : contextTagOf(base)
    const bytes = bytesOf(base)
    if (tag === dnsNameTag) {
      names.push(bytes.toString('ascii').toLowerCase())
    } else if (tag === ipAddressTag && (bytes.length === 8 || bytes.length === 32)) {
      const half = bytes.length / 2
      ranges.push({ address: bytes.subarray(0, half), mask: bytes.subarray(half) })
    } else {
      throw new Error('a kind of name constraint that Porthole never writes')
    }
  }
  return { names, ranges }
}

function isWithinName(name: string, subtree: string): boolean {
  return subtree === '' || name === subtree || name.endsWith(`.${subtree}`)
}

function isWithinRange(bytes: Buffer, { address, mask }: AddressRange): boolean {
  if (bytes.length !== address.length) return false
  return bytes.every(
    (byte, index) => ((byte ^ (address[index] ?? 0)) & (mask[index] ?? 0xff)) === 0,
  )
}

function rangeText({ address, mask }: AddressRange): string {
  const text = address.length === 4 ? [...address].join('.') : ipv6Text(address)
  const bits = [...mask].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  return bits === mask.length * 8 ? text : `${text}/${bits}`
}

function ipv6Text(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2))
  const parsed = parseHost(`[${groups.map((group) => group.toString(16)).join(':')}]`)
  return parsed.ok ? parsed.host : groups.join(':')
}

/** A bare IPv6 address, as canonical hosts carry it, in the brackets that authorities need. */
function bracketBareIPv6(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

function ipv4Bytes(host: string): Buffer {
  return Buffer.from(host.split('.').map(Number))
}

function ipv6Bytes(host: string): Buffer {
  const tail = host.slice(host.lastIndexOf(':') + 1)
  const embedded = isIPv4(tail) ? ipv4Bytes(tail) : undefined
  const text = embedded === undefined ? host : `${host.slice(0, -tail.length)}${hexPair(embedded)}`
  const [head = '', rest] = text.split('::')
  const before = groupsOf(head)
  const after = groupsOf(rest ?? '')
  const bytes = Buffer.alloc(16)
  for (const [index, group] of before.entries()) bytes.writeUInt16BE(group, index * 2)
  for (const [index, group] of after.entries()) {
    bytes.writeUInt16BE(group, 16 - (after.length - index) * 2)
  }
  return bytes
}

function groupsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function hexPair(bytes: Buffer): string {
  return `${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}`
}
