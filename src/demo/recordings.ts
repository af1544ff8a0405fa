/**
 * The recorded exchanges that ship with Porthole: real answers of model providers, byte for byte.
 * Where they come from stands beside them, in ORIGIN.md.
 */
import { readdir, readFile } from 'node:fs/promises'

import { z } from 'zod'

import { decodeBytes } from '../messages/codec.ts'

const body = z.object({ text: z.string().optional(), base64: z.string().optional() }).nullish()
const headers = z.array(z.tuple([z.string(), z.string()]))
const exchangeSchema = z.object({
  id: z.string(),
  request: z.object({ method: z.string(), url: z.url(), headers, body }),
  response: z.object({ status: z.int().min(200).max(599), headers, body }),
})

/** One exchange as it was recorded; a missing body means no bytes. */
export type RecordedExchange = z.infer<typeof exchangeSchema>
export type RecordedBody = RecordedExchange['response']['body']

/** The same place relative to this module in a checkout and in dist. */
const folder = new URL('../../test/fixtures/provider/', import.meta.url)

/** All recordings, in the order of their file names. */
export async function loadRecordings(): Promise<RecordedExchange[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  return Promise.all(
    names.map(async (name) => parseRecording(await readFile(new URL(name, folder), 'utf8'))),
  )
}

/** Throws on anything that is not a recorded exchange. */
export function parseRecording(json: string): RecordedExchange {
  return exchangeSchema.parse(JSON.parse(json))
}

export function bodyBytes(body: RecordedBody): Buffer {
  return decodeBytes(body ?? {})
}

/** The headers a server sends itself, or that hold for one connection only, are left out. */
export function servableHeaders(exchange: RecordedExchange): Array<[string, string]> {
  return exchange.response.headers.filter(([name]) => !connectionHeaders.has(name.toLowerCase()))
}

const connectionHeaders = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
])

/** A Server-Sent Events body cut after each blank line; joined, the parts are the body again. */
export function splitEvents(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  while (start < bytes.length) {
    const blank = bytes.indexOf('\n\n', start)
    const end = blank < 0 ? bytes.length : blank + 2
    parts.push(bytes.subarray(start, end))
    start = end
  }
  return parts
}
