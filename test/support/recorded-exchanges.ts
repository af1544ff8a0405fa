/**
 * Recorded exchanges: a corpus that may lie beside the checkout (or where PORTHOLE_CORPUS says), and
 * the few small ones of it that are kept here as fixtures, in the same form.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'

import type { HeaderPairs } from '../../src/messages/schema.ts'
import type { ExchangeSpec } from './run-analyzers.ts'

interface RecordedBody {
  readonly text?: string
  readonly base64?: string
}

export interface RecordedExchange {
  readonly id: string
  readonly request: {
    readonly method: string
    readonly url: string
    readonly headers: HeaderPairs
    readonly body?: RecordedBody
  }
  readonly response: {
    readonly status: number
    readonly headers: HeaderPairs
    readonly body?: RecordedBody
  }
}

const root = resolve(import.meta.dirname, '..', '..')
const folder = process.env['PORTHOLE_CORPUS'] ?? resolve(root, '..', 'shared', 'corpus')
const corpusFile = resolve(folder, 'wire.jsonl.gz')

/** Where the corpus is, or undefined. */
export const corpusPath: string | undefined = existsSync(corpusFile) ? corpusFile : undefined

export function readCorpus(): RecordedExchange[] {
  return corpusPath === undefined ? [] : parseLines(gunzipSync(readFileSync(corpusPath)).toString())
}

/** One of `test/fixtures/analyzers/*.json`. */
export function readRecorded(name: string): RecordedExchange {
  const path = resolve(root, 'test', 'fixtures', 'analyzers', `${name}.json`)
  return JSON.parse(readFileSync(path, 'utf8')) as RecordedExchange
}

function parseLines(text: string): RecordedExchange[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RecordedExchange)
}

export function bodyBytes(body: RecordedBody | undefined): Buffer {
  if (body?.text !== undefined) return Buffer.from(body.text, 'utf8')
  return Buffer.from(body?.base64 ?? '', 'base64')
}

/** The exchange as `exchangeMessages` takes it. */
export function specOf({ id, request, response }: RecordedExchange): ExchangeSpec {
  return {
    exchangeId: id,
    request: {
      method: request.method,
      url: request.url,
      headers: request.headers,
      body: bodyBytes(request.body),
    },
    response: {
      status: response.status,
      headers: response.headers,
      body: bodyBytes(response.body),
    },
  }
}
