/**
 * What a 101 says of the frames that follow: the extensions its server chose (RFC 6455 §9.1). Only
 * permessage-deflate (RFC 7692) is understood. Its window sizes do not matter to a reader: a larger
 * window reads what was written for a smaller one (§7.1.2).
 */
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'

export interface Compression {
  /** Whether messages refer back to earlier ones of their direction (§7.1.1). */
  readonly keepsContext: { readonly request: boolean; readonly response: boolean }
}

export type Negotiated =
  | { readonly ok: true; readonly compression: Compression | undefined }
  | { readonly ok: false; readonly problem: string }

/** From the head of a 101. Not ok where the frames may mean what no reader here would know. */
export function readNegotiated(head: HeaderPairs): Negotiated {
  let compression: Compression | undefined
  for (const extension of headerValues(head, 'sec-websocket-extensions').flatMap(splitList)) {
    const [name = '', ...parameters] = extension.split(';').map((part) => part.trim())
    if (name.toLowerCase() !== 'permessage-deflate') {
      return { ok: false, problem: `the extension ${name.slice(0, 40)} is not known` }
    }
    const read = compression === undefined ? readParameters(parameters) : undefined
    if (read === undefined) {
      return { ok: false, problem: 'the parameters of permessage-deflate are not known' }
    }
    compression = read
  }
  return { ok: true, compression }
}

/** A quoted value must hold a token (RFC 6455 §9.1), so none holds a comma. */
function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

const windowBits =
  /^(?:client|server)_max_window_bits\s*=\s*(?:"(?:[89]|1[0-5])"|(?:[89]|1[0-5]))$/u

function readParameters(parameters: readonly string[]): Compression | undefined {
  const keepsContext = { request: true, response: true }
  for (const parameter of parameters.map((text) => text.toLowerCase())) {
    if (parameter === 'client_no_context_takeover') keepsContext.request = false
    else if (parameter === 'server_no_context_takeover') keepsContext.response = false
    else if (!windowBits.test(parameter)) return undefined
  }
  return { keepsContext }
}
