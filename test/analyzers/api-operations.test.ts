import { describe, expect, test } from 'vitest'

import { ApiOperations } from '../../analyzers/api-operations.ts'
import { HttpParser } from '../../analyzers/http-parser.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import type { ExchangeSpec } from '../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'

analyzerConformance('ApiOperations', () => new ApiOperations(), {
  before: () => [new HttpParser()],
})

function run(spec: ExchangeSpec): AnalysisMsg[] {
  return runAnalyzers([new HttpParser(), new ApiOperations()], exchangeMessages(spec))
}

function operationOf(method: string, path: string, host = 'api.openai.com'): unknown {
  const request = { method, url: `https://${host}${path}` }
  const [told] = ofKind(run({ request, response: { body: '{}' } }), 'operation-performed')
  return told === undefined ? undefined : [told.operation, ...told.subjects]
}

test.each([
  ['GET', '/v1/models', ['models.list']],
  ['GET', '/v1/models/gpt-5', ['models.retrieve', 'gpt-5']],
  ['POST', '/v1/files', ['files.create']],
  ['GET', '/v1/files/f1/content', ['files.content', 'f1']],
  ['DELETE', '/v1/files/f1', ['files.delete', 'f1']],
  ['POST', '/v1/batches/b1/cancel', ['batches.cancel', 'b1']],
  ['POST', '/v1/uploads/u1/parts', ['uploads.parts.create', 'u1']],
  ['POST', '/v1/uploads/u1/complete', ['uploads.complete', 'u1']],
  ['POST', '/v1/threads/t1', ['threads.update', 't1']],
  ['GET', '/v1/threads/t1/runs/r1/steps', ['threads.runs.steps.list', 't1', 'r1']],
  ['GET', '/v1/threads/t1/runs/r1?limit=1', ['threads.runs.retrieve', 't1', 'r1']],
  ['POST', '/v1/threads/t1/runs/r1/cancel', ['threads.runs.cancel', 't1', 'r1']],
  ['GET', '/v1/responses/r1/input_items', ['responses.input_items.list', 'r1']],
  ['POST', '/v1/responses/r1/cancel', ['responses.cancel', 'r1']],
  ['POST', '/v1/responses/input_tokens', ['responses.input_tokens']],
  ['POST', '/v1/conversations/c1/items', ['conversations.items.create', 'c1']],
  ['POST', '/v1/vector_stores/v1/search', ['vector_stores.search', 'v1']],
  ['GET', '/v1/fine_tuning/jobs/j1/events', ['fine_tuning.jobs.events.list', 'j1']],
  ['GET', '/v1/chat/completions/c1', ['chat.completions.retrieve', 'c1']],
  ['POST', '/v1/realtime/client_secrets', ['realtime.client_secrets.create']],
])('%s %s is an operation', (method, path, expected) => {
  expect(operationOf(method, path)).toEqual(expected)
})

test.each([
  ['GET', '/openai/files/f1?api-version=1', ['files.retrieve', 'f1']],
  ['GET', '/openai/v1/models', ['models.list']],
  ['GET', '/openai/deployments', ['deployments.list']],
])('%s %s of Azure is an operation', (method, path, expected) => {
  expect(operationOf(method, path, 'res.openai.azure.com')).toEqual(expected)
})

const gemini = 'generativelanguage.googleapis.com'
const vertex = 'us-central1-aiplatform.googleapis.com'
const inProject = '/v1/projects/p/locations/us-central1'

test.each([
  ['GET', 'api.replicate.com/v1/predictions/p1', ['predictions.retrieve', 'p1']],
  ['POST', 'api.replicate.com/v1/predictions/p1/cancel', ['predictions.cancel', 'p1']],
  ['GET', 'api.replicate.com/v1/predictions', ['predictions.list']],
  ['GET', 'api.replicate.com/v1/models/meta/llama', ['models.retrieve', 'meta/llama']],
  ['POST', `${gemini}/v1beta/models/g:batchGenerateContent`, ['batches.create', 'g']],
  ['GET', `${gemini}/v1beta/batches/b1?alt=json`, ['batches.retrieve', 'b1']],
  ['GET', `${gemini}/v1beta/batches`, ['batches.list']],
  ['POST', `${gemini}/v1beta/batches/b1:cancel`, ['batches.cancel', 'b1']],
  ['DELETE', `${gemini}/v1beta/batches/b1`, ['batches.delete', 'b1']],
  ['POST', `${gemini}/upload/v1beta/files`, ['files.create']],
  ['GET', `${gemini}/v1beta/models/g`, ['models.retrieve', 'g']],
  ['POST', `${gemini}/v1beta/models/veo:predictLongRunning`, ['videos.create', 'veo']],
  ['GET', `${gemini}/v1beta/models/veo/operations/o1`, ['operations.retrieve', 'o1']],
  [
    'GET',
    `${gemini}/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic`,
    ['live.music.connect'],
  ],
  ['GET', `${gemini}/v1beta/interactions/i1`, ['interactions.retrieve', 'i1']],
  ['POST', `${gemini}/v1beta/interactions/i1/cancel`, ['interactions.cancel', 'i1']],
  ['GET', `aiplatform.eu.rep.googleapis.com${inProject}/cachedContents`, ['caches.list']],
  [
    'POST',
    'bedrock-runtime.eu-west-1.amazonaws.com/guardrail/g1/version/2/apply',
    ['guardrails.apply', 'g1', '2'],
  ],
  ['GET', 'api.anthropic.com/v1/messages/batches', ['messages.batches.list']],
  ['GET', 'api.anthropic.com/v1/messages/batches/b1', ['messages.batches.retrieve', 'b1']],
  ['GET', 'api.anthropic.com/v1/messages/batches/b1/results', ['messages.batches.results', 'b1']],
  ['POST', 'api.anthropic.com/v1/messages/batches/b1/cancel', ['messages.batches.cancel', 'b1']],
  ['POST', 'localhost:11434/api/show', ['models.retrieve']],
  ['GET', '127.0.0.1:11434/api/tags', ['models.list']],
  ['GET', 'api.replicate.com/v1/models/a/b/versions/v1', ['models.versions.retrieve', 'a/b', 'v1']],
  ['POST', `${vertex}${inProject}/batchPredictionJobs`, ['batches.create']],
  ['GET', `${vertex}${inProject}/batchPredictionJobs/7`, ['batches.retrieve', '7']],
  ['POST', `${vertex}${inProject}/cachedContents`, ['caches.create']],
  [
    'POST',
    'runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/mine/invocations',
    ['endpoints.invoke', 'mine'],
  ],
  [
    'POST',
    'runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/mine/invocations-response-stream',
    ['endpoints.invoke_with_response_stream', 'mine'],
  ],
  [
    'GET',
    'bedrock-runtime.eu-west-1.amazonaws.com/async-invoke/arn%3Aaws%3Ax',
    ['async_invokes.retrieve', 'arn:aws:x'],
  ],
])('%s %s is an operation', (method, place, expected) => {
  const at = place.indexOf('/')

  expect(operationOf(method, place.slice(at), place.slice(0, at))).toEqual(expected)
})

test.each([
  ['POST', '/v1beta/models/g:generateContent', gemini],
  ['POST', '/v1/predictions', 'api.replicate.com'],
  ['POST', '/v1beta/batches/b1:unheardOf', gemini],
  ['GET', '/endpoints/mine/invocations', 'runtime.sagemaker.eu-west-1.amazonaws.com'],
  ['POST', '/endpoints/mine/invocations', 'sagemaker.example.com'],
])('%s %s is none', (method, path, host) => {
  expect(operationOf(method, path, host)).toBeUndefined()
})

test('a polled prediction is told with what it came to', () => {
  const request = { method: 'GET', url: 'https://api.replicate.com/v1/predictions/p1' }
  const prediction = { id: 'p1', model: 'meta/llama', status: 'succeeded', output: ['Hel', 'lo'] }
  const told = onlyOf(
    run({ request, response: { body: JSON.stringify(prediction) } }),
    'operation-performed',
  )

  expect(told).toMatchObject({ provider: 'replicate', complete: true })
  expect(told.facts).toContainEqual({ name: 'status', value: 'succeeded' })
  expect(told.facts).toContainEqual({ name: 'output', value: 'Hello' })
})

test.each([
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/threads/t1/runs'],
  ['POST', '/v1/responses'],
  ['GET', '/v1/realtime'],
  ['GET', '/v1/responses'],
  ['GET', '/v1/unheard-of'],
  ['GET', '/files'],
  ['GET', '/v1/files/a/b/c/d'],
  ['TRACE', '/v1/files'],
])('%s %s is none', (method, path) => {
  expect(operationOf(method, path)).toBeUndefined()
})

describe('an operation', () => {
  test('is told with facts about its object, once its exchange ends', () => {
    const run1 = {
      id: 'run_1',
      object: 'thread.run',
      status: 'completed',
      model: 'gpt-4o',
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
      last_error: { message: 'none really' },
    }
    const out = run({
      request: { method: 'GET', url: 'https://api.openai.com/v1/threads/t1/runs/run_1' },
      response: { body: JSON.stringify(run1) },
    })

    expect(out.at(-1)).toMatchObject({
      kind: 'operation-performed',
      provider: 'openai',
      status: 200,
      complete: true,
      facts: [
        { name: 'id', value: 'run_1' },
        { name: 'object', value: 'thread.run' },
        { name: 'status', value: 'completed' },
        { name: 'model', value: 'gpt-4o' },
        { name: 'usage.prompt_tokens', value: '3' },
        { name: 'usage.completion_tokens', value: '4' },
        { name: 'usage.total_tokens', value: '7' },
        { name: 'last_error', value: 'none really' },
      ],
    })
  })

  test('that sends a file names it, with its size', () => {
    const body =
      '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n--b--\r\n'
    const headers = [['Content-Type', 'multipart/form-data; boundary=b']] as const
    const out = run({
      request: { url: 'https://api.openai.com/v1/files', headers, body },
      response: { body: '{"id":"file-1","data":[]}' },
    })

    expect(onlyOf(out, 'operation-performed').facts).toEqual([
      { name: 'sent file', value: 'a.jsonl, 2 bytes' },
      { name: 'id', value: 'file-1' },
      { name: 'items', value: '0' },
    ])
  })

  test.each([
    ['an error', { status: 404, body: '{"error":{"message":"gone","type":"x"}}' }, false],
    [
      'plain bytes',
      { headers: [['Content-Type', 'application/octet-stream']] as const, body: 'x' },
      true,
    ],
    ['nothing', { status: 204 }, true],
  ])('that is answered with %s', (_what, response, isComplete) => {
    const request = { method: 'GET', url: 'https://api.openai.com/v1/files/f1/content' }
    const told = onlyOf(run({ request, response }), 'operation-performed')

    expect(told.complete).toBe(isComplete)
    expect(told.error === undefined).toBe(isComplete)
  })

  test('that fails says why', () => {
    const out = run({ request: { method: 'GET', url: 'https://api.openai.com/v1/models' } })

    expect(onlyOf(out, 'operation-performed').error).toMatchObject({ type: 'ECONNREFUSED' })
  })
})
