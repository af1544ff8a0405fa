/**
 * Which models and tools a request names, for rules about them: everything that some server may
 * take for one. Where that cannot be told (a body that is neither JSON nor a form, in a coding that
 * does not open, or that readers take differently) it says so, and a rule that blocks blocks.
 */
import { createContentDecoder, parseContentEncoding } from '../../src/base/content-decoder.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'
import type { RequestNames } from '../../src/policy/rules/match-rule.ts'
import { sentTargets } from '../../src/policy/tokens/sent-target.ts'
import { TokenScanner, withoutTokens } from '../../src/policy/tokens/token-scanner.ts'
import { readContentType } from '../wire/headers.ts'
import { readMultipart } from '../wire/multipart.ts'
import { namesInJson } from './names-in-json.ts'
import type { JsonNames } from './names-in-json.ts'
import { namesInTarget } from './names-in-target.ts'

export interface NamingRequest {
  readonly host: string
  /** Origin form, with its query. */
  readonly path: string
  readonly headers: HeaderPairs
}

/** Decoded bytes that are looked at. */
const maxDecodedBytes = 64 * 1024 * 1024
/** Bytes of a coded body that are decoded in one turn of the event loop. */
const stepBytes = 64 * 1024
/** … that are searched for tokens in one turn. */
const scannedBytes = 256 * 1024

/** `body` as it was sent; undefined where it is not to be seen. */
export async function readRequestNames(
  request: NamingRequest,
  body: Buffer | undefined,
): Promise<RequestNames> {
  const targets = sentTargets(request.path).map((path) => namesInTarget(request.host, path))
  const found = body === undefined ? unseen : await namesInBody(request.headers, body)
  return {
    models: [...targets.flatMap(({ models }) => models), ...found.models].map(spellingsOf),
    possible: targets.flatMap(({ possible }) => possible),
    tools: found.tools,
    isCertain: targets.every(({ isCertain }) => isCertain) && found.isCertain,
  }
}

const unseen: JsonNames = { models: [], tools: [], isCertain: false }
const none: JsonNames = { ...unseen, isCertain: true }

async function namesInBody(headers: HeaderPairs, body: Buffer): Promise<JsonNames> {
  if (body.length === 0) return none
  const codings = parseContentEncoding(headerValues(headers, 'content-encoding'))
  const plain = codings.length === 0 ? body : await decode(codings, body)
  if (plain === undefined || headerValues(headers, 'content-type').length > 1) return unseen
  const type = readContentType(headers)
  const [typeField = ''] = headerValues(headers, 'content-type')
  if (withoutTokens(typeField) !== typeField) return unseen
  const found = await namesInPlain(type, plain)
  // A token may be taken out on the way, and what stood around it be read as one word.
  const tokenless = await bodyWithoutTokens(plain)
  return tokenless === undefined ? found : either(found, await namesInPlain(type, tokenless))
}

async function namesInPlain(
  { mediaType, boundary }: ReturnType<typeof readContentType>,
  plain: Buffer,
): Promise<JsonNames> {
  if (mediaType?.startsWith('multipart/') === true) return namesInForm(plain, boundary)
  const names = namesInJson(plain)
  for (;;) {
    const next = names.next()
    if (next.done === true) return next.value
    await nextTurn()
  }
}

function either(one: JsonNames, other: JsonNames): JsonNames {
  return {
    models: [...one.models, ...other.models],
    tools: [...one.tools, ...other.tools],
    isCertain: one.isCertain && other.isCertain,
  }
}

/** Undefined where there are none. */
async function bodyWithoutTokens(body: Buffer): Promise<Buffer | undefined> {
  const scanner = new TokenScanner()
  let kept: Buffer[] | undefined
  let told = 0
  const take = (pieces: ReturnType<TokenScanner['push']>): void => {
    for (const piece of pieces) {
      if (typeof piece !== 'string') kept ??= [body.subarray(0, told)]
      else kept?.push(Buffer.from(piece, 'latin1'))
      told += typeof piece === 'string' ? piece.length : piece.written.length
    }
  }
  for (let at = 0; at < body.length; at += scannedBytes) {
    if (at > 0) await nextTurn()
    take(scanner.push(body.toString('latin1', at, at + scannedBytes)))
  }
  take(scanner.end())
  return kept && Buffer.concat(kept)
}

/** Undefined for what does not open, or not within bounds. */
async function decode(codings: readonly string[], body: Buffer): Promise<Buffer | undefined> {
  const decoder = createContentDecoder(codings, { outputBytes: maxDecodedBytes })
  const pieces: Uint8Array[] = []
  for (let at = 0; at < body.length && decoder.state.kind === 'open'; at += stepBytes) {
    if (at > 0) await nextTurn()
    pieces.push(decoder.push(body.subarray(at, at + stepBytes)))
  }
  return decoder.end().kind === 'ended' ? Buffer.concat(pieces) : undefined
}

/** Only a form in which every delimiter is where this reader found one. */
function namesInForm(body: Buffer, boundary: string | undefined): JsonNames {
  const form = readMultipart(body, boundary, true)
  if (form === undefined || form.problem !== undefined || boundary === undefined) return unseen
  const delimiter = `--${boundary}`
  const isWhole = body.indexOf(delimiter) === 0 && endsForm(body, delimiter)
  if (!isWhole || countOf(body, delimiter) !== form.parts.length + 1) return unseen
  const models: string[] = []
  for (const { name, text } of form.parts) {
    if (name === undefined) return unseen
    if (!/^models?(?:\[\])?$/iu.test(name)) continue
    if (text === undefined) return unseen
    models.push(text.trim())
  }
  return { models, tools: [], isCertain: true }
}

function endsForm(body: Buffer, delimiter: string): boolean {
  const tail = body.toString('latin1', Math.max(0, body.length - delimiter.length - 4))
  return tail.trimEnd().endsWith(`${delimiter}--`)
}

function countOf(body: Buffer, text: string): number {
  let count = 0
  for (let at = body.indexOf(text); at !== -1; at = body.indexOf(text, at + text.length)) count += 1
  return count
}

/** A name with its collection and without: `models/gemini-2.5-pro` is `gemini-2.5-pro`. */
function spellingsOf(name: string): string[] {
  const bare = name.replace(/^(?:.*\/)?models\//u, '')
  return bare === name ? [name] : [name, bare]
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
