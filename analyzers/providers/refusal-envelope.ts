/**
 * What Porthole refuses, said in the form in which the provider of the call says its own errors, so
 * that the provider's SDK throws what its users catch. The form of a call is told by its wire
 * format, that of any other request by its host. An error is no stream, also where one was asked
 * for; Gemini's streams that are JSON arrays are the exception. Forms are of 2026-11, from the
 * providers' API references.
 */
import type { Refusal } from '../../src/pipeline/analyzer.ts'
import type { Exhausted } from '../../src/policy/rules/meter.ts'
import type { Rule } from '../../src/policy/rules/rule.ts'
import { anthropicCompleteWire } from './anthropic-complete.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import { anthropicBatchesWire, anthropicCountWire } from './anthropic-plain-wire.ts'
import { bedrockConverseWire } from './bedrock-converse-wire.ts'
import { bedrockCountWire } from './bedrock-count-wire.ts'
import { bedrockEmbeddingsWire, bedrockInvokeWire } from './bedrock-invoke-wire.ts'
import { cohereChatWire, cohereV1ChatWire } from './cohere-chat-wire.ts'
import { cohereEmbedWire, cohereGenerateWire, cohereRerankWire } from './cohere-plain-wire.ts'
import { geminiWire } from './gemini-wire.ts'
import { geminiCountTokensWire, geminiEmbedWire, vertexPredictWire } from './google-plain-wire.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import { ollamaChatWire, ollamaEmbedWire, ollamaGenerateWire } from './ollama-wire.ts'
import { providerOf } from './provider-hosts.ts'
import { dialectOf, recognizeCall, targetOf } from './recognize.ts'
import { replicateWire } from './replicate.ts'
import { voyageRerankWire } from './voyage-rerank-wire.ts'

export interface RefusedRequest {
  readonly method: string
  /** With or without a port. */
  readonly host: string
  /** Origin-form, with its query. */
  readonly path: string
}

type RefusalWords = Pick<Refusal, 'status' | 'reason' | 'message'>

/**
 * The same refusal, with a body that the client's SDK reads; OpenAI's and Anthropic's read what
 * Porthole says by itself, which names the rule too.
 */
export function inProvidersWords(refusal: Refusal, request: RefusedRequest): Refusal {
  const render = renderOf(request.method, targetOf(request.host, request.path))
  if (refusal.body !== undefined || render === openai || render === anthropic) return refusal
  const body = refusalBody(request, refusal)
  return body === undefined ? refusal : { ...refusal, body }
}

/** Of a budget that is used up, in the words of whoever would say so of their own. */
export function refuseSpentBudget(
  { name }: Pick<Rule, 'name'>,
  { message }: Pick<Exhausted, 'message'>,
  request: RefusedRequest,
): Refusal {
  const refusal = {
    // Not 429: clients would ask again.
    status: 403,
    reason: 'budget',
    message: `the rule ${name}: ${message}`,
    rule: name,
  }
  const body = refusalBody(request, refusal)
  return body === undefined ? refusal : { ...refusal, body }
}

type Render = (refusal: RefusalWords, target: CallTarget) => unknown

/** Undefined where the provider is not known: Porthole then speaks for itself. */
export function refusalBody(request: RefusedRequest, refusal: RefusalWords): Refusal['body'] {
  const target = targetOf(request.host, request.path)
  const render = renderOf(request.method, target)
  if (render === undefined) return undefined
  const text = `${JSON.stringify(render(refusal, target))}\n`
  return { contentType: 'application/json', text }
}

function renderOf(method: string, target: CallTarget): Render | undefined {
  const provider = providerOf(target.host, '')
  const wire = recognizeCall(method, target)
  const byWire = wire === undefined ? undefined : wordsOfWire.get(wire)
  // Claude is spoken to in its own words wherever it runs.
  if (byWire === anthropic) return anthropic
  if (wire !== undefined || dialectOf(target) !== undefined) {
    return ownWords[provider] ?? byWire ?? openai
  }
  return ownWords[provider] ?? wordsOfHost[provider]
}

const openai: Render = ({ status, reason, message }) => ({
  error: { message, type: named(openaiTypes, status, reason), code: reason, param: null },
})

const openaiTypes: Names = {
  budget: 'insufficient_quota',
  403: 'permission_denied_error',
  429: 'rate_limit_error',
  other: 'server_error',
}

const anthropic: Render = ({ status, reason, message }) => ({
  type: 'error',
  error: { type: named(anthropicTypes, status, reason), message },
})

const anthropicTypes: Names = {
  403: 'permission_error',
  429: 'rate_limit_error',
  other: 'api_error',
}

/** `google.rpc.Status`, as its JSON mapping writes it. */
const google: Render = ({ status, reason, message }, { path, query }) => {
  const name = reason.replaceAll('-', '_').toUpperCase()
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: name }
  const error = {
    error: {
      code: status,
      message,
      status: named(googleStatuses, status, reason),
      details: [{ ...info, domain: 'porthole' }],
    },
  }
  const isArray = /(?::|%3A)stream/u.test(path) && !/(?:^|&)alt=sse(?:&|$)/u.test(query)
  return isArray ? [error] : error
}

const googleStatuses: Names = {
  403: 'PERMISSION_DENIED',
  429: 'RESOURCE_EXHAUSTED',
  other: 'UNAVAILABLE',
}

/** The name of an AWS error usually stands in a field of the head; its SDKs look here too. */
const bedrock: Render = ({ status, reason, message }) => ({
  __type: named(awsTypes, status, reason),
  message,
})

const awsTypes: Names = {
  403: 'AccessDeniedException',
  429: 'ThrottlingException',
  other: 'ServiceUnavailableException',
}

const cohere: Render = ({ message }) => ({ message })
const ollama: Render = ({ message }) => ({ error: message })
const voyage: Render = ({ message }) => ({ detail: message })
const replicate: Render = ({ status, message }) => ({
  title: 'Refused by Porthole',
  detail: message,
  status,
})
const mistral: Render = ({ reason, message }) => ({
  object: 'error',
  message,
  type: reason.replaceAll('-', '_'),
  param: null,
  code: null,
})

/** Formats that are not OpenAI's, nor its imitators'. */
const wordsOfWire: ReadonlyMap<ModelWire, Render> = new Map([
  [anthropicMessagesWire, anthropic],
  [anthropicCountWire, anthropic],
  [anthropicBatchesWire, anthropic],
  [anthropicCompleteWire, anthropic],
  [geminiWire, google],
  [geminiCountTokensWire, google],
  [geminiEmbedWire, google],
  [vertexPredictWire, google],
  [bedrockConverseWire, bedrock],
  [bedrockCountWire, bedrock],
  [bedrockEmbeddingsWire, bedrock],
  [bedrockInvokeWire, bedrock],
  [cohereChatWire, cohere],
  [cohereV1ChatWire, cohere],
  [cohereEmbedWire, cohere],
  [cohereGenerateWire, cohere],
  [cohereRerankWire, cohere],
  [ollamaChatWire, ollama],
  [ollamaEmbedWire, ollama],
  [ollamaGenerateWire, ollama],
  [replicateWire, replicate],
  [voyageRerankWire, voyage],
])

/** Who is spoken to in the words of another, and errs in its own. */
const ownWords: Readonly<Record<string, Render>> = {
  aws: bedrock,
  mistral,
  ollama,
  replicate,
  voyageai: voyage,
}

const wordsOfHost: Readonly<Record<string, Render>> = {
  anthropic,
  azure: openai,
  cohere,
  deepseek: openai,
  fireworks: openai,
  google,
  groq: openai,
  openai,
  openrouter: openai,
  together: openai,
  'x-ai': openai,
}

/** By reason, else by status. */
type Names = Readonly<Record<number | string, string>>

function named(names: Names, status: number, reason: string): string {
  return names[reason] ?? names[status] ?? names['other'] ?? ''
}
