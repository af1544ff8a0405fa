/**
 * What never leaves the pipeline in clear: credentials in header fields, in the query and in
 * WebSocket subprotocols. Applied once, where the proxy turns traffic into messages, so that no
 * sink (capture, viewer, log) needs to be trusted with it. Names are compared without case.
 */
import type { HeaderPairs } from '../messages/schema.ts'
import { replaceOwnTokens } from './own-token.ts'

export const redacted = '[REDACTED]'

/** Header fields whose whole value is a secret: those in which APIs take their key, and more. */
const secretHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'authentication',
  'cookie',
  'set-cookie',
  'x-api-key',
  'api-key',
  'apikey',
  'x-goog-api-key',
  'x-auth-token',
  'x-access-token',
  'x-session-token',
  'x-csrf-token',
  'x-subscription-token',
  'x-amz-security-token',
  'bearer',
  'token',
])

/** Of those, what belongs to a session and not to a key. */
const sessionHeaders = new Set(['cookie', 'set-cookie', 'x-csrf-token', 'proxy-authorization'])

/** Whether programs put their key into a field of this name. */
export function isKeyHeader(name: string): boolean {
  const lower = name.toLowerCase()
  return secretHeaders.has(lower) && !sessionHeaders.has(lower)
}

/** Query parameters whose value is a secret. */
const secretParameters = new Set([
  'access_token',
  'api-key',
  'api_key',
  'apikey',
  'auth',
  'client_secret',
  'code',
  'id_token',
  'key',
  'nonce',
  'password',
  'refresh_token',
  'secret',
  'sig',
  'signature',
  'state',
  'token',
  'x-amz-credential',
  'x-amz-security-token',
  'x-amz-signature',
  'x-goog-api-key',
])

/** Authentication schemes that stay visible, so that a reader sees how a client signs in. */
const scheme = /^(?:basic|bearer|digest|negotiate|token|aws4-hmac-sha256)(?= )/iu

/** The OpenAI Realtime API takes its key as a WebSocket subprotocol. */
const secretSubprotocol = /(openai-insecure-api-key\.)[^\s,]+/gu

/** Paths of token endpoints: request and response bodies there are credentials throughout. */
const tokenPath =
  /(?:^|\/)(?:oauth2?(?:\/v\d+)?\/(?:token|revoke|introspect)|v\d+\/oauth\/token|copilot_internal\/v2\/token|token)$/u
const tokenHosts = new Set(['auth.openai.com', 'oauth2.googleapis.com', 'platform.claude.com'])

/** What has been redacted already, so that whoever makes sure of it once more need not read it. */
const redactedPairs = new WeakSet<HeaderPairs>()

/**
 * The same pairs in the same order, secret values replaced; the input is not changed. What this
 * returned before is returned as it is.
 */
export function redactHeaders(pairs: HeaderPairs): HeaderPairs {
  if (redactedPairs.has(pairs)) return pairs
  const safe = pairs.map(([name, value]): [string, string] => [
    name,
    redactHeaderValue(name, value),
  ])
  redactedPairs.add(safe)
  return safe
}

/** An absolute URL or a request target, with secret parameters and any userinfo replaced. */
export function redactUrl(text: string): string {
  const url = hideTokens(replaceOwnTokens(text, redacted))
  // Up to the last @ before the path: that is where URL parsers see the host begin.
  const withoutUser = url.includes('@')
    ? url.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/\/)[^/?#]*@/iu, `$1${redacted}@`)
    : url
  const at = withoutUser.search(/[?#]/u)
  if (at === -1) return withoutUser
  // The fragment too: some OAuth answers redirect with the token in it.
  const parameters = withoutUser
    .slice(at)
    .split(/([?#&])/u)
    .map(redactParameter)
    .join('')
  return `${withoutUser.slice(0, at)}${parameters}`
}

/** Whether bodies exchanged with this endpoint are credentials, and so never become messages. */
export function isCredentialExchange(host: string, path: string): boolean {
  const bare = path.split('?', 1)[0] ?? ''
  return tokenPath.test(bare) || (tokenHosts.has(host) && /\/oauth\//u.test(bare))
}

/** Shorter values would mask words that are no secrets. */
const leastSecretLength = 8

/**
 * The credentials that a request carries in its head, in the forms in which an answer might repeat
 * them: as sent, percent-encoded and in base64. `path` with its query, as sent.
 */
export function secretValuesOf(headers: HeaderPairs, path: string): string[] {
  const values = new Set<string>()
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (lower === 'sec-websocket-protocol') {
      for (const [key] of value.matchAll(secretSubprotocol)) values.add(key.replace(/^.*?\./u, ''))
    }
    if (!secretHeaders.has(lower) || lower.endsWith('cookie')) continue
    const credential = value.replace(/^[\w-]+ +(?=\S+$)/u, '')
    values.add(credential)
    if (/^basic /iu.test(value)) values.add(passwordIn(credential))
  }
  for (const [, name = '', value = ''] of path.matchAll(/[?&]([^=&#]{1,100})=([^&#]+)/gu)) {
    if (isSecretParameter(name)) values.add(value)
  }
  return [...values].filter((value) => value.length >= leastSecretLength).flatMap(formsOf)
}

function passwordIn(credential: string): string {
  const decoded = Buffer.from(credential, 'base64').toString('latin1')
  return decoded.slice(decoded.indexOf(':') + 1)
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value, 'latin1')
  const base64 = bytes.toString('base64').replace(/=+$/u, '')
  return [...new Set([value, encodeURIComponent(value), base64, bytes.toString('base64url')])]
}

function redactHeaderValue(name: string, value: string): string {
  const lower = name.toLowerCase()
  switch (lower) {
    case 'sec-websocket-protocol':
      return value.replaceAll(secretSubprotocol, `$1${redacted}`)
    case 'location':
    case 'referer':
    case 'content-location':
      return redactUrl(value)
    case 'set-cookie':
    case 'cookie':
      return redactCookie(value, lower)
  }
  if (!secretHeaders.has(lower)) return hideTokens(replaceOwnTokens(value, redacted))
  const named = scheme.exec(value)
  return named === null ? redacted : `${named[0]} ${redacted}`
}

/** Attributes of Set-Cookie (RFC 6265 §4.1); one whose value holds a `=` may hide a second cookie. */
const cookieAttribute =
  /^\s*(?:path|expires|domain|max-age|httponly|secure|samesite|partitioned|priority)\s*(?:=[^=]*)?$/iu

/** Opaque tokens, plain and percent-encoded; shorter text holds none. */
const opaqueToken =
  /porthole(?::|%3a)v1(?::|%3a)(?:[\w-]|%[2-7][\da-f]){48}|starpod(?::|%3a)v1(?::|%3a)(?:[\w+/=-]|%[2-7][\da-f]){38,}/giu
const leastTokenLength = 49

/** They are credentials of ours, wherever they stand. */
function hideTokens(text: string): string {
  return text.length < leastTokenLength ? text : text.replaceAll(opaqueToken, redacted)
}

/** Cookie names and attributes stay, since they explain behaviour; values go. */
function redactCookie(value: string, field: 'cookie' | 'set-cookie'): string {
  return value
    .split(';')
    .map((part, index) => {
      if (field === 'set-cookie' && index > 0 && cookieAttribute.test(part)) return part
      const at = part.indexOf('=')
      return at === -1 ? part.replace(/\S.*$/su, redacted) : `${part.slice(0, at)}=${redacted}`
    })
    .join(';')
}

function redactParameter(parameter: string): string {
  const at = parameter.indexOf('=')
  if (at === -1) return parameter
  const name = parameter.slice(0, at)
  return isSecretParameter(name) ? `${name}=${redacted}` : parameter
}

/** Whether the value of this parameter of a query or a form is a secret; `name` as sent. */
export function isSecretParameter(name: string): boolean {
  return secretParameters.has(decodeName(name).toLowerCase())
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
