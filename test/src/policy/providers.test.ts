import { expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import {
  defaultAllow,
  hostPresets,
  presetHosts,
  presetNames,
  providerHosts,
} from '../../../src/policy/providers.ts'

test.each(presetNames)('the preset %s holds canonical host patterns, each once', (name) => {
  const hosts = presetHosts(name)

  expect(hosts.length).toBeGreaterThan(0)
  expect(hosts.map((host) => parseHostPattern(host).text)).toEqual([...hosts])
  expect(new Set(hosts).size).toBe(hosts.length)
})

test('the preset llm covers every provider, and no region: an older CA can vouch for it', () => {
  const all = new Set(presetHosts('llm'))

  expect(
    Object.values(hostPresets)
      .flat()
      .filter((host) => !all.has(host)),
  ).toEqual([])
  expect([...all].filter((host) => /-aiplatform\.|^bedrock-/u.test(host))).toEqual([])
})

test('a new CA may vouch for the hosts of every preset', () => {
  const all = new Set(providerHosts)

  expect(presetNames.flatMap(presetHosts).filter((host) => !all.has(host))).toEqual([])
  expect(all.size).toBe(providerHosts.length)
})

test('without any choice the two hosts of OpenAI are decrypted', () => {
  expect(defaultAllow).toEqual(['api.openai.com', 'files.openai.com'])
})
