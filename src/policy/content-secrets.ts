/**
 * Finds secrets inside of content: credential fields of JSON and forms, values that look like keys,
 * values that are known to be secret, and personal data. It works on one character per byte
 * (`latin1`), so that what it finds can be masked in place without moving anything.
 *
 * It looks for literals first and reads around what it finds: content is large, secrets are rare.
 * What it cannot see is a secret in pieces, such as one that a model spells in several events.
 */
import { findPersonalData } from './personal-data.ts'
import { isSecretParameter } from './redaction.ts'

/** `off` leaves prompts and answers as they are; credential fields and known values always go. */
export type ContentRedaction = 'secrets' | 'pii' | 'off'

export interface SecretSearch {
  readonly mode: ContentRedaction
  /** `application/x-www-form-urlencoded`. */
  readonly isForm: boolean
  /** Values to be found wherever they stand, as they are written there. */
  readonly known: readonly string[]
}

export interface SecretRange {
  readonly start: number
  readonly end: number
  /** Where that begins by which it was known, such as the name of its field. */
  readonly from: number
  /** Set where the text ends within it: what closes it. */
  readonly open?: OpenSecret
}

/** How far a secret goes on in what follows. */
export type OpenSecret =
  | { readonly kind: 'token' }
  /** A JSON string; `depth` counts the backslashes before its quotes. */
  | { readonly kind: 'string'; readonly depth: number }
  /** To the next `&`. */
  | { readonly kind: 'form' }

/** Characters that keys and tokens are made of. */
const tokenChars = /[\w.\-:+/=~%]*/uy
const tokenChar = /[\w.\-:+/=~%]/u

/** In order of `start`; they may overlap. */
export function findSecrets(text: string, search: SecretSearch): SecretRange[] {
  const found: SecretRange[] = []
  findKnown(text, search.known, found)
  findFields(text, found)
  if (search.isForm) findFormFields(text, found)
  if (search.mode !== 'off') findTokens(text, found)
  if (search.mode === 'pii') found.push(...findPersonalData(text))
  return found.sort((a, b) => a.start - b.start)
}

/** Where a secret that was open ends in what follows; `undefined` if not within `text`. */
export function endOfOpen(text: string, open: OpenSecret): number | undefined {
  if (open.kind === 'string') return closingQuote(text, 0, open.depth)
  if (open.kind === 'form') return found(text.indexOf('&'))
  tokenChars.lastIndex = 0
  const end = tokenChars.exec(text)?.[0].length ?? 0
  return end < text.length ? end : undefined
}

/** Where an unfinished secret may begin at the end of `text`: from there on it has to be kept. */
export function tailStart(text: string, search: SecretSearch): number {
  const near = text.slice(-200)
  const starts = [
    tokenStart(text),
    text.length - near.length + near.search(fieldOpening),
    search.mode === 'pii' ? text.length - near.length + near.search(numberOpening) : text.length,
    ...search.known.map((value) => prefixStart(text, value)),
  ]
  return Math.min(...starts)
}

/** A field's name and what stands between it and its value; matches nothing at the end at least. */
const fieldOpening = /(?:\\*"[\w.-]{0,64}\\*"?\s{0,16}:?\s{0,16}\\{0,8}"?)?$/u
const numberOpening = /[\d ().+-]{0,40}$/u

/** The longest unfinished token that is waited for, in bytes. */
const tokenLength = 4096

/** Of the token that the text ends with, with the quote before it. */
function tokenStart(text: string): number {
  let at = text.length
  const first = Math.max(0, at - tokenLength)
  while (at > first && tokenChar.test(text.charAt(at - 1))) at -= 1
  if (at > first && text.charAt(at - 1) === '"') at -= 1
  while (at > first && text.charAt(at - 1) === '\\') at -= 1
  return at
}

/** Where the text ends with the beginning of `value`, at its longest; its end if it does not. */
function prefixStart(text: string, value: string): number {
  const first = value.charAt(0)
  let at = text.indexOf(first, Math.max(0, text.length - value.length + 1))
  while (at !== -1 && !value.startsWith(text.slice(at))) at = text.indexOf(first, at + 1)
  return at === -1 ? text.length : at
}

function findKnown(text: string, known: readonly string[], into: SecretRange[]): void {
  for (const value of known) {
    for (const start of placesOf(text, value))
      into.push({ from: start, start, end: start + value.length })
  }
}

function* placesOf(text: string, literal: string): Generator<number> {
  for (let at = text.indexOf(literal); at !== -1; at = text.indexOf(literal, at + 1)) yield at
}

/** What to look for, what stands before it, and what such a key looks like from its beginning. */
const tokenShapes: ReadonlyArray<{
  readonly literal: string
  readonly before?: string
  readonly shape: RegExp
}> = [
  { literal: 'sk-', shape: /sk-(?=[\w-]*\d)[\w-]{20,}/uy },
  { literal: 'AIza', shape: /AIza[\w-]{35,}/uy },
  { literal: 'gh', shape: /gh[pousr]_[A-Za-z\d]{20,}/uy },
  { literal: '_pat_', before: 'github', shape: /github_pat_\w{22,}/uy },
  { literal: 'glpat-', shape: /glpat-[\w-]{20,}/uy },
  { literal: 'xox', shape: /xox[baprs]-[A-Za-z\d-]{10,}/uy },
  { literal: 'xai-', shape: /xai-(?=[A-Za-z]*\d)[A-Za-z\d]{32,}/uy },
  { literal: 'gsk_', shape: /gsk_[A-Za-z\d]{32,}/uy },
  { literal: 'hf_', shape: /hf_[A-Za-z\d]{30,}/uy },
  { literal: 'npm_', shape: /npm_[A-Za-z\d]{36,}/uy },
  { literal: 'aoc_', shape: /aoc_\w{16,}/uy },
  { literal: ':v1:', before: 'starpod', shape: /starpod:v1:[\w+/=.-]{16,}/uy },
  { literal: ':v1:', before: 'porthole', shape: /porthole:v1:[\w+/=.-]{16,}/uy },
  // A JSON Web Token (RFC 7519): three parts, the first two of them JSON objects in base64url.
  { literal: 'eyJ', shape: /eyJ[\w-]{10,}\.eyJ[\w-]{5,}\.[\w-]{16,}/uy },
  {
    literal: '-----BEGIN ',
    shape: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w+/=\s\\]{16,8192}(?:-----END)?/uy,
  },
]

function findTokens(text: string, into: SecretRange[]): void {
  for (const { literal, before = '', shape } of tokenShapes) {
    for (const place of placesOf(text, literal)) {
      const start = place - before.length
      if (start < 0) continue
      if (start > 0 && /[A-Za-z\d]/u.test(text.charAt(start - 1))) continue
      shape.lastIndex = start
      const end = start + (shape.exec(text)?.[0].length ?? 0)
      if (end === start) continue
      into.push({
        from: start,
        start,
        end,
        ...(end === text.length ? { open: { kind: 'token' } } : {}),
      })
    }
  }
}

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

/** Whether a field of this name holds a credential. */
export function isCredentialName(name: string): boolean {
  return fieldNames.has(name.replaceAll(/[-_]/gu, '').toLowerCase()) || environmentName.test(name)
}

/** `"name": "value"`, at any depth of JSON within JSON strings. */
function findFields(text: string, into: SecretRange[]): void {
  for (const match of text.matchAll(betweenNameAndValue)) {
    const near = text.slice(Math.max(0, match.index - nameLength), match.index)
    const [opening = '', name = ''] = nameAtEnd.exec(near) ?? []
    if (!isCredentialName(name)) continue
    const [all, slashes = ''] = match
    const start = match.index + all.length
    const end = closingQuote(text, start, slashes.length)
    if (end === start) continue
    const open = { kind: 'string', depth: slashes.length } as const
    const from = match.index - opening.length
    into.push({ from, start, end: end ?? text.length, ...(end === undefined ? { open } : {}) })
  }
}

const nameLength = 80
const betweenNameAndValue = /\\*"\s{0,16}:\s{0,16}(\\*)"/gu
const nameAtEnd = /\\*"([\w.-]{1,64})$/u

/** Where the string ends whose quotes have `depth` backslashes before them. */
function closingQuote(text: string, from: number, depth: number): number | undefined {
  for (let at = text.indexOf('"', from); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (at - slashes > from && text.charAt(at - slashes - 1) === '\\') slashes += 1
    if (depth === 0 && slashes % 2 === 0) return at
    if (depth > 0 && slashes <= depth) return at - slashes
  }
  return undefined
}

function findFormFields(text: string, into: SecretRange[]): void {
  for (const match of text.matchAll(/(?:^|&)([^=&]{1,100})=([^&]+)/gu)) {
    const [all, name = '', value = ''] = match
    if (!isSecretParameter(name) && !isCredentialName(name)) continue
    const end = match.index + all.length
    const open = end === text.length ? { open: { kind: 'form' } as const } : {}
    into.push({ from: match.index, start: end - value.length, end, ...open })
  }
}

function found(index: number): number | undefined {
  return index === -1 ? undefined : index
}
