/**
 * Name resolution with the address guard inside: what is dialled is what was checked, so that a
 * second answer (DNS rebinding) changes nothing. Node does not look up literals: `checkLiteral`
 * judges those.
 */
import dns from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'

import { classifyAddress } from '../policy/address-guard.ts'

/** `code` of the error for an address that may not be dialled. */
export const addressDeniedCode = 'ERR_PORTHOLE_ADDRESS_DENIED'

/** Whether an address may be dialled. */
export type AddressPolicy = (address: string) => boolean

/** Public addresses; with `allowPrivate` all but metadata services and special-purpose ones. */
export function createAddressPolicy(allowPrivate: boolean): AddressPolicy {
  return (address) => {
    const found = classifyAddress(address)
    return found === 'public' || (allowPrivate && found !== 'metadata' && found !== 'special')
  }
}

/** Loopback alone. */
export const isLoopbackAddress: AddressPolicy = (address) => classifyAddress(address) === 'loopback'

/** The error for a literal that may not be dialled; undefined for a name or a permitted address. */
export function checkLiteral(host: string, isAllowed: AddressPolicy): Error | undefined {
  return isIP(host) === 0 || isAllowed(host) ? undefined : deniedError(host)
}

type Resolve = (
  hostname: string,
  options: dns.LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** A `lookup` for sockets that gives permitted addresses only. */
export function createGuardedLookup(
  isAllowed: AddressPolicy,
  resolve: Resolve = dns.lookup,
): LookupFunction {
  return (hostname, options, callback) => {
    const all = { ...options, all: true as const }
    resolve(hostname, all, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0)
        return
      }
      const permitted = addresses.filter(({ address }) => isAllowed(address))
      const [first] = permitted
      if (first === undefined) callback(deniedError(hostname), '', 0)
      else if (options.all === true) callback(null, permitted)
      else callback(null, first.address, first.family)
    })
  }
}

function deniedError(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} leads to an address that may not be dialled`), {
    code: addressDeniedCode,
  })
}
