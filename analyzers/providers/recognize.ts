/**
 * Which requests are model calls, and who answers them, as data. Paths match by suffix: gateways
 * and compatibles put their own prefix before them. The host names the provider; it never decides
 * whether a request is a model call.
 */
import type { JsonRecord } from '../wire/json.ts'
import { anthropicComplete, anthropicCompleteWire } from './anthropic-complete.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import { anthropicBatchesWire, anthropicCountWire } from './anthropic-plain-wire.ts'
import { bedrockConverseWire } from './bedrock-converse-wire.ts'
import { bedrockCountWire } from './bedrock-count-wire.ts'
import { bedrockEmbeddingsWire, bedrockInvokeWire } from './bedrock-invoke-wire.ts'
import { cohereChatWire, cohereV1ChatWire } from './cohere-chat-wire.ts'
import { cohereChat } from './cohere-chat.ts'
import { cohereEmbedWire, cohereGenerateWire, cohereRerankWire } from './cohere-plain-wire.ts'
import { cohereV1Chat } from './cohere-v1-chat.ts'
import { modelBeforeMethod } from './gemini-model.ts'
import { geminiWire } from './gemini-wire.ts'
import { gemini } from './gemini.ts'
import { geminiCountTokensWire, geminiEmbedWire, vertexPredictWire } from './google-plain-wire.ts'
import { mistralFimWire } from './mistral-fim-wire.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import { ollamaChatWire, ollamaEmbedWire, ollamaGenerateWire } from './ollama-wire.ts'
import { ollama } from './ollama.ts'
import { openaiChatWire } from './openai-chat-wire.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiCompletions } from './openai-completions.ts'
import { openaiCompletionsWire, openaiEmbeddingsWire } from './openai-plain-wire.ts'
import { openaiResponsesWire } from './openai-responses-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import { replicateWire } from './replicate.ts'
import type { StreamFormat } from './stream-format.ts'
import { errorIn } from './stream-format.ts'
import { voyageRerankWire } from './voyage-rerank-wire.ts'
import { writerCompletionsWire } from './writer-completions.ts'

/** Every streamed format, in the order in which shapes are tried. */
const streamFormats: readonly StreamFormat[] = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  openaiCompletions,
  ollama,
  cohereChat,
  cohereV1Chat,
  anthropicComplete,
  gemini,
]

interface Endpoint {
  readonly path: RegExp
  /** Where the same path means something else on other hosts. */
  readonly host?: RegExp
  readonly wire: ModelWire
}

const endpoints: readonly Endpoint[] = [
  { path: /\/v1\/chat$/u, host: /(?:^|\.)writer\.com$/u, wire: openaiChatWire },
  { path: /\/v1\/completions$/u, host: /(?:^|\.)writer\.com$/u, wire: writerCompletionsWire },
  { path: /\/v1\/rerank$/u, host: /(?:^|\.)voyageai\.com$/u, wire: voyageRerankWire },
  { path: /\/model\/[^?]*embed[^/]*\/invoke$/u, wire: bedrockEmbeddingsWire },
  { path: /\/model\/.+\/invoke(?:-with-response-stream)?$/u, wire: bedrockInvokeWire },
  { path: /\/model\/.+\/converse(?:-stream)?$/u, wire: bedrockConverseWire },
  { path: /\/model\/.+\/count-tokens$/u, wire: bedrockCountWire },
  { path: /\/api\/chat$/u, wire: ollamaChatWire },
  { path: /\/api\/generate$/u, wire: ollamaGenerateWire },
  { path: /\/api\/embed(?:dings)?$/u, wire: ollamaEmbedWire },
  { path: /\/v2\/chat$/u, wire: cohereChatWire },
  { path: /\/v1\/chat$/u, wire: cohereV1ChatWire },
  { path: /\/v1\/generate$/u, wire: cohereGenerateWire },
  { path: /\/v[12]\/embed$/u, wire: cohereEmbedWire },
  { path: /\/v[12]\/rerank$/u, wire: cohereRerankWire },
  { path: /\/chat\/completions$/u, wire: openaiChatWire },
  { path: /\/fim\/completions$/u, wire: mistralFimWire },
  { path: /\/agents\/completions$/u, wire: openaiChatWire },
  { path: /\/responses$/u, wire: openaiResponsesWire },
  { path: /\/completions$/u, wire: openaiCompletionsWire },
  { path: /\/embeddings$/u, wire: openaiEmbeddingsWire },
  { path: /\/v1\/messages$/u, wire: anthropicMessagesWire },
  { path: /\/v1\/messages\/count_tokens$/u, wire: anthropicCountWire },
  { path: /\/v1\/messages\/batches$/u, wire: anthropicBatchesWire },
  { path: /\/v1\/complete$/u, wire: anthropicCompleteWire },
  { path: /(?::|%3A)(?:g|streamG)enerateContent$/u, wire: geminiWire },
  { path: /(?::|%3A)countTokens$/u, wire: geminiCountTokensWire },
  { path: /(?::|%3A)(?:e|batchE|asyncBatchE)mbedContents?$/u, wire: geminiEmbedWire },
  {
    path: /\/publishers\/anthropic\/models\/(?!count-tokens)[^/]+(?::|%3A)(?:r|streamR)awPredict$/u,
    wire: anthropicMessagesWire,
  },
  {
    path: /\/publishers\/mistralai\/models\/[^/]+(?::|%3A)(?:r|streamR)awPredict$/u,
    wire: openaiChatWire,
  },
  { path: /\/models\/[^/]+(?::|%3A)predict$/u, wire: vertexPredictWire },
  {
    path: /\/v1\/(?:models\/[^/]+\/[^/]+\/|deployments\/[^/]+\/[^/]+\/)?predictions$/u,
    wire: replicateWire,
  },
]

function endpointOf({ host, path }: CallTarget): Endpoint | undefined {
  return endpoints.find((row) => row.path.test(path) && (row.host?.test(host) ?? true))
}

/** The wire format of a model call, or undefined if method and path are not of one. */
export function recognizeCall(method: string, target: CallTarget): ModelWire | undefined {
  return method.toUpperCase() === 'POST' ? endpointOf(target)?.wire : undefined
}

/** The streamed format that answers on this path have; a stored response can be replayed too. */
export function streamFormatByPath(url: string, host: string = ''): StreamFormat | undefined {
  const target = targetOf(host, url)
  if (/\/responses\/[^/]+$/u.test(target.path)) return openaiResponses
  return endpointOf(target)?.wire.stream
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

/** The model that a path names: Azure calls it a deployment, Replicate gives it an owner. */
export function modelInPath(target: CallTarget): string | undefined {
  const { path } = target
  const owned = /\/v1\/models\/([^/]+\/[^/]+)\/predictions$/u.exec(path)?.[1]
  if (owned !== undefined) return owned
  const named = modelBeforeMethod(target)
  if (named !== undefined) return named
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
  {
    host: /(?:^|\.)(?:githubcopilot\.com|copilot-proxy\.githubusercontent\.com)$/u,
    provider: 'github-copilot',
  },
  { host: /^api\.cohere\.(?:ai|com)$/u, provider: 'cohere' },
  { host: /^(?:.*\.)?ollama\.com$/u, provider: 'ollama' },
  { host: /^api\.perplexity\.ai$/u, provider: 'perplexity' },
  { host: /^api\.fireworks\.ai$/u, provider: 'fireworks' },
  { host: /^api\.cerebras\.ai$/u, provider: 'cerebras' },
  { host: /^api\.moonshot\.(?:ai|cn)$/u, provider: 'moonshotai' },
  { host: /(?:^|\.)writer\.com$/u, provider: 'writer' },
  { host: /^api\.voyageai\.com$/u, provider: 'voyageai' },
  { host: /^api\.replicate\.com$/u, provider: 'replicate' },
  { host: /^router\.huggingface\.co$/u, provider: 'huggingface' },
  { host: /^models\.github\.ai$/u, provider: 'github-models' },
]

/**
 * The provider's name; else the one that the wire format names, for servers that stand on any host;
 * else the host itself. `host` may carry a port.
 */
export function providerOf(host: string, byWire?: string): string {
  const name = host.toLowerCase().replace(/:\d+$/u, '')
  return hosts.find((row) => row.host.test(name))?.provider ?? byWire ?? host
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
