/** Reading header pairs as messages carry them (RFC 9110 §5, §8.3): names without case. */
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'

export interface ContentType {
  /** `type/subtype` in lower case; absent if the header is missing or malformed. */
  readonly mediaType?: string
  /** Lower case, unquoted. */
  readonly charset?: string
  /** Of multipart bodies, as it stands. */
  readonly boundary?: string
}

export function readContentType(headers: HeaderPairs): ContentType {
  const value = headerValues(headers, 'content-type').at(-1)
  if (value === undefined) return {}
  if (value.length > keptLength) return parseContentType(value)
  const known = knownTypes.get(value)
  if (known !== undefined) return known
  if (knownTypes.size >= maxKnownTypes) knownTypes.clear()
  const type = parseContentType(value)
  knownTypes.set(value, type)
  return type
}

/** What has been read before: several ask for each, and there are few. Emptied when it is full. */
const knownTypes = new Map<string, ContentType>()
const maxKnownTypes = 64
/** UTF-16 units; longer values are not kept. */
const keptLength = 100

function parseContentType(value: string): ContentType {
  const [essence = '', ...parameters] = value.split(';')
  const mediaType = essence.trim().toLowerCase()
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/iu.exec(parameter)?.[1])
    .find((found) => found !== undefined)
  const boundary = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))/iu.exec(value)
  const named = boundary?.[1] ?? boundary?.[2]
  return {
    ...(named === undefined ? {} : { boundary: named }),
    ...(/^[\w.!#$&^+-]+\/[\w.!#$&^+-]+$/u.test(mediaType) ? { mediaType } : {}),
    ...(charset === undefined ? {} : { charset: charset.toLowerCase() }),
  }
}
