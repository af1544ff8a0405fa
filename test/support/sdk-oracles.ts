/**
 * What the providers' own SDKs make of the bytes of a stream: the reference for merging. The SDKs
 * get the bytes through their `fetch` option; nothing touches a network.
 */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'

import type { Json } from '../../src/messages/schema.ts'

export async function sdkResult(format: string, body: Uint8Array): Promise<Json> {
  if (format === 'openai-chat') return plain(await chatCompletion(body))
  if (format === 'openai-responses') return plain(await response(body))
  if (format === 'anthropic-messages') return plain(await message(body))
  throw new Error(`no SDK for ${format}`)
}

function fetchOf(body: Uint8Array): () => Promise<Response> {
  return async () =>
    new Response(Buffer.from(body), { headers: { 'content-type': 'text/event-stream' } })
}

async function chatCompletion(body: Uint8Array): Promise<unknown> {
  const client = new OpenAI({ apiKey: 'none', fetch: fetchOf(body), maxRetries: 0 })
  return client.chat.completions
    .stream({ model: 'any', messages: [], stream: true })
    .finalChatCompletion()
}

async function response(body: Uint8Array): Promise<unknown> {
  const client = new OpenAI({ apiKey: 'none', fetch: fetchOf(body), maxRetries: 0 })
  return client.responses.stream({ model: 'any', input: 'any' }).finalResponse()
}

async function message(body: Uint8Array): Promise<unknown> {
  const client = new Anthropic({ apiKey: 'none', fetch: fetchOf(body), maxRetries: 0 })
  return client.messages.stream({ model: 'any', messages: [], max_tokens: 1 }).finalMessage()
}

/** What the SDK's helper for runs of assistants accumulates, in three pieces as it gives them. */
export async function assistantsResult(
  body: Uint8Array,
): Promise<{ readonly run: Json; readonly messages: Json; readonly steps: Json }> {
  const client = new OpenAI({ apiKey: 'none', fetch: fetchOf(body), maxRetries: 0 })
  const stream = client.beta.threads.runs.stream('thread_any', { assistant_id: 'asst_any' })
  const [run, messages, steps] = await Promise.all([
    stream.finalRun(),
    stream.finalMessages(),
    stream.finalRunSteps(),
  ])
  return { run: plain(run), messages: plain(messages), steps: plain(steps) }
}

/** As JSON holds it: what the SDKs keep beside the data (getters, symbols) is gone. */
function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

/**
 * The SDK's result without what only the SDK adds. Every rule here is an accepted difference:
 * - `parsed`, `parsed_arguments`, `parsed_output`, `output_parsed`: its structured-output helper's fields.
 * - `output_text`: its own convenience, the text that stands in `output` already.
 */
export function withoutSdkExtras(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutSdkExtras)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !sdkOnly.has(key))
      .map(([key, inner]) => [key, withoutSdkExtras(inner)]),
  )
}

const sdkOnly = new Set([
  'parsed',
  'parsed_arguments',
  'parsed_output',
  'output_parsed',
  'output_text',
])
