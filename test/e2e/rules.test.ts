/** Rules as users have them: the built command line, a standing proxy, and rules that come and go. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { runCli, startProxy } from '../support/cli.ts'
import type { CliResult } from '../support/cli.ts'
import { openAiHost, openOpenAiBench } from '../support/openai-bench.ts'
import type { OpenAiBench } from '../support/openai-bench.ts'
import { createProxiedClient } from '../support/proxied-client.ts'

let bench: OpenAiBench
let home = ''

beforeEach(async () => {
  bench = await openOpenAiBench({ asksForKey: false })
  ;({ home } = bench)
})
afterEach(() => bench[Symbol.asyncDispose]())

function porthole(...args: readonly string[]): Promise<CliResult> {
  return runCli(args, { home })
}

test('a rule that is added holds for the proxy that runs, and one that is removed no longer', async () => {
  const rules = [{ name: 'no-files', action: 'block', path: '/v1/files/*' }]
  await writeFile(join(home, 'porthole.json'), JSON.stringify({ rules }))
  await using proxy = await startProxy(home, ['--no-viewer', ...bench.toUpstream])
  const { url, caCert } = proxy.ready
  using client = createProxiedClient(url, await readFile(caCert, 'utf8'))
  const post = async (path: string, body: unknown): Promise<number> => {
    const request = {
      url: `https://${openAiHost}${path}`,
      method: 'POST',
      body: JSON.stringify(body),
    }
    return (await client.request(request)).status
  }
  const call = (): Promise<number> => post('/v1/chat/completions', { model: 'gpt-4o' })

  expect([await call(), await post('/v1/files', {})]).toEqual([200, 403])

  const added = await porthole('rules', 'add', 'block', '--model', 'gpt-4*')
  expect(added).toMatchObject({ exitCode: 0, out: '' })
  expect(added.err).toContain('block-1: block model gpt-4*')
  expect(await call()).toBe(403)

  const list = await porthole('rules', 'list')
  expect(list.out).toMatch(/^block-1 +block +enforce +model gpt-4\* +- +vault$/mu)
  expect(list.out).toMatch(/^no-files +block +enforce +\/v1\/files\/\* +- +file$/mu)
  expect((await porthole('rules', 'remove', 'no-files')).err).toContain('stands in')
  expect((await porthole('rules', 'remove', 'block-1')).exitCode).toBe(0)
  expect(await call()).toBe(200)

  await writeFile(join(home, 'porthole.json'), '{"rules": []}')
  await expect.poll(() => post('/v1/files', {}), { timeout: 60_000 }).toBe(200)
  proxy.kill('SIGTERM')
  const { err } = await proxy.ended
  expect(err).toContain('was read anew: 0 rules')
  expect(err).toMatch(/block-1/u)
})
