/**
 * The value of a stored secret where it has no business: in what a program says, in names, in what
 * analyzers say. It is masked in every message and file, and told; what it was sent to gets it.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { canary } from '../support/canary.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { connectThrough } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import {
  basicToken,
  connectAs,
  rootFor,
  startVaultProxy,
  startVaultUpstream,
} from '../support/vault-proxy.ts'
import type { VaultUpstream } from '../support/vault-proxy.ts'
import { agent, makeVault, secret } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const host = 'api.openai.com'
const value = `${canary}-stored`
/** Far longer than one piece of a capture: it stands in blobs. */
const filler = 'some words of a long conversation, '.repeat(400)

/** Says what it saw, as careless code does. */
const careless: Analyzer = {
  name: 'careless',
  onMessage(msg) {
    if (msg.kind === 'request-started' && msg.url.includes('/careless')) {
      throw new Error(`cannot work with ${value}`)
    }
  },
}

let folder = ''
let vault: VaultUnderTest
let read: Vault
let upstream: VaultUpstream
let proxy: ProxyUnderTest
let token = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-stored-'))
  vault = await makeVault()
  // Bound to a host that nothing here is sent to: it is injected nowhere.
  await vault.writable.secrets.add(secret('stored', 'elsewhere.example', value))
  token = vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const root = rootFor(host)
  read = vault.read()
  await read.credentials.unlock()
  upstream = await startVaultUpstream(root, host, () => {
    const body = `{"choices":[{"message":{"content":"it is ${value}"}}]}`
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  proxy = await startVaultProxy({
    vault: read,
    root,
    upstreams: { [host]: upstream },
    configure: (builder) => {
      builder.withhold(read.values).addAnalyzer(careless)
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.addAnalyzer(new FileLogger(join(folder, 'c.jsonl'), { include: 'all' }))
    },
  })
})

afterEach(async () => {
  await proxy.close()
  await upstream.close()
  await vault.close()
  await rm(folder, { recursive: true, force: true })
})

async function send(path: string, fields: readonly string[], body: string): Promise<string> {
  const socket = await connectAs(proxy, host, token)
  const answer = await ask(socket, requestText(`POST ${path}`, host, fields, body))
  socket.destroy()
  await proxy.waitFor('exchange-completed')
  return answer.body
}

/** Every message and every file, once all is written. */
async function everything(): Promise<string> {
  await proxy.close()
  const names = await readdir(folder)
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return JSON.stringify(proxy.messages) + files.join('')
}

const withheldIn = (messages: readonly AnalysisMsg[]): string[] =>
  messages.flatMap((msg) =>
    msg.kind === 'secret-withheld' && msg.secretId === 'stored' ? [msg.where] : [],
  )

const prompt = (content: string): string =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] })
const json = 'Content-Type: application/json'

describe('S9 the value of a stored secret', () => {
  test.each<[string, string, readonly string[], string, readonly string[]]>([
    ['a prompt', '/v1/chat/completions', [json], prompt(`my key: ${value}`), ['request-body']],
    [
      'a long prompt, in front of it',
      '/v1/chat/completions',
      [json],
      prompt(`${value}${filler}${value}`),
      ['request-body'],
    ],
    [
      'a prompt, written in another way',
      '/v1/chat/completions',
      [json],
      prompt('KEY').replace('KEY', value.replace('y', String.raw`\u0079`)),
      ['http-parsed'],
    ],
    ['the path', `/v1/${value}/models`, [], '', ['request-started']],
    ['a header', '/v1/models', [`X-Note: ${value}`], '', ['request-started']],
    ['the name of a header', '/v1/models', [`X-${value}: 1`], '', ['request-started']],
    ['the error of an analyzer', '/careless', [], '', ['analyzer-failed']],
  ])(
    'in %s is told to nobody, and that it stood there',
    async (_where, path, fields, body, places) => {
      await send(path, fields, body)

      const told = await everything()

      expect(told).not.toContain(canary)
      expect(told.length).toBeGreaterThan(1_000)
      expect(withheldIn(proxy.messages)).toEqual(expect.arrayContaining([...places]))
      const once = proxy
        .of('secret-withheld')
        .map(({ exchangeId, where }) => `${exchangeId} ${where}`)
      expect(new Set(once).size).toBe(once.length)
    },
  )

  test('in what a model says is told to nobody, and the program gets it', async () => {
    const body = await send('/v1/chat/completions', [json], prompt('which key?'))

    expect(body).toContain(value)
    expect(await everything()).not.toContain(canary)
    expect(withheldIn(proxy.messages)).toContain('response-body')
    expect(proxy.of('credential-echoed')).toEqual([])
  })

  test('in the name of a host that is asked for is told to nobody', async () => {
    const named = `${value}.example`
    await connectThrough(proxy, `${named}:443`, basicToken(token))

    expect(await everything()).not.toContain(canary.toLowerCase())
    expect(proxy.messages.some((msg) => 'host' in msg && msg.host?.includes('[REDACTED]'))).toBe(
      true,
    )
  })

  test('that was added while the proxy runs is told to nobody either', async () => {
    const later = `${canary}-later`
    await vault.writable.secrets.add(secret('later', 'other.example', later))
    await expect.poll(() => read.values.find(later).length, { timeout: 15_000 }).toBe(1)

    await send('/v1/chat/completions', [json], prompt(later))

    expect(await everything()).not.toContain(canary)
  })
})
