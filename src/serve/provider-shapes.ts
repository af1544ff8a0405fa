/**
 * What clients of each wire format expect: which variable holds their base URL, how much of a path
 * belongs to it, and how an error looks. One table; the first row that fits a path is its own.
 */
import type { HeaderPairs } from '../messages/schema.ts'

export interface ProviderShape {
  readonly name: string
  /** What follows the base URL in a path that is the first group. */
  readonly path: RegExp
  /** Only on these hosts, where the path alone does not tell. */
  readonly host?: RegExp
  /** Environment variable of the base URL; undefined where there is none that clients share. */
  readonly variable: string | undefined
  error(status: number, message: string): unknown
  readonly errorHeaders?: HeaderPairs
}

const openaiError: ProviderShape['error'] = (status, message) => ({
  error: {
    message,
    type: 'invalid_request_error',
    param: null,
    code: status === 404 ? 'not_recorded' : null,
  },
})
const geminiError: ProviderShape['error'] = (status, message) => ({
  error: { code: status, message, status: status === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT' },
})

const shapes: readonly ProviderShape[] = [
  {
    name: 'anthropic',
    path: /^(.*?)\/v1\/(?:messages|complete)(?:\/|$)/u,
    variable: 'ANTHROPIC_BASE_URL',
    error: (status, message) => ({
      type: 'error',
      error: { type: status === 404 ? 'not_found_error' : 'invalid_request_error', message },
      request_id: null,
    }),
  },
  {
    name: 'code-assist',
    path: /^(.*?)\/v1internal:/u,
    variable: 'CODE_ASSIST_ENDPOINT',
    error: geminiError,
  },
  {
    name: 'gemini',
    path: /^(.*?)\/v1(?:beta|alpha)?\d*\/(?:models|tunedModels|cachedContents|interactions|files)(?:[/:]|$)/u,
    host: /googleapis\.com$/u,
    variable: 'GOOGLE_GEMINI_BASE_URL',
    error: geminiError,
  },
  {
    name: 'gemini',
    path: /^(.*?)\/v1(?:beta|alpha)\/models\/[^/]+:\w+$/u,
    variable: 'GOOGLE_GEMINI_BASE_URL',
    error: geminiError,
  },
  {
    name: 'vertex',
    path: /^(.*?)\/v1(?:beta1)?\/(?:projects|publishers)\//u,
    variable: 'GOOGLE_VERTEX_BASE_URL',
    error: geminiError,
  },
  {
    name: 'bedrock',
    path: /^(.*?)\/model\/[^/]+\/(?:converse|invoke)/u,
    variable: 'AWS_ENDPOINT_URL_BEDROCK_RUNTIME',
    error: (_status, message) => ({ message }),
    errorHeaders: [['x-amzn-errortype', 'ResourceNotFoundException']],
  },
  {
    name: 'ollama',
    path: /^(.*?)\/api\/(?:chat|generate|embed|embeddings|tags|show)$/u,
    variable: 'OLLAMA_HOST',
    error: (_status, message) => ({ error: message }),
  },
  {
    name: 'cohere',
    path: /^(.*?)\/v[12]\/(?:chat|rerank|embed|tokenize)$/u,
    host: /cohere\.(?:com|ai)$/u,
    variable: 'CO_API_URL',
    error: (_status, message) => ({ message }),
  },
  {
    name: 'azure',
    path: /^(.*?)\/openai\/deployments\//u,
    variable: 'AZURE_OPENAI_ENDPOINT',
    error: openaiError,
  },
  {
    name: 'openai',
    path: /^(.*?)\/(?:chat\/completions|completions|responses|embeddings|moderations|models|files|batches|images|audio|conversations|threads|assistants|vector_stores|uploads|fine_tuning|realtime)(?:\/|$)/u,
    variable: 'OPENAI_BASE_URL',
    error: openaiError,
  },
]

/** Of a path that no row fits: OpenAI's errors are those that most clients show well. */
const other: ProviderShape = {
  name: 'other',
  path: /^/u,
  variable: undefined,
  error: openaiError,
}

export function shapeOf(path: string, host = ''): ProviderShape {
  const name = host.replace(/:\d+$/u, '')
  return shapes.find((row) => row.path.test(path) && (row.host?.test(name) ?? true)) ?? other
}

/** The part of a path that belongs to the base URL: `/v1` of `/v1/chat/completions`; often empty. */
export function basePathOf(path: string, shape: ProviderShape): string {
  return shape.path.exec(path)?.[1] ?? ''
}
