/**
 * What the end-to-end tests of keys have in common: an upstream that stands for OpenAI's, a home
 * that trusts it, and a program that asks it one question with the official SDK.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { canary } from './canary.ts'
import { projectFolder } from './cli.ts'
import { createUpstreamRoot, startHttpsUpstream } from './upstream.ts'
import type { TestUpstream } from './upstream.ts'

export const openAiHost = 'api.openai.com'

/** Prints what it found in its environment and what it was answered, as one line of JSON. */
export const oneCall = join(projectFolder, 'test', 'fixtures', 'e2e', 'one-call.mjs')

const root = createUpstreamRoot(openAiHost)
const completion = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hi' } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})

export interface OpenAiBench extends AsyncDisposable {
  /** PORTHOLE_HOME, a folder of its own. */
  readonly home: string
  readonly upstream: TestUpstream
  /** Options that lead to the upstream, and have its certificate trusted. */
  readonly toUpstream: readonly string[]
}

/** An upstream that answers `hi` to whoever has the right key, or to all with `asksForKey` off. */
export async function openOpenAiBench({ asksForKey = true } = {}): Promise<OpenAiBench> {
  const home = await mkdtemp(join(tmpdir(), 'porthole-e2e-'))
  const rootPath = join(home, 'root.pem')
  await writeFile(rootPath, root.certificatePem)
  const upstream = await startHttpsUpstream(root, openAiHost, (request, response) => {
    const isLetIn = !asksForKey || request.headers.authorization === `Bearer ${canary}`
    response.writeHead(isLetIn ? 200 : 401, { 'content-type': 'application/json' })
    response.end(isLetIn ? completion : '{"error":{"message":"no key"}}')
  })
  return {
    home,
    upstream,
    toUpstream: [
      `--connect-to=${openAiHost}:443=127.0.0.1:${upstream.port}`,
      `--upstream-ca=${rootPath}`,
    ],
    [Symbol.asyncDispose]: async () => {
      await upstream.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** The text of every file below a folder. */
export function textsBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
}
