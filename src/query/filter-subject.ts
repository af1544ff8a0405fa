/**
 * What a filter looks at: one row of the viewer, one record of a capture, one entry of the index.
 * Each of those says here what it knows; what it does not know matches nothing. Functions are for
 * what is dear to make: they are called only where an expression asks.
 */
import type { HeaderPairs } from '../messages/schema.ts'

export interface FilterSubject {
  readonly kind: 'call' | 'api' | 'mcp' | 'http' | 'tunnel' | 'refused' | 'tls'
  readonly method: string
  /** Absolute; of what has no URL, empty. */
  readonly url: string
  /** With its port where that is not the scheme's own; empty while unknown. */
  readonly host: string
  readonly status: number | undefined
  /** An answer has begun. */
  readonly hasResponse: boolean
  /** It failed: no answer, a status from 400 on, an error in the answer, a refusal. */
  readonly isError: boolean
  readonly agent: string | undefined
  readonly provider: string | undefined
  readonly model: string | undefined
  /** `chat`, `files.create`, `tools/call`, …. */
  readonly operation?: string | undefined
  /** `model-answered.finishReason`. */
  readonly stop: string | undefined
  readonly cacheVerdict: 'hit' | 'partial' | 'miss' | 'unknown' | undefined
  /** Ids of its session: Porthole's, and the client's own. */
  readonly sessions: readonly string[]
  /** Dollars; undefined where unknown. */
  readonly costUsd: number | undefined
  /** Input, cached or not, and output. */
  readonly tokens: number | undefined
  readonly ttftMs: number | undefined
  readonly durationMs: number | undefined
  /** Names of the tools that the answer calls. */
  tools(): readonly string[]
  requestHeaders(): HeaderPairs
  responseHeaders(): HeaderPairs
  /** Decoded, as far as it is kept and text; else empty. */
  requestBody(): string
  responseBody(): string
  /** Prompt and answer as text, as far as they are kept. */
  conversation(): string
}
