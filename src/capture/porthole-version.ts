/** Porthole's version, as its package says it: it stands in the first line of every capture. */
import { createRequire } from 'node:module'

/** `unknown` where the package cannot be found, as in a bundle that someone else made. */
export function readPortholeVersion(): string {
  try {
    const found: unknown = createRequire(import.meta.url)('porthole/package.json')
    if (typeof found !== 'object' || found === null || !('version' in found)) return 'unknown'
    return typeof found.version === 'string' ? found.version : 'unknown'
  } catch {
    return 'unknown'
  }
}
