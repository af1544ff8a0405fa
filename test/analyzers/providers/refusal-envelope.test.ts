import { describe, expect, test } from 'vitest'

import {
  inProvidersWords,
  refusalBody,
  refuseSpentBudget,
} from '../../../analyzers/providers/refusal-envelope.ts'

const refusal = { status: 403, reason: 'budget', message: 'The budget day is spent.' }

function bodyOf(
  host: string,
  path: string,
  words: typeof refusal = refusal,
  method = 'POST',
): unknown {
  const body = refusalBody({ method, host, path }, words)
  if (body === undefined) return undefined
  expect(body.contentType).toBe('application/json')
  return JSON.parse(body.text)
}

const openai = {
  error: {
    message: refusal.message,
    type: 'insufficient_quota',
    code: 'budget',
    param: null,
  },
}
const anthropic = { type: 'error', error: { type: 'permission_error', message: refusal.message } }
const google = {
  error: {
    code: 403,
    message: refusal.message,
    status: 'PERMISSION_DENIED',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'BUDGET',
        domain: 'porthole',
      },
    ],
  },
}
const aws = { __type: 'AccessDeniedException', message: refusal.message }

describe('a refusal is said in the words of', () => {
  test.each([
    ['OpenAI', 'api.openai.com', '/v1/chat/completions', openai],
    ['OpenAI, on another path', 'api.openai.com', '/v1/files', openai],
    ['OpenAI, with a port', 'api.openai.com:443', '/v1/responses?x=1', openai],
    ['an imitator of OpenAI', 'llm.example', '/v1/chat/completions', openai],
    ['Groq', 'api.groq.com', '/openai/v1/chat/completions', openai],
    ['Anthropic', 'api.anthropic.com', '/v1/messages?beta=true', anthropic],
    ['Claude on Vertex', 'us-east5-aiplatform.googleapis.com', vertex, anthropic],
    ['Gemini', 'generativelanguage.googleapis.com', `${gemini}:generateContent`, google],
    ['a stream of Gemini', 'generativelanguage.googleapis.com', `${stream}?alt=sse`, google],
    ['an array of Gemini', 'generativelanguage.googleapis.com', stream, [google]],
    ['Bedrock', 'bedrock-runtime.eu-west-1.amazonaws.com', '/model/m/converse-stream', aws],
    ['Ollama', '127.0.0.1:11434', '/api/chat', { error: refusal.message }],
    ['Cohere', 'api.cohere.com', '/v2/chat', { message: refusal.message }],
    [
      'Mistral',
      'api.mistral.ai',
      '/v1/chat/completions',
      {
        object: 'error',
        message: refusal.message,
        type: 'budget',
        param: null,
        code: null,
      },
    ],
    [
      'Replicate',
      'api.replicate.com',
      '/v1/predictions',
      { title: 'Refused by Porthole', detail: refusal.message, status: 403 },
    ],
    ['Voyage', 'api.voyageai.com', '/v1/rerank', { detail: refusal.message }],
  ])('%s', (_who, host, path, expected) => {
    expect(bodyOf(host, path)).toEqual(expected)
  })
})

const gemini = '/v1beta/models/gemini-3-pro'
const stream = `${gemini}:streamGenerateContent`
const vertex = '/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict'

test('whoever is not known is answered in Porthole’s own words', () => {
  expect(bodyOf('example.com', '/anything')).toBeUndefined()
})

test('a request to open a socket for calls is refused as the provider would', () => {
  expect(bodyOf('gateway.example', '/v1/realtime?model=m', refusal, 'GET')).toEqual(openai)
})

test.each([
  [429, 'rate_limit_error', 'rate_limit_error', 'RESOURCE_EXHAUSTED', 'ThrottlingException'],
  [503, 'server_error', 'api_error', 'UNAVAILABLE', 'ServiceUnavailableException'],
  [
    403,
    'permission_denied_error',
    'permission_error',
    'PERMISSION_DENIED',
    'AccessDeniedException',
  ],
])('status %i has its own name everywhere', (status, ...names) => {
  const words = { status, reason: 'rule', message: 'no' }
  const found = [
    bodyOf('api.openai.com', '/v1/responses', words),
    bodyOf('api.anthropic.com', '/v1/messages', words),
    bodyOf('generativelanguage.googleapis.com', `${gemini}:generateContent`, words),
    bodyOf('bedrock-runtime.eu-west-1.amazonaws.com', '/model/m/invoke', words),
  ].map((body) => JSON.stringify(body))

  for (const [index, name] of names.entries()) expect(found[index]).toContain(`"${name}"`)
})

test('a refusal is left as it is where the SDK reads what Porthole says by itself', () => {
  const words = { status: 403, reason: 'rule', message: 'no', rule: 'r' }
  const at = (host: string, path: string): unknown =>
    inProvidersWords(words, { method: 'POST', host, path }).body

  expect(at('api.openai.com', '/v1/responses')).toBeUndefined()
  expect(at('api.anthropic.com', '/v1/messages')).toBeUndefined()
  expect(at('example.com', '/')).toBeUndefined()
  expect(at('api.cohere.com', '/v2/chat')).toEqual({
    contentType: 'application/json',
    text: '{"message":"no"}\n',
  })
})

test('a spent budget is told with its rule, and is no reason to ask again', () => {
  const exhausted = { message: 'its budget is spent' }
  const spent = (host: string): unknown =>
    refuseSpentBudget({ name: 'day' }, exhausted, { method: 'POST', host, path: '/v1/responses' })

  expect(spent('api.openai.com')).toMatchObject({
    status: 403,
    reason: 'budget',
    rule: 'day',
    message: 'the rule day: its budget is spent',
    body: { text: expect.stringContaining('insufficient_quota') },
  })
})
