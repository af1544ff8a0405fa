/**
 * Which requests are model calls, and who answers them, as data. Paths match by suffix: gateways
 * and compatibles put their own prefix before them. The host names the provider; it never decides
 * whether a request is a model call.
 */
import type { JsonRecord } from '../wire/json.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import { openaiRunsWire } from './openai-assistants-wire.ts'
import { openaiAssistants } from './openai-assistants.ts'
import { openaiSpeech, openaiTranscript } from './openai-audio.ts'
import { openaiChatWire } from './openai-chat-wire.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiCompletions } from './openai-completions.ts'
import { openaiImages } from './openai-images.ts'
import {
  openaiImagesWire,
  openaiModerationsWire,
  openaiSpeechWire,
  openaiTranscriptionWire,
  openaiTranslationWire,
} from './openai-media-wire.ts'
import { openaiCompletionsWire, openaiEmbeddingsWire } from './openai-plain-wire.ts'
import { createRealtimeDialect } from './openai-realtime-socket.ts'
import { createResponsesDialect } from './openai-responses-socket.ts'
import { openaiCompactWire, openaiResponsesWire } from './openai-responses-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import type { SocketDialect } from './socket-dialect.ts'
import type { StreamFormat } from './stream-format.ts'
import { errorIn } from './stream-format.ts'

/** Every streamed format, in the order in which shapes are tried. */
const streamFormats: readonly StreamFormat[] = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  openaiCompletions,
  openaiAssistants,
  openaiImages,
  openaiSpeech,
  openaiTranscript,
]

const endpoints: ReadonlyArray<{ readonly path: RegExp; readonly wire: ModelWire }> = [
  { path: /\/chat\/completions$/u, wire: openaiChatWire },
  { path: /\/responses$/u, wire: openaiResponsesWire },
  { path: /\/completions$/u, wire: openaiCompletionsWire },
  { path: /\/embeddings$/u, wire: openaiEmbeddingsWire },
  { path: /\/v1\/messages$/u, wire: anthropicMessagesWire },
  { path: /\/responses\/compact$/u, wire: openaiCompactWire },
  { path: /\/images\/(?:generations|edits|variations)$/u, wire: openaiImagesWire },
  { path: /\/audio\/speech$/u, wire: openaiSpeechWire },
  { path: /\/audio\/transcriptions$/u, wire: openaiTranscriptionWire },
  { path: /\/audio\/translations$/u, wire: openaiTranslationWire },
  { path: /\/moderations$/u, wire: openaiModerationsWire },
  { path: /\/threads\/(?:[^/]+\/)?runs$/u, wire: openaiRunsWire },
  { path: /\/threads\/[^/]+\/runs\/[^/]+\/submit_tool_outputs$/u, wire: openaiRunsWire },
]

/** The wire format of a model call, or undefined if method and path are not of one. */
export function recognizeCall(method: string, target: CallTarget): ModelWire | undefined {
  if (method !== 'POST') return undefined
  return endpoints.find((endpoint) => endpoint.path.test(target.path))?.wire
}

/** The streamed format that answers on this path have; a stored response can be replayed too. */
export function streamFormatByPath(url: string): StreamFormat | undefined {
  const path = pathOf(url)
  if (/\/responses\/[^/]+$/u.test(path)) return openaiResponses
  return endpoints.find((endpoint) => endpoint.path.test(path))?.wire.stream
}

/**
 * The format of an event's data: the one of its path if the shape fits, else the one that does. An
 * error has no shape of its own, and so the format of its path.
 */
export function recognizeStream(
  byPath: StreamFormat | undefined,
  data: JsonRecord,
): StreamFormat | undefined {
  if (byPath?.matches(data) === true) return byPath
  const byShape = streamFormats.find((format) => format.matches(data))
  return byShape ?? (errorIn(data) === undefined ? undefined : byPath)
}

/** The wire format whose streams are named so in `stream-merged`. */
export function wireOfStream(name: string): ModelWire | undefined {
  return endpoints.find((endpoint) => endpoint.wire.stream?.name === name)?.wire
}

const sockets: ReadonlyArray<{
  readonly path: RegExp
  readonly open: (target: CallTarget) => SocketDialect
}> = [
  { path: /\/responses$/u, open: createResponsesDialect },
  { path: /\/realtime$/u, open: createRealtimeDialect },
]

/** How model calls are told apart on a WebSocket to this place, or undefined if it has none. */
export function dialectOf(target: CallTarget): SocketDialect | undefined {
  return sockets.find((socket) => socket.path.test(target.path))?.open(target)
}

/** The model that a path names: Azure calls it a deployment. */
export function modelInPath({ path }: CallTarget): string | undefined {
  const name = /\/deployments\/([^/]+)\//u.exec(path)?.[1]
  if (name === undefined) return undefined
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

const hosts: ReadonlyArray<{ readonly host: RegExp; readonly provider: string }> = [
  { host: /(?:^|\.)api\.openai\.com$/u, provider: 'openai' },
  { host: /^chatgpt\.com$/u, provider: 'openai' },
  { host: /^api\.anthropic\.com$/u, provider: 'anthropic' },
  {
    host: /\.(?:openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com)$/u,
    provider: 'azure',
  },
  { host: /^(?:.*\.)?(?:amazonaws\.com|api\.aws)$/u, provider: 'aws' },
  { host: /(?:^|\.)googleapis\.com$/u, provider: 'google' },
  { host: /^api\.groq\.com$/u, provider: 'groq' },
  { host: /^(?:api|codestral)\.mistral\.ai$/u, provider: 'mistral' },
  { host: /^api\.together\.(?:xyz|ai)$/u, provider: 'together' },
  { host: /^api\.deepseek\.com$/u, provider: 'deepseek' },
  { host: /^api\.x\.ai$/u, provider: 'x-ai' },
  { host: /^openrouter\.ai$/u, provider: 'openrouter' },
  { host: /(?:^|\.)githubcopilot\.com$/u, provider: 'github-copilot' },
  { host: /^api\.cohere\.(?:ai|com)$/u, provider: 'cohere' },
  { host: /^api\.perplexity\.ai$/u, provider: 'perplexity' },
  { host: /^api\.fireworks\.ai$/u, provider: 'fireworks' },
  { host: /^api\.cerebras\.ai$/u, provider: 'cerebras' },
  { host: /^api\.moonshot\.(?:ai|cn)$/u, provider: 'moonshotai' },
]

/** The provider's name, or the host itself. `host` may carry a port. */
export function providerOf(host: string): string {
  const name = host.toLowerCase().replace(/:\d+$/u, '')
  return hosts.find((row) => row.host.test(name))?.provider ?? host
}

/** Reads an absolute or origin-form URL; `host` as in `request-started`, with or without a port. */
export function targetOf(host: string, url: string): CallTarget {
  const path = pathOf(url)
  const query = /\?([^#]*)/u.exec(url)?.[1] ?? ''
  return { host: host.toLowerCase().replace(/:\d+$/u, ''), path, query }
}

/** The path of an absolute or origin-form URL, without its query. */
function pathOf(url: string): string {
  const start = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/iu.exec(url)?.[0].length ?? 0
  return url.slice(start).replace(/[?#].*$/su, '')
}
