/**
 * What the providers' own SDKs make of the bytes of a stream: the reference for merging. The SDKs
 * get the bytes through their `fetch` option; nothing touches a network.
 */
import Anthropic from '@anthropic-ai/sdk'
import type { Candidate, Part } from '@google/genai'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'

import type { Json } from '../../src/messages/schema.ts'

export async function sdkResult(format: string, body: Uint8Array): Promise<Json> {
  if (format === 'openai-chat') return plain(await chatCompletion(body))
  if (format === 'openai-responses') return plain(await response(body))
  if (format === 'anthropic-messages') return plain(await message(body))
  if (format === 'gemini') return plain(await generatedContent(body))
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

/**
 * Google's SDK hands out every event, and its chats keep the contents of the first candidate one
 * after the other. Here that is done for every candidate, with adjacent text put together, which is
 * all that the merger adds. In its Vertex mode the SDK renames no field.
 */
async function generatedContent(body: Uint8Array): Promise<unknown> {
  const httpOptions = { fetch: fetchOf(body) }
  const client = new GoogleGenAI({ vertexai: true, apiKey: 'none', httpOptions })
  const events = await client.models.generateContentStream({ model: 'any', contents: 'any' })
  const candidates = new Map<number, Candidate>()
  const answer = {}
  for await (const { sdkHttpResponse: _, candidates: found, ...rest } of events) {
    Object.assign(answer, rest)
    for (const candidate of found ?? []) {
      const index = candidate.index ?? 0
      const before = candidates.get(index)
      const content = contentOf(before, candidate)
      candidates.set(index, { ...before, ...candidate, ...(content && { content }) })
    }
  }
  const all = [...candidates].toSorted(([a], [b]) => a - b).map(([, candidate]) => candidate)
  return { ...answer, ...(all.length > 0 && { candidates: all }) }
}

function contentOf(before: Candidate | undefined, next: Candidate): Candidate['content'] {
  if (next.content === undefined) return before?.content
  const parts = [...(before?.content?.parts ?? []), ...(next.content.parts ?? [])]
  return { ...before?.content, ...next.content, parts: parts.reduce<Part[]>(joined, []) }
}

function joined(parts: readonly Part[], part: Part): Part[] {
  const last = parts.at(-1)
  const isJoined =
    last !== undefined && isText(last) && isText(part) && last.thought === part.thought
  if (!isJoined) return [...parts, part]
  return [...parts.slice(0, -1), { ...last, text: `${last.text}${part.text}` }]
}

/** Text and nothing else but that it is a thought. */
function isText(part: Part): boolean {
  return (
    part.text !== undefined && Object.keys(part).every((key) => key === 'text' || key === 'thought')
  )
}

/** What a chat of Google's SDK remembers as the model's words after a stream. */
export async function geminiHistory(body: Uint8Array): Promise<Json> {
  const httpOptions = { fetch: fetchOf(body) }
  const chat = new GoogleGenAI({ apiKey: 'none', httpOptions }).chats.create({ model: 'any' })
  for await (const _ of await chat.sendMessageStream({ message: 'any' })) continue
  const turns = chat.getHistory().filter(({ role }) => role === 'model')
  return plain(turns.flatMap(({ parts }) => parts ?? []))
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
