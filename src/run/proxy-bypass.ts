/**
 * NO_PROXY for a program under Porthole: the user's own entries stay in force, except those that
 * would hide what the user asked to see. There is no standard for this variable; what is done here
 * suits curl, Go, Python, Node, Bun and .NET alike: commas, no spaces, `.x` beside `*.x`.
 */
import { BlockList, isIP } from 'node:net'

/** Never proxied: a program must be able to talk to its own local servers. */
const localHosts = ['localhost', '127.0.0.1', '::1'] as const

export interface Bypass {
  /** For NO_PROXY and no_proxy. */
  readonly value: string
  /** One line for each entry that was dropped. */
  readonly notes: readonly string[]
}

/**
 * Merges the values of NO_PROXY and no_proxy. `interceptedHosts` are host patterns: `host` or
 * `*.host`, each with an optional port.
 */
export function keepBypassEntries(
  inherited: ReadonlyArray<string | undefined>,
  interceptedHosts: readonly string[],
): Bypass {
  const entries = new Set<string>(localHosts)
  const notes: string[] = []
  const given = new Set(inherited.flatMap((value) => (value ?? '').split(/[\s,]+/u)))
  given.delete('')
  for (const entry of given) {
    const hidden = entry === '*' ? 'every host' : interceptedHosts.find((h) => bypasses(entry, h))
    if (hidden !== undefined) {
      notes.push(`NO_PROXY entry ${entry} is left out for this run: it would hide ${hidden}`)
    } else if (isSuffix(entry)) {
      const suffix = entry.slice(entry.indexOf('.'))
      // Go and Python know only `.x`, Bun and others only `*.x`; unknown forms match nothing.
      entries.add(suffix).add(`*${suffix}`)
    } else {
      entries.add(entry)
    }
  }
  return { value: [...entries].join(','), notes }
}

function isSuffix(entry: string): boolean {
  return entry.startsWith('.') || entry.startsWith('*.')
}

/** True if any common client would let this entry keep it from the proxy for that host. */
function bypasses(entry: string, pattern: string): boolean {
  const host = bareHost(pattern)
  if (entry.includes('/')) return isInNetwork(host, entry)
  const name = bareHost(entry)
  // Go and curl let a plain `x` stand for everything below it too, so all forms are suffixes here.
  if (host === name || host.endsWith(`.${name}`)) return true
  return pattern.startsWith('*.') && name.endsWith(`.${host}`)
}

/** Without wildcard, leading dot, port and brackets, in lower case. */
function bareHost(text: string): string {
  const name = text.toLowerCase().replace(/^\*?\./u, '')
  const bracketed = /^\[([^\]]*)\]/u.exec(name)
  if (bracketed !== null) return bracketed[1] ?? ''
  return isIP(name) === 6 ? name : name.replace(/:\d*$/u, '').replace(/\.$/u, '')
}

function isInNetwork(host: string, network: string): boolean {
  const [address = '', length = ''] = network.split('/')
  const family = isIP(address)
  const bits = Number(length)
  if (family === 0 || isIP(host) !== family || !/^\d+$/u.test(length)) return false
  if (bits > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, bits, type)
  return list.check(host, type)
}
