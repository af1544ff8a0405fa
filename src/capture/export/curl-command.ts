/**
 * One request as a command for a POSIX shell that sends it again with curl: method, URL, fields and
 * the bytes of the body. A capture may come from anybody: nothing in it can break out of its quotes,
 * make curl read a file (`@…`) or leave HTTP. Masked credentials become environment variables.
 */
import { isUtf8 } from 'node:buffer'

import { visibleLine, visibleText } from '../../base/visible-text.ts'
import { headerValues } from '../../messages/header-values.ts'
import type { HeaderPairs, MsgOf } from '../../messages/schema.ts'
import { redacted } from '../../policy/redaction.ts'
import type { ExchangeRecord, RecordedBody } from '../../recorded/exchange-record.ts'
import type { SecretSource } from './export-format.ts'
import { secretVariable } from './secret-names.ts'
import type { Secret } from './shell-quote.ts'
import { quoteBytes, quoteParts, quoteWord } from './shell-quote.ts'

/** Bytes of a body that stand among the arguments; Linux takes 128 KiB for one. */
const maxArgumentBytes = 32 * 1024

/** RFC 9110 §5.6.2. Nothing else can be a method or the name of a field; a field's `@` reads a file. */
const token = /^[!#$%&'*+.^_`|~\w-]+$/u

/** An address that no two parsers read differently: what gets a key must be the host that is named. */
const sendable =
  /^https?:\/\/(?:\[REDACTED\]@)?(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?#]|$)/iu

/** Fields that curl makes itself, or that belong to one connection (RFC 9110 §7.6.1). */
const ownFields = new Set(
  'connection keep-alive proxy-connection proxy-authorization te trailer transfer-encoding upgrade content-length expect accept-encoding'.split(
    ' ',
  ),
)

/**
 * The command, its lines joined by `\`; before it, lines of comment where something cannot be sent
 * again. Of what is no HTTP request, a comment alone.
 */
export function curlCommand(record: ExchangeRecord, source?: SecretSource): string {
  const { started } = record
  if (started === undefined || !sendable.test(started.url) || !token.test(started.method)) {
    return `# not a request that curl can send: ${visibleLine(describe(record))}`
  }
  const secrets = createSecrets(started, source)
  const body = bodyOf(started, record.request)
  const lines = [
    `curl ${body.isHead ? '--head' : `--request ${quoteWord(started.method)}`}`,
    // Brackets and dots in the URL are what they are.
    '--globoff --path-as-is',
    ...fieldsOf(started, secrets, body.argument !== undefined),
    ...(body.argument === undefined ? [] : [body.argument]),
    urlWord(started.url, secrets),
  ]
  const comments = [...body.comments, ...secrets.comments()].map(
    (text) => `# ${visibleLine(text)}\n`,
  )
  return `${comments.join('')}${body.input}${lines.join(' \\\n  ')}`
}

function describe({ started, type, connection }: ExchangeRecord): string {
  if (started !== undefined) return `${started.method} ${started.url}`.slice(0, 200)
  return `${type} ${connection?.host ?? ''}`
}

interface BodyWords {
  readonly isHead: boolean
  /** What is piped into curl, with the `|`. */
  readonly input: string
  readonly argument: string | undefined
  readonly comments: readonly string[]
}

function bodyOf({ method }: MsgOf<'request-started'>, body: RecordedBody): BodyWords {
  const isHead = method === 'HEAD'
  const comments = body.isCut ? ['the recorded body is incomplete'] : []
  if (body.bytes === 0) return { isHead, input: '', argument: undefined, comments }
  if (isHead) {
    const all = [...comments, 'the body is left out: curl sends none with HEAD']
    return { isHead, input: '', argument: undefined, comments: all }
  }
  const bytes = Buffer.concat(body.chunks.map((chunk) => chunk.bytes))
  const isText = isUtf8(bytes) && isPrintable(bytes.toString())
  if (isText && bytes.length <= maxArgumentBytes) {
    // Not --data-binary: that would take an @ at its beginning for the name of a file.
    return { isHead, input: '', argument: `--data-raw ${quoteWord(bytes.toString())}`, comments }
  }
  // `printf` is built into the shell: its arguments may be of any length, unlike curl's.
  const input = isText
    ? `printf '%s' ${quoteWord(bytes.toString())} | `
    : `printf '%b' ${quoteBytes(bytes)} | `
  return { isHead, input, argument: '--data-binary @-', comments }
}

/** A command may be looked at on a terminal: what would control it is written as octal numbers. */
function isPrintable(text: string): boolean {
  const shown = text.replaceAll('\t', '')
  return visibleText(shown) === shown
}

function fieldsOf(started: MsgOf<'request-started'>, secrets: Secrets, hasBody: boolean): string[] {
  const { headers, url } = started
  const words: string[] = []
  const authority = /^https?:\/\/([^/?#]*)/iu.exec(url)?.[1]?.replace(/^.*@/u, '') ?? ''
  for (const [name, recorded] of headers) {
    const lower = name.toLowerCase()
    const value = bytesAsText(recorded)
    if (!token.test(name) || /\n/u.test(value) || !isPrintable(value)) {
      secrets.comment(`left out, for it cannot be written here: the field ${name.slice(0, 80)}`)
      continue
    }
    if (ownFields.has(lower)) continue
    if (lower === 'host' && value.toLowerCase() === authority.toLowerCase()) continue
    words.push(`--header ${fieldWord(name, value, secrets)}`)
  }
  if (headerValues(headers, 'accept-encoding').length > 0) words.push('--compressed')
  return [...words, ...unwanted(headers, hasBody)]
}

/** Node reads fields as Latin-1; curl sends what stands in the command, which is UTF-8. */
function bytesAsText(value: string): string {
  if (!/^[\0-\xff]*$/u.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : value
}

/** Fields that curl adds by itself, taken out where the client sent none. */
function unwanted(headers: HeaderPairs, hasBody: boolean): string[] {
  const own = ['Accept', 'User-Agent', ...(hasBody ? ['Content-Type', 'Expect'] : [])]
  return own
    .filter((name) => name === 'Expect' || headerValues(headers, name).length === 0)
    .map((name) => `--header '${name}:'`)
}

function fieldWord(name: string, value: string, secrets: Secrets): string {
  // So curl writes a field without a value.
  if (value === '') return quoteWord(`${name};`)
  if (!value.includes(redacted)) return quoteWord(`${name}: ${value}`)
  return quoteParts(secrets.ofField(name, value))
}

function urlWord(url: string, secrets: Secrets): string {
  const sent = url.toWellFormed().replaceAll(/[^\x21-\x7e]/gu, encodeURIComponent)
  const parts: Array<string | Secret> = []
  let from = 0
  for (let at = sent.indexOf(redacted); at !== -1; at = sent.indexOf(redacted, from)) {
    const before = sent.slice(from, at)
    const name = /[?&#]([^=&#]*)=$/u.exec(before)?.[1] ?? 'userinfo'
    parts.push(before, secrets.ofParameter(name))
    from = at + redacted.length
  }
  return quoteParts([...parts, sent.slice(from)])
}

/** Of one command: where its masked values come from, and what is to be said about it. */
interface Secrets {
  /** The line of a field whose value is masked. */
  ofField(name: string, value: string): ReadonlyArray<string | Secret>
  ofParameter(name: string): Secret
  comment(text: string): void
  comments(): string[]
}

function createSecrets(
  started: MsgOf<'request-started'>,
  source: SecretSource | undefined,
): Secrets {
  const { url } = started
  const needed = new Set<string>()
  const others: string[] = []
  const signed = started.headers.some(
    ([name, value]) => /^authorization$/iu.test(name) && /^aws4-/iu.test(value),
  )
  const need = (name: string, isBearer: boolean): Secret => {
    const variable = secretVariable(url, name, isBearer)
    const value = source?.variable(url, variable)
    if (value === undefined) needed.add(variable)
    return { variable, value }
  }
  return {
    ofField: (name, value) => {
      const whole = source?.field(url, name)
      if (whole !== undefined) return [`${name}: ${whole}`]
      const part = need(name, /^bearer /iu.test(value))
      // Of cookies every value is masked: one variable holds them all.
      if (/cookie/iu.test(name)) return [`${name}: `, part]
      const [before = '', ...rest] = value.split(redacted)
      return [`${name}: ${before}`, ...rest.flatMap((text) => [part, text])]
    },
    ofParameter: (name) => need(name, false),
    comment: (text) => void others.push(text),
    comments: () => [
      ...others,
      ...(needed.size === 0 ? [] : [`needs ${[...needed].join(', ')} in the environment`]),
      ...(signed ? ['its signature (AWS) was good once: sign it anew'] : []),
    ],
  }
}
