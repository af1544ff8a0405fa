/**
 * Secrets on their way through the whole proxy, default analyzers and a capture included: a canary
 * in any place that is known for secrets turns up in no message and in no file, though it reaches
 * whom it is meant for.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'
import { canary as runCanary } from '../support/canary.ts'
import { createProxiedClient } from '../support/proxied-client.ts'
import type { ProxiedClient, ProxiedRequest } from '../support/proxied-client.ts'
import { startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const canary = 'cnry-7Qx9ZpL2mR8wT4vK'
const injected = `${runCanary}-injected`
const root = createUpstreamRoot(host)

let folder: string
let proxy: ProxyUnderTest
let upstream: TestUpstream
let client: ProxiedClient

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-redaction-'))
  upstream = await startHttpsUpstream(root, host, answer)
  const logger = new FileLogger(join(folder, 'capture.jsonl'), { include: 'all' })
  proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => {
      builder.addAnalyzer(
        new CredentialInjector([
          { id: 'key', host, header: 'X-Api-Key', format: '{}', value: injected },
        ]),
      )
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.addAnalyzer(logger)
    },
  })
  client = createProxiedClient(proxy.running.url, await readFile(proxy.running.caCertPath, 'utf8'))
})

afterAll(async () => {
  client[Symbol.dispose]()
  await proxy.close()
  await upstream.close()
  await rm(folder, { recursive: true, force: true })
})

/** Sends back what it was told to, in pieces; else nothing of interest. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const how = new URL(request.url ?? '/', 'https://x').searchParams.get('echo')
  const sent = JSON.stringify({ you: request.headers, key: request.headers['x-api-key'] })
  const type = { 'Content-Type': 'application/json' }
  switch (how) {
    case 'split':
      response.writeHead(200, type)
      for (let at = 0; at < sent.length; at += 7) response.write(sent.slice(at, at + 7))
      response.end()
      break
    case 'gzip':
      response.writeHead(200, { ...type, 'Content-Encoding': 'gzip' }).end(gzipSync(sent))
      break
    case 'br':
      response.writeHead(200, { ...type, 'Content-Encoding': 'br' }).end(brotliCompressSync(sent))
      break
    case 'base64':
      response
        .writeHead(200, type)
        .end(JSON.stringify({ key: Buffer.from(injected).toString('base64') }))
      break
    case 'header':
      response.writeHead(200, `OK ${injected}`, { ...type, 'X-You-Sent': injected }).end('{}')
      break
    case 'events': {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      const half = Math.floor(canary.length / 2)
      for (const piece of ['{"pass', 'word":"', canary.slice(0, half), canary.slice(half), '"}']) {
        const delta = { tool_calls: [{ index: 0, function: { arguments: piece } }] }
        response.write(
          `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta }] })}\n\n`,
        )
      }
      response.end('data: [DONE]\n\n')
      break
    }
    default:
      response.writeHead(200, type).end('{"ok":true}')
  }
}

async function send(
  request: Partial<ProxiedRequest> & { readonly path?: string },
): Promise<string> {
  const { body } = await client.request({
    url: `https://${host}${request.path ?? '/v1/chat/completions'}`,
    method: 'POST',
    ...request,
  })
  return body.toString('latin1')
}

/** What the upstream was sent last, head and body. */
function received(): string {
  const last = upstream.requests.at(-1)
  const { url, rawHeaders } = last?.message ?? { url: '', rawHeaders: [] }
  return `${url} ${rawHeaders.join(' ')} ${last?.body.toString('latin1')}`
}

/** All that any sink was given: every message, and every byte in the folder of the capture. */
async function told(): Promise<string> {
  const names = await readdir(folder)
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))
  return JSON.stringify(proxy.messages) + files.join('')
}

async function expectUntold(...values: readonly string[]): Promise<void> {
  const { exchangeId } = proxy.messages.findLast(({ kind }) => kind === 'request-started') ?? {}
  await proxy.waitFor('exchange-completed', (msg) => msg.exchangeId === exchangeId)
  const everything = await told()
  for (const value of values) {
    expect(everything.includes(value)).toBe(false)
    expect(everything.includes(Buffer.from(value).toString('base64').replace(/=+$/u, ''))).toBe(
      false,
    )
  }
}

const json: HeaderPairs = [['Content-Type', 'application/json']]
const form: HeaderPairs = [['Content-Type', 'application/x-www-form-urlencoded']]
const prompt = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] }
const places: ReadonlyArray<readonly [string, Parameters<typeof send>[0]]> = [
  ...[
    'Authorization',
    'Api-Key',
    'X-Goog-Api-Key',
    'X-Auth-Token',
    'X-Access-Token',
    'X-Session-Token',
    'X-Amz-Security-Token',
    'X-Csrf-Token',
    'Cookie',
    'Token',
  ].map((name) => {
    const value = name === 'Cookie' ? `a=${canary}` : canary
    const headers: HeaderPairs = [...json, [name, value]]
    return [`the header ${name}`, { headers, body: '{}' }] as const
  }),
  ...['key', 'api_key', 'access_token', 'token', 'client_secret', 'sig', 'code'].map(
    (name) =>
      [
        `the query parameter ${name}`,
        { path: `/v1/models?${name}=${canary}`, headers: json, body: '{}' },
      ] as const,
  ),
  ...['password', 'api_key', 'apiKey', 'refresh_token', 'client_secret', 'OPENAI_API_KEY'].map(
    (name) =>
      [
        `the JSON field ${name}`,
        {
          headers: json,
          body: JSON.stringify({ ...prompt, metadata: { deep: [{ [name]: canary }] } }),
        },
      ] as const,
  ),
  [
    'a JSON field within the text of a tool call',
    {
      headers: json,
      body: JSON.stringify({
        ...prompt,
        messages: [
          {
            role: 'assistant',
            tool_calls: [
              {
                id: 'c',
                function: { name: 'login', arguments: JSON.stringify({ password: canary }) },
              },
            ],
          },
        ],
      }),
    },
  ],
  ...['password', 'client_secret', 'code', 'refresh_token'].map(
    (name) =>
      [
        `the form field ${name}`,
        { headers: form, body: `grant_type=x&${name}=${canary}&scope=a` },
      ] as const,
  ),
  [
    'a key in a prompt',
    {
      headers: json,
      body: JSON.stringify({
        ...prompt,
        messages: [{ role: 'user', content: `my key is sk-${canary}00` }],
      }),
    },
  ],
  [
    'the body of a token endpoint',
    { path: '/oauth/token', headers: json, body: JSON.stringify({ anything: canary }) },
  ],
]

test.each(places)(
  'a canary in %s reaches the upstream and nobody else',
  async (_place, request) => {
    await send(request)

    expect(received()).toContain(canary)
    await expectUntold(canary)
  },
)

describe('a credential that the upstream sends back', () => {
  test.each<[string, ReadonlyArray<readonly [where: string, form: string]>]>([
    ['split', [['body', 'raw']]],
    ['gzip', [['body', 'coded']]],
    ['br', [['body', 'coded']]],
    ['base64', [['body', 'base64']]],
    [
      'header',
      [
        ['status', 'raw'],
        ['header', 'raw'],
      ],
    ],
  ])('S7 in the form of %s is told to nobody', async (how, places) => {
    const got = await send({ path: `/v1/echo?echo=${how}`, headers: json, body: '{}' })

    expect(received()).toContain(injected)
    if (how === 'split') expect(got).toContain(injected)
    await expectUntold(injected)
    const { exchangeId } = proxy.of('request-started').at(-1) ?? {}
    const echoes = proxy.of('credential-echoed').filter((msg) => msg.exchangeId === exchangeId)
    expect(echoes.map(({ where, form }) => [where, form])).toEqual(places)
    expect(new Set(echoes.map(({ secretId }) => secretId))).toEqual(new Set(['key']))
  })
})

test('a secret in pieces is masked where the pieces are put together', async () => {
  await send({
    path: '/v1/chat/completions?echo=events',
    headers: json,
    body: JSON.stringify({ ...prompt, stream: true }),
  })
  await expectUntold(canary)

  const merged = await proxy.waitFor('stream-merged')
  expect(JSON.stringify(merged)).toContain('[REDACTED]')
})
