/**
 * What a recorded stream adds up to, by the provider's own SDK where it has an accumulator and by
 * plain accumulation where it has none: the reference that merged streams are compared with.
 */
import { gunzipSync } from 'node:zlib'

import type { JsonRecord } from '../../analyzers/wire/json.ts'
import { recordOf } from '../../analyzers/wire/json.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import type { MsgOf } from '../../src/messages/schema.ts'
import { asServerSent, innerEvents } from './aws-frames.ts'
import type { RecordedExchange } from './recorded-exchanges.ts'
import { bodyBytes } from './recorded-exchanges.ts'
import { assistantsResult, sdkResult, withoutSdkExtras } from './sdk-oracles.ts'
import { accumulate } from './stream-accumulation.ts'

/** The body without its coding; of streams, only gzip is recorded. */
export function plainBody({ response }: RecordedExchange): Buffer {
  const bytes = bodyBytes(response.body)
  return headerValues(response.headers, 'content-encoding').includes('gzip')
    ? gunzipSync(bytes)
    : bytes
}

/** The reference for a stream that was merged as `format`. */
export async function mergedByOracle(
  recording: RecordedExchange,
  format: string,
): Promise<unknown> {
  const { pathname } = new URL(recording.request.url)
  const body = plainBody(recording)
  if (format === 'openai-assistants') return assistantsResult(body)
  if (/anthropic.*\/invoke-with-response-stream$/u.test(pathname)) {
    const sse = asServerSent(innerEvents(body))
    return withoutSdkExtras(await sdkResult('anthropic-messages', sse))
  }
  if (['openai-chat', 'openai-responses', 'anthropic-messages'].includes(format)) {
    return withoutSdkExtras(await sdkResult(format, bytesForSdk(recording)))
  }
  return accumulate(pathname, body)
}

/** What was merged, in the form in which the reference has it. */
export function comparable({ format, merged }: MsgOf<'stream-merged'>): unknown {
  const copy = JSON.parse(JSON.stringify(merged)) as JsonRecord
  if (format !== 'openai-assistants') return copy
  const { messages, run_steps: steps, ...run } = recordOf(copy)
  return { run, messages, steps }
}

/** Writer repeats each delta as `message` with `tool_calls: null`, on which the SDK throws. */
export function bytesForSdk({ request, response }: RecordedExchange): Buffer {
  const bytes = bodyBytes(response.body)
  if (new URL(request.url).hostname !== 'api.writer.com') return bytes
  return Buffer.from(bytes.toString().replaceAll(/^data: (\{.*\})$/gmu, withoutRepetition))
}

function withoutRepetition(_line: string, json: string): string {
  const isNullCall = (key: string, value: unknown): boolean =>
    key === 'message' || (key === 'tool_calls' && value === null)
  const event: unknown = JSON.parse(json)
  return `data: ${JSON.stringify(event, (key, value: unknown) => (isNullCall(key, value) ? undefined : value))}`
}
