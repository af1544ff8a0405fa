/** What a filter looks at, for tests: a call with everything known, changed where a test says so. */
import type { FilterSubject } from '../../../src/query/filter-subject.ts'

export function createSubject(changes: Partial<FilterSubject> = {}): FilterSubject {
  return {
    kind: 'call',
    method: 'POST',
    url: 'https://api.openai.com/v1/chat/completions?beta=1',
    host: 'api.openai.com',
    status: 200,
    hasResponse: true,
    isError: false,
    agent: 'builder',
    provider: 'openai',
    model: 'gpt-5',
    operation: 'chat',
    stop: 'tool_calls',
    cacheVerdict: 'partial',
    sessions: ['s1', 'thread-9'],
    costUsd: 0.5,
    tokens: 10_000,
    ttftMs: 250,
    durationMs: 3000,
    tools: () => ['read_file', 'bash'],
    requestHeaders: () => [
      ['Content-Type', 'application/json'],
      ['X-Trace', 'abc'],
    ],
    responseHeaders: () => [
      ['content-type', 'text/event-stream'],
      ['x-request-id', 'req_7'],
    ],
    requestBody: () => '{"question":"why"}\nsecond line',
    responseBody: () => 'data: because',
    conversation: () => 'user: why is the sky blue?\nassistant: Rayleigh',
    ...changes,
  }
}
