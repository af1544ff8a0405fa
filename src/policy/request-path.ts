/**
 * What may be decided by a request's path: only what every reader of it reads alike. A path that
 * one parser would decode, normalise or cut where another does not, decides nothing. Pure.
 */

/** Whether any reader (one that decodes first, one that takes `\` for `/`, one that drops `;…`) sees `..`. */
export function hasDotDot(path: string): boolean {
  const decoded = path
    .replaceAll(/%2e/giu, '.')
    .replaceAll(/%(?:2f|5c)/giu, '/')
    .replaceAll(/%3b/giu, ';')
  return decoded.split(/[/\\]/u).some((segment) => segment.split(';', 1)[0] === '..')
}

/** RFC 3986 §3.3, without `;`, which some readers cut segments at. */
const plainPath = /^\/(?:[\w.~!$&'()*+,=:@/-]|%[\dA-Fa-f]{2})*$/u
/** What stays itself when encoded, and what would split a path if it were decoded. */
const meddlingByte = /^(?:[\w.~\-/\\%;?#]|[\0-\u001F\u007F])$/u

/**
 * Whether every reader takes `path` (without its query) for the same segments: no dot segments, no
 * empty ones but the last, no encoded slashes, backslashes or letters, nothing encoded twice.
 */
export function isUnambiguousPath(path: string): boolean {
  if (!plainPath.test(path) || path.includes('//')) return false
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return false
  return Array.from(path.matchAll(/%([\dA-Fa-f]{2})/gu), ([, hex = '']) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  ).every((byte) => !meddlingByte.test(byte))
}

/** The path of an origin-form request target, and its query with the `?`. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const at = target.indexOf('?')
  return at === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, at), query: target.slice(at) }
}

/** Whether `path` is the one that is meant, or one of those: `/v1/*` means `/v1` and all below it. */
export function matchesPath(bound: string, path: string): boolean {
  if (!bound.endsWith('/*')) return bound === path
  const prefix = bound.slice(0, -2)
  return path === prefix || path.startsWith(`${prefix}/`)
}
