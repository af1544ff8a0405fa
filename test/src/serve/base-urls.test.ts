import { expect, test } from 'vitest'

import { baseUrlsOf } from '../../../src/serve/base-urls.ts'
import { recording } from './sample-recordings.ts'

const origin = 'http://127.0.0.1:4010'

test('each host is told with the variable that its clients read', () => {
  const urls = baseUrlsOf(
    [
      recording(),
      recording({ path: '/v1/responses' }),
      recording({ host: 'api.anthropic.com', path: '/v1/messages' }),
      recording({
        host: 'generativelanguage.googleapis.com',
        path: '/v1beta/models/gemini-2.5-pro:generateContent',
      }),
      recording({ host: 'internal.example', path: '/ask' }),
    ],
    origin,
  )

  expect(
    urls.map(({ host, variable, url, recordings }) => [host, variable, url, recordings]),
  ).toEqual([
    ['api.openai.com', 'OPENAI_BASE_URL', `${origin}/v1`, 2],
    ['api.anthropic.com', 'ANTHROPIC_BASE_URL', origin, 1],
    ['generativelanguage.googleapis.com', 'GOOGLE_GEMINI_BASE_URL', origin, 1],
    ['internal.example', undefined, origin, 1],
  ])
})

test('hosts with a path in common are told under their names', () => {
  const urls = baseUrlsOf(
    [
      recording(),
      recording({ host: 'openrouter.example' }),
      recording({ host: 'api.groq.com', path: '/openai/v1/chat/completions' }),
    ],
    origin,
  )

  expect(urls.map(({ url }) => url)).toEqual([
    `${origin}/api.openai.com/v1`,
    `${origin}/openrouter.example/v1`,
    `${origin}/openai/v1`,
  ])
})
