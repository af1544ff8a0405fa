/**
 * Fields of JSON that hold credentials by their names, at any depth of JSON within JSON strings:
 * what tools are configured with, what they print, what is pasted.
 */
import { byteClass } from './byte-classes.ts'
import type { SecretRange } from './secret-range.ts'

/** Names of credential fields, without case, `_` and `-`. Plain `token` and `key` mean other things. */
const fieldNames = new Set([
  'accesstoken',
  'apikey',
  'apisecret',
  'apitoken',
  'authorization',
  'authtoken',
  'awssecretaccesskey',
  'awssessiontoken',
  'bearertoken',
  'clientsecret',
  'githubtoken',
  'idtoken',
  'passphrase',
  'passwd',
  'password',
  'privatekey',
  'proxyauthorization',
  'refreshtoken',
  'secret',
  'secretaccesskey',
  'secretkey',
  'sessiontoken',
  'xapikey',
  'xauthtoken',
  'xgoogapikey',
])

/** Environment variables, as in the configuration of tool servers. */
const environmentName = /^[A-Z][A-Z\d_]*_(?:API_KEY|TOKEN|SECRET|PASSWORD|SECRET_ACCESS_KEY)$/u

/** What has been found out about names: programs use few. Emptied when it is full. */
const knownNames = new Map<string, boolean>()
const maxKnownNames = 4_096

/** Whether a field of this name holds a credential. */
export function isCredentialName(name: string): boolean {
  // No name in the lists is longer, but for what does not count in it.
  if (name.length > nameLength) return isListed(name)
  const known = knownNames.get(name)
  if (known !== undefined) return known
  if (knownNames.size >= maxKnownNames) knownNames.clear()
  const isCredential = isListed(name)
  knownNames.set(name, isCredential)
  return isCredential
}

function isListed(name: string): boolean {
  return fieldNames.has(name.replaceAll(/[-_]/gu, '').toLowerCase()) || environmentName.test(name)
}

/** Characters of a name, and of the white space on either side of its colon. */
const nameLength = 64
const spaceLength = 16

const quote = 0x22
const backslash = 0x5c

/** By code: letters, digits and `_`, with what else stands in names; and white space. */
const nameCodes = byteClass(/[\w.-]/u)
const spaceCodes = byteClass(/\s/u)

/** `"name": "value"`, at any depth of JSON within JSON strings; quotes of one part are of no other. */
export function findFields(text: string, into: SecretRange[]): void {
  let isFrom = 0
  for (let colon = text.indexOf(':'); colon !== -1; colon = text.indexOf(':', colon + 1)) {
    let before = colon
    while (colon - before < spaceLength && isSpace(text, before - 1)) before -= 1
    before -= 1
    if (before < isFrom || text.charCodeAt(before) !== quote) continue
    let after = colon + 1
    while (after - colon <= spaceLength && isSpace(text, after)) after += 1
    const slashesFrom = after
    while (text.charCodeAt(after) === backslash) after += 1
    if (text.charCodeAt(after) !== quote) continue
    const nameFrom = isFrom
    isFrom = after + 1
    while (before > nameFrom && text.charCodeAt(before - 1) === backslash) before -= 1
    const from = openingOf(text, before)
    if (from === undefined) continue
    const depth = after - slashesFrom
    const start = after + 1
    const end = closingQuote(text, start, depth)
    if (end === start) continue
    const open = end === undefined ? { open: { kind: 'string', depth } as const } : {}
    into.push({ from, start, end: end ?? text.length, ...open })
  }
}

/** Where the opening of the credential's name begins that ends before `to`; undefined if it is none. */
function openingOf(text: string, to: number): number | undefined {
  let at = to
  while (to - at <= nameLength && at > 0 && nameCodes[text.charCodeAt(at - 1)] === true) at -= 1
  const length = to - at
  if (length === 0 || length > nameLength || text.charCodeAt(at - 1) !== quote) return undefined
  if (!isCredentialName(text.slice(at, to))) return undefined
  const first = Math.max(0, to - openingLength)
  at -= 1
  while (at > first && text.charCodeAt(at - 1) === backslash) at -= 1
  return at
}

/** Characters of a name and its opening, backslashes and all. */
const openingLength = 80

function isSpace(text: string, at: number): boolean {
  return spaceCodes[text.charCodeAt(at)] === true
}

/** Where the string ends whose quotes have `depth` backslashes before them. */
export function closingQuote(text: string, from: number, depth: number): number | undefined {
  for (let at = text.indexOf('"', from); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (at - slashes > from && text.charAt(at - slashes - 1) === '\\') slashes += 1
    if (depth === 0 && slashes % 2 === 0) return at
    if (depth > 0 && slashes <= depth) return at - slashes
  }
  return undefined
}
