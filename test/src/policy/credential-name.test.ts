import { expect, test } from 'vitest'

import { looksLikeCredential } from '../../../src/policy/credential-name.ts'

test.each([
  'sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2',
  'sk-ant-api03-abcdefghijklmnop1234567890',
  'ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5',
  'AIzaSyA1234567890abcdefghijklmnopqrstuv',
  'prefix.AbCdEfGhIjKlMnOpQrStUv12',
  '0123456789abcdef0123456789ABCDEF',
])('%s is no name', (name) => {
  expect(looksLikeCredential(name)).toBe(true)
})

test.each([
  'openai',
  'sk-proj',
  'ci-openai-2026-11',
  'the-key-of-the-deployment-in-frankfurt',
  'internationalization-service-europe-west',
  'no-gpt-4',
  'block-1',
  'deadbeef',
])('%s is a name', (name) => {
  expect(looksLikeCredential(name)).toBe(false)
})
