import { expect, test } from 'vitest'

import { createAuthority } from '../../../ca/authority.ts'
import { presetHosts, providerHosts } from '../../../src/policy/providers.ts'

test('the regions of Bedrock and Vertex AI are exact hosts of the vendors', () => {
  for (const host of presetHosts('bedrock')) {
    expect(host).toMatch(
      /^bedrock-(?:runtime\.[a-z]{2}-[a-z-]+-\d\.amazonaws\.com|mantle\.[a-z]{2}-[a-z-]+-\d\.api\.aws)$/u,
    )
  }
  for (const host of presetHosts('vertex')) {
    expect(host).toMatch(
      /^(?:[a-z]+-[a-z]+\d{1,2}-)?aiplatform\.(?:(?:eu|us)\.rep\.)?googleapis\.com$/u,
    )
  }
  expect(presetHosts('bedrock')).toContain('bedrock-runtime.us-east-1.amazonaws.com')
  expect(presetHosts('vertex')).toContain('us-central1-aiplatform.googleapis.com')
})

test('a CA that may vouch for all of them stays small enough to be sent with every leaf', () => {
  const authority = createAuthority({
    permittedHosts: providerHosts,
    now: new Date(),
    days: 1,
    commonName: 'all of them',
  })

  expect(authority.permits('bedrock-runtime.eu-west-3.amazonaws.com')).toBe(true)
  expect(authority.permits('europe-west9-aiplatform.googleapis.com')).toBe(true)
  expect(authority.permits('s3.eu-west-3.amazonaws.com')).toBe(false)
  expect(authority.permits('storage.googleapis.com')).toBe(false)
  expect(authority.certificatePem.length).toBeLessThan(10 * 1024)
})
