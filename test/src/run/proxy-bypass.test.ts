import { array, assert, domain, property, string } from 'fast-check'
import { expect, test } from 'vitest'

import { keepBypassEntries } from '../../../src/run/proxy-bypass.ts'

const local = 'localhost,127.0.0.1,::1'

test.each([
  ['api.openai.com', 'api.openai.com'],
  ['openai.com', 'api.openai.com'],
  ['.openai.com', 'api.openai.com'],
  ['*.openai.com', 'api.openai.com'],
  ['API.OpenAI.com:443', 'api.openai.com'],
  ['com', 'api.openai.com:8443'],
  ['eu.openai.com', '*.openai.com'],
  ['10.0.0.0/8', '10.1.2.3'],
  ['10.1.2.3', '10.1.2.3:8443'],
  ['2001:db8::/32', '[2001:db8::1]'],
  ['*', 'api.openai.com'],
])('drops %s when %s is to be seen', (entry, host) => {
  const { value, notes } = keepBypassEntries([entry], [host])

  expect(value).toBe(local)
  expect(notes).toHaveLength(1)
  expect(notes[0]).toContain(entry)
})

test.each([
  ['notopenai.com', 'api.openai.com'],
  ['my.api.openai.com', 'api.openai.com'],
  ['192.168.0.0/16', '10.1.2.3'],
  ['10.0.0.0/99', '10.1.2.3'],
  ['openai.org', '*.openai.com'],
])('keeps %s when %s is to be seen', (entry, host) => {
  expect(keepBypassEntries([entry], [host])).toEqual({ value: `${local},${entry}`, notes: [] })
})

test('writes suffixes in both forms, once, without spaces', () => {
  const { value } = keepBypassEntries(['.a.example *.a.example', 'b.example , localhost'], [])

  expect(value).toBe(`${local},.a.example,*.a.example,b.example`)
})

test('never throws, and always keeps the local hosts', () => {
  assert(
    property(string(), array(domain()), (inherited, hosts) => {
      const { value } = keepBypassEntries([inherited, undefined], hosts)

      expect(value.startsWith(local)).toBe(true)
      expect(value.split(',')).not.toContain('*')
      for (const host of hosts) expect(value.split(',')).not.toContain(host)
    }),
  )
})
