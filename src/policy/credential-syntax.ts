/** What users write about where a credential goes, read once; a mistake is told, never guessed at. */
import type { CredentialLocation } from './credential.ts'
import { isUnambiguousPath } from './request-path.ts'

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string }

/** RFC 9110 §5.6.2. */
const fieldName = /^[!#$%&'*+.^_`|~\w-]+$/u
/** Fields that route or frame a message: none of them may come from a vault. */
const reservedFields = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** `x-api-key`, or `Authorization: Bearer {}`. */
export function parseHeaderLocation(text: string, ifPresent: boolean): Parsed<CredentialLocation> {
  const colon = text.indexOf(':')
  const name = (colon === -1 ? text : text.slice(0, colon)).trim()
  const isBearer = colon === -1 && name.toLowerCase() === 'authorization'
  const format = colon === -1 ? (isBearer ? 'Bearer {}' : '{}') : text.slice(colon + 1).trim()
  if (!fieldName.test(name)) return bad(`${JSON.stringify(name)} is not a header name`)
  const lower = name.toLowerCase()
  if (reservedFields.has(lower) || lower.startsWith('proxy-')) {
    return bad(`${name} is not for credentials`)
  }
  if (format.split('{}').length !== 2) return bad('the header needs one {} for the value')
  if (!/^[\u0020-\u007E]*$/u.test(format)) return bad('the header has characters it cannot hold')
  return { ok: true, value: { type: 'header', name, format, ifPresent } }
}

/** The name of a query parameter, not encoded. */
export function parseQueryLocation(text: string, ifPresent: boolean): Parsed<CredentialLocation> {
  if (!/^[\w.~[\]:-]{1,100}$/u.test(text)) {
    return bad(`${JSON.stringify(text)} is not the name of a query parameter`)
  }
  return { ok: true, value: { type: 'query', name: text, ifPresent } }
}

/** A path with one `{}`, such as `/bot{}/`. */
export function parsePathLocation(text: string, ifPresent: boolean): Parsed<CredentialLocation> {
  if (text.split('{}').length !== 2) return bad('the path needs one {} for the value')
  if (!isUnambiguousPath(text.replace('{}', 'x'))) {
    return bad('the path must begin with / and have no empty, dot or encoded segments')
  }
  return { ok: true, value: { type: 'url-path', pattern: text, ifPresent } }
}

/** The user of `Basic` (RFC 7617 §2); the value is the password. */
export function parseBasicLocation(text: string, ifPresent: boolean): Parsed<CredentialLocation> {
  if (!/^[\u0020-\u007E]*$/u.test(text) || text.includes(':')) {
    return bad('a user name holds printable ASCII characters, and no colon')
  }
  return { ok: true, value: { type: 'basic', user: text, ifPresent } }
}

/** Variables that decide what a program is, where it looks and whom it believes. */
const decidingVariables =
  /^(?:path|home|shell|ifs|env|bash_env|node_options|node_path|pythonpath|pythonstartup|perl5opt|rubyopt|java_tool_options|ld_.*|dyld_.*|git_.*|.*_proxy|.*_base_url|porthole_.*|secret_encryption_key)$/iu

/** The environment variable in which programs look for a key. */
export function parseKeyVariable(text: string): Parsed<string> {
  if (!/^[A-Za-z_]\w{0,99}$/u.test(text)) {
    return bad(`${JSON.stringify(text)} is not the name of an environment variable`)
  }
  if (decidingVariables.test(text)) return bad(`${text} is not a variable for keys`)
  return { ok: true, value: text }
}

/** `/v1/models`, or `/v1/*` for `/v1` and all below it; `/*` and `*` stand for every path. */
export function parseBoundPath(text: string): Parsed<string | undefined> {
  if (text === '*' || text === '/*') return { ok: true, value: undefined }
  const base = text.endsWith('/*') ? text.slice(0, -2) : text
  if (base.includes('*')) return bad('* stands at the end of a path alone, as in /v1/*')
  if (!isUnambiguousPath(base)) {
    return bad(
      'the path must begin with / and have no query, and no empty, dot or encoded segments',
    )
  }
  return { ok: true, value: text }
}

function bad(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem }
}
