import { describe, expect, test } from 'vitest'

import { basePathOf, shapeOf } from '../../../src/serve/provider-shapes.ts'

test.each([
  ['/v1/chat/completions', '', 'openai', '/v1'],
  ['/openai/v1/chat/completions', 'api.groq.com', 'openai', '/openai/v1'],
  ['/v1/models/gpt-4o', 'api.openai.com', 'openai', '/v1'],
  ['/v1/messages', '', 'anthropic', ''],
  ['/v1/messages/count_tokens', '', 'anthropic', ''],
  ['/api.anthropic.com/v1/messages', '', 'anthropic', '/api.anthropic.com'],
  ['/v1beta/models/gemini-2.5-pro:streamGenerateContent', '', 'gemini', ''],
  ['/v1/models/gemini-2.5-pro', 'generativelanguage.googleapis.com', 'gemini', ''],
  ['/v1internal:generateContent', '', 'code-assist', ''],
  ['/v1/projects/p/locations/l/publishers/google/models/m:predict', '', 'vertex', ''],
  ['/model/anthropic.claude-3/converse-stream', '', 'bedrock', ''],
  ['/api/chat', 'localhost:11434', 'ollama', ''],
  ['/v2/chat', 'api.cohere.com', 'cohere', ''],
  ['/openai/deployments/gpt/chat/completions', 'x.openai.azure.com', 'azure', ''],
  ['/anything', 'internal.example', 'other', ''],
])('%s at %j has the shape of %s, and %j is its base', (path, host, name, base) => {
  const shape = shapeOf(path, host)

  expect(shape.name).toBe(name)
  expect(basePathOf(path, shape)).toBe(base)
})

describe('an error', () => {
  test.each([
    ['/v1/chat/completions', { error: { message: 'no', code: 'not_recorded' } }],
    ['/v1/messages', { type: 'error', error: { type: 'not_found_error', message: 'no' } }],
    [
      '/v1beta/models/m:generateContent',
      { error: { code: 404, message: 'no', status: 'NOT_FOUND' } },
    ],
    ['/model/m/invoke', { message: 'no' }],
    ['/api/chat', { error: 'no' }],
  ])('of %s looks as its clients expect', (path, expected) => {
    expect(shapeOf(path).error(404, 'no')).toMatchObject(expected)
  })
})
