/**
 * Which addresses a proxy must not be talked into dialling: a name on an allowlist, or a tunnel
 * that anyone may ask for, can resolve to the machine itself, its network, or a cloud's metadata
 * service. Judged is the address that is about to be dialled, never the name. Ranges: the IANA
 * special-purpose registries (RFC 6890 and updates); embedded IPv4: RFC 6052, 3056, 4380, 4291.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'

export type AddressClass =
  | 'public'
  /** Where clouds serve credentials to their machines. */
  | 'metadata'
  | 'loopback'
  | 'link-local'
  /** RFC 1918, RFC 4193, and shared address space (RFC 6598). */
  | 'private'
  /** Unspecified, multicast, broadcast, documentation, benchmarking, reserved. */
  | 'special'

type Range = readonly [address: string, prefix: number]

const ranges: ReadonlyArray<readonly [AddressClass, readonly Range[]]> = [
  [
    'metadata',
    [
      ['169.254.169.254', 32],
      ['169.254.170.2', 32],
      ['100.100.100.200', 32],
      ['fd00:ec2::254', 128],
    ],
  ],
  [
    'loopback',
    [
      ['127.0.0.0', 8],
      ['::1', 128],
    ],
  ],
  [
    'link-local',
    [
      ['169.254.0.0', 16],
      ['fe80::', 10],
    ],
  ],
  [
    'private',
    [
      ['10.0.0.0', 8],
      ['172.16.0.0', 12],
      ['192.168.0.0', 16],
      ['100.64.0.0', 10],
      ['fc00::', 7],
      ['fec0::', 10],
    ],
  ],
  [
    'special',
    [
      ['0.0.0.0', 8],
      ['192.0.0.0', 24],
      ['192.0.2.0', 24],
      ['198.18.0.0', 15],
      ['198.51.100.0', 24],
      ['203.0.113.0', 24],
      ['224.0.0.0', 4],
      ['240.0.0.0', 4],
      ['::', 128],
      ['100::', 64],
      ['2001:db8::', 32],
      ['5f00::', 16],
      ['ff00::', 8],
    ],
  ],
]

const lists = ranges.map(([name, entries]) => {
  const list = new BlockList()
  for (const [address, prefix] of entries) {
    list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return { name, list }
})

/** The class of one IPv4 or IPv6 address; text that is no address is `special`. */
export function classifyAddress(address: string): AddressClass {
  const version = isIP(address)
  if (version === 0) return 'special'
  if (version === 6) {
    const embedded = embeddedIPv4(address)
    if (embedded !== undefined) return classifyAddress(embedded)
  }
  const family = version === 4 ? 'ipv4' : 'ipv6'
  return lists.find(({ list }) => list.check(address, family))?.name ?? 'public'
}

/** Whether nobody beyond this machine reaches a listener on this host; of names, `localhost` alone. */
export function isLoopbackListener(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.\d+){3}$/iu.test(host)
}

type Words = readonly number[]

function isZero(words: Words, from: number, to: number): boolean {
  return words.slice(from, to).every((word) => word === 0)
}

/** Forms of an IPv6 address that some router or stack unwraps into an IPv4 one. */
const wrappers: ReadonlyArray<{
  readonly matches: (words: Words) => boolean
  readonly unwrap: (words: Words) => string
}> = [
  {
    // IPv4-mapped, ::ffff:0:0/96.
    matches: (words) => isZero(words, 0, 5) && words[5] === 0xffff,
    unwrap: (words) => dotted(words[6], words[7]),
  },
  {
    // IPv4-compatible, ::/96; ::1 and :: are addresses of their own, not 0.0.0.1 and 0.0.0.0.
    matches: (words) => isZero(words, 0, 6) && (words[6] !== 0 || (words[7] ?? 0) > 1),
    unwrap: (words) => dotted(words[6], words[7]),
  },
  {
    // NAT64, 64:ff9b::/96 and 64:ff9b:1::/48.
    matches: (words) =>
      words[0] === 0x64 && words[1] === 0xff9b && (words[2] === 1 || isZero(words, 2, 6)),
    unwrap: (words) => dotted(words[6], words[7]),
  },
  {
    // 6to4, 2002::/16.
    matches: (words) => words[0] === 0x2002,
    unwrap: (words) => dotted(words[1], words[2]),
  },
  {
    // Teredo, 2001::/32: the client's address with all bits flipped.
    matches: (words) => words[0] === 0x2001 && words[1] === 0,
    unwrap: (words) => dotted((words[6] ?? 0) ^ 0xffff, (words[7] ?? 0) ^ 0xffff),
  },
]

function embeddedIPv4(address: string): string | undefined {
  const words = wordsOf(address)
  return wrappers.find(({ matches }) => matches(words))?.unwrap(words)
}

/** The eight 16-bit words of an IPv6 address; a zone id is left out. */
function wordsOf(address: string): number[] {
  const bare = address.split('%', 1)[0] ?? ''
  const withoutDots = bare.replace(/(?:\d+\.){3}\d+$/u, (quad) => {
    const [a = 0, b = 0, c = 0, d = 0] = quad.split('.').map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [head = '', tail] = withoutDots.split('::')
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
  const before = parse(head)
  if (tail === undefined) return before
  const after = parse(tail)
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
}

function dotted(high: number | undefined, low: number | undefined): string {
  const [a, b] = [high ?? 0, low ?? 0]
  return `${a >> 8}.${a & 0xff}.${b >> 8}.${b & 0xff}`
}
