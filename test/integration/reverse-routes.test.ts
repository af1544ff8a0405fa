/** Reverse routes over real sockets: what reaches the upstream, what is told, and who is kept out. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { resolve } from 'node:path'

import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { Authority } from '../../ca/authority.ts'
import { parseRecording } from '../../src/demo/recordings.ts'
import { chatStreamRequest } from '../../src/demo/requests.ts'
import type { RequestContext } from '../../src/proxy/module-surface.ts'
import { canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { startRecordedProvider } from '../support/recorded-provider.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawTlsUpstream,
  tlsOptions,
} from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root: Authority = createUpstreamRoot(host)
const kept = closesAfterEach()

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly upstream: TestUpstream
  /** A request in origin form, with the listener's own Host unless told otherwise. */
  readonly send: (line: string, fields?: readonly string[], sent?: Sent) => Promise<RawAnswer>
}

interface Sent {
  readonly host?: string
  readonly body?: string
}

/** `/openai/` leads to an https upstream; the allowlist does not name it. */
async function bench(base = '', over: ProxySetup = {}): Promise<Bench> {
  const upstream = kept(
    await startHttpsUpstream(root, host, (request, response) =>
      response.end(`${request.method} ${request.url}`),
    ),
  )
  const proxy = kept(
    await startProxy({
      guardAddresses: true,
      allow: ['other.example'],
      connectTo: { [`${host}:443`]: upstream.port },
      root,
      ...over,
      configure: (builder) => {
        builder.route(`openai=https://${host}${base}`)
        over.configure?.(builder)
      },
    }),
  )
  return {
    proxy,
    upstream,
    send: async (line, fields = [], sent = {}) => {
      const own = sent.host ?? `127.0.0.1:${proxy.running.port}`
      return ask(await connectRaw(proxy), requestText(line, own, fields, sent.body))
    },
  }
}

describe('a request to a route', () => {
  test('reaches the upstream with its fields, its body and another Host', async () => {
    const { upstream, send } = await bench()

    const answer = await send(
      'POST /openai/v1/x?a=%2Fb&c',
      ['X-Mixed-Case: 1', 'Proxy-Authorization: Basic eA==', 'Referer: http://a.example/'],
      { body: 'hello' },
    )

    expect(answer.status).toBe(200)
    expect(answer.body).toContain('POST /v1/x?a=%2Fb&c')
    expect(upstream.requests[0]?.body.toString()).toBe('hello')
    expect(upstream.requests[0]?.message.rawHeaders).toEqual([
      'Host',
      host,
      'X-Mixed-Case',
      '1',
      'Referer',
      'http://a.example/',
      'Content-Length',
      '5',
    ])
  })

  test.each([
    ['/openai', '/v1'],
    ['/openai/', '/v1'],
    ['/openai?q=1', '/v1?q=1'],
    ['/openai/chat//a%20b;c?x=../y', '/v1/chat//a%20b;c?x=../y'],
  ])('%s goes to %s where the upstream has a base path', async (target, path) => {
    const { upstream, send } = await bench('/v1')

    await send(`GET ${target}`)

    expect(upstream.requests[0]?.message.url).toBe(path)
  })

  test('is told as an exchange with the upstream, redacted', async () => {
    const { proxy, send } = await bench('/v1')

    await send(`GET /openai/models?api_key=${canary}`, [`Authorization: Bearer ${canary}`])
    await proxy.waitFor('exchange-completed')

    expect(await proxy.waitFor('request-started')).toMatchObject({
      method: 'GET',
      url: `https://${host}/v1/models?api_key=[REDACTED]`,
      host,
    })
    expect(proxy.of('response-body')).not.toHaveLength(0)
    const told = proxy.messages.filter(({ kind }) => kind !== 'response-body')
    expect(JSON.stringify(told)).not.toContain(canary)
  })

  test('shows hooks the path and host that it goes to', async () => {
    const seen: unknown[] = []
    const { upstream, send } = await bench('/v1', {
      configure: (builder) =>
        builder.use({
          onRequest: (ctx: RequestContext, done: () => void) => {
            const { host: to, path } = ctx.proxyToServerRequestOptions ?? {}
            seen.push([ctx.isSSL, to, path])
            done()
          },
        }),
    })

    await send('GET /openai/models')

    expect(seen).toEqual([[true, host, '/v1/models']])
    expect(upstream.requests[0]?.message.url).toBe('/v1/models')
  })

  test('carries an injected credential in place of its own', async () => {
    const { proxy, upstream, send } = await bench('', {
      configure: (builder) =>
        builder.addAnalyzer(
          new CredentialInjector([
            { id: 'KEY', host, header: 'Authorization', format: 'Bearer {}', value: 'real' },
          ]),
        ),
    })

    await send('GET /openai/', ['Authorization: Bearer placeholder'])

    expect(upstream.requests[0]?.message.headers.authorization).toBe('Bearer real')
    expect(await proxy.waitFor('credential-injected')).toMatchObject({ secretId: 'KEY' })
  })

  test('fails where the certificate is not the name’s', async () => {
    const upstream = kept(await startHttpsUpstream(root, host, (_, response) => response.end()))
    const proxy = kept(
      await startProxy({
        root,
        connectTo: { 'wrong.example:443': upstream.port },
        configure: (builder) => builder.route('wrong=https://wrong.example'),
      }),
    )
    const socket = await connectRaw(proxy)

    const answer = await ask(socket, requestText('GET /wrong/', `localhost:${proxy.running.port}`))

    expect(answer.status).toBe(502)
    expect(upstream.requests).toHaveLength(0)
    expect(await proxy.waitFor('tls-failed')).toMatchObject({ side: 'upstream' })
  })
})

test('the openai SDK streams a chat through a route, and the call is recognised', async () => {
  const path = resolve(import.meta.dirname, '../fixtures/provider/openai-chat-stream.json')
  const recording = parseRecording(await readFile(path, 'utf8'))
  const { cert, key } = tlsOptions(root, host)
  const provider = kept(
    await startRecordedProvider({
      exchanges: [recording],
      tls: { certificatePem: cert, privateKeyPem: key },
      chunking: { seed: 7, maxSize: 90 },
    }),
  )
  const proxy = kept(
    await startProxy({
      root,
      connectTo: { [`${host}:443`]: provider.port },
      configure: (builder) => {
        builder.route(`openai=https://${host}/v1`)
        for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      },
    }),
  )
  const [route] = proxy.running.routes
  const client = new OpenAI({ apiKey: `sk-${canary}`, baseURL: route?.url ?? '', maxRetries: 0 })

  const stream = await client.chat.completions.create({
    ...chatStreamRequest,
    messages: [...chatStreamRequest.messages],
  })
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''

  expect(text).toBe('10 + 5 equals 15.')
  expect(provider.requests[0]).toMatchObject({ url: '/v1/chat/completions' })
  expect(await proxy.waitFor('model-answered')).toMatchObject({
    provider: 'openai',
    status: 200,
    model: 'gpt-4o-mini-2024-07-18',
    complete: true,
  })
  expect(proxy.of('sse-event').length).toBeGreaterThan(1)
  expect(JSON.stringify(proxy.messages)).not.toContain(canary)
})

test('a WebSocket through a route is switched by its upstream', async () => {
  const heads: string[] = []
  const upstream = kept(
    await startRawTlsUpstream(root, host, (socket) => {
      void readUntil(socket, (all) => all.includes('\r\n\r\n')).then((head) => {
        heads.push(head.toString('latin1'))
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi',
        )
      })
    }),
  )
  const proxy = kept(
    await startProxy({
      root,
      connectTo: { [`${host}:443`]: upstream.port },
      configure: (builder) => builder.route(`openai=https://${host}/v1`),
    }),
  )
  const socket = await connectRaw(proxy)

  socket.write(
    requestText('GET /openai/realtime?model=m', `localhost:${proxy.running.port}`, [
      'Connection: Upgrade',
      'Upgrade: websocket',
    ]),
  )
  const got = await readUntil(socket, (all) => all.toString().endsWith('hi'))

  expect(got.toString()).toMatch(/^HTTP\/1\.1 101 /u)
  expect(heads[0]).toMatch(/^GET \/v1\/realtime\?model=m HTTP\/1\.1\r\nHost: api\.openai\.com\r\n/u)
})

describe('a plain upstream on this machine', () => {
  test.each(['127.0.0.1', 'localhost'])(
    'at %s is reached, guard, parent proxy and all',
    async (name) => {
      const upstream = kept(
        await startHttpUpstream((request, response) => response.end(request.headers.host)),
      )
      const { proxy, send } = await bench('', {
        configure: (builder) =>
          builder
            .route(`ollama=http://${name}:${upstream.port}/api`)
            .upstreamProxy('http://127.0.0.1:9'),
      })

      const answer = await send('GET /ollama/tags')

      expect(answer.body).toContain(`${name}:${upstream.port}`)
      expect(upstream.requests[0]?.message.url).toBe('/api/tags')
      expect((await proxy.waitFor('request-started')).url).toBe(
        `http://${name}:${upstream.port}/api/tags`,
      )
    },
  )

  test('stays refused to a proxy request for it, even once its connection is kept', async () => {
    const upstream = kept(await startHttpUpstream((_request, response) => response.end('ok')))
    const there = `127.0.0.1:${upstream.port}`
    const { proxy, send } = await bench('', {
      configure: (builder) => builder.route(`ollama=http://${there}`),
    })

    const routed = await send('GET /ollama/')
    const asked = await ask(await connectRaw(proxy), requestText(`GET http://${there}/`, there))

    expect(routed.status).toBe(200)
    expect(asked.status).toBe(403)
    expect(upstream.requests).toHaveLength(1)
  })
})

describe('what is refused', () => {
  const cases: ReadonlyArray<
    readonly [
      what: string,
      line: string,
      fields: readonly string[],
      sentHost: string | undefined,
      status: number,
      code: string,
    ]
  > = [
    ['an unknown name', 'GET /other/x', [], undefined, 404, 'unknown-route'],
    ['an encoded name', 'GET /%6fpenai/x', [], undefined, 404, 'unknown-route'],
    ['no name', 'GET /', [], undefined, 404, 'unknown-route'],
    ['a way out', 'GET /openai/%2e%2E/x', [], undefined, 400, 'bad-path'],
    ['TRACE', 'TRACE /openai/', [], undefined, 405, 'method-refused'],
    ['another Host', 'GET /openai/', [], 'rebound.example:80', 421, 'misdirected-request'],
    ['a page', 'POST /openai/', ['Origin: https://a.example'], undefined, 403, 'foreign-origin'],
    ['an image', 'GET /openai/', ['Sec-Fetch-Site: cross-site'], undefined, 403, 'foreign-origin'],
    ['a page’s socket', 'GET /openai/', upgradeFrom('null'), undefined, 403, 'foreign-origin'],
  ]
  test.each(cases)('%s (%s)', async (_what, line, fields, sentHost, status, code) => {
    const { proxy, upstream, send } = await bench()

    const sent = sentHost === undefined ? {} : { host: sentHost }
    const answer = await send(line, fields, sent)

    expect(answer.status).toBe(status)
    expect(answer.head.toLowerCase()).toContain(`x-porthole-error: ${code}`)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code } })
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ status })
    expect(upstream.connections()).toBe(0)
  })

  test('names the routes that there are', async () => {
    const { send } = await bench()

    expect((await send('GET /x')).body).toContain('/openai/')
  })

  test('a route that leads back to the listener', async () => {
    const port = await freePort()
    const proxy = kept(
      await startProxy({
        configure: (builder) =>
          builder.listen(`127.0.0.1:${port}`).route(`me=http://127.0.0.1:${port}/me`),
      }),
    )

    const answer = await ask(await connectRaw(proxy), requestText('GET /me/', `localhost:${port}`))

    expect(answer.status).toBe(403)
    expect(answer.head.toLowerCase()).toContain('x-porthole-error: loop')
  })

  test('everything without a token, where one is demanded, with 401', async () => {
    const { upstream, send, proxy } = await bench('', {
      configure: (builder) => builder.requireToken('me', 'secret'),
    })

    const without = await send('GET /openai/')
    const withIt = await send('GET /openai/', ['Proxy-Authorization: Bearer secret'])

    expect(without.status).toBe(401)
    expect(without.head.toLowerCase()).toContain('www-authenticate: bearer')
    expect(JSON.parse(without.body)).toMatchObject({ error: { code: 'unauthenticated' } })
    expect(await proxy.waitFor('connection-refused')).toMatchObject({
      method: 'GET',
      host,
      port: 443,
    })
    expect(withIt.status).toBe(200)
    expect((await proxy.waitFor('request-started')).agent).toBe('me')
    expect(upstream.requests[0]?.message.headers['proxy-authorization']).toBeUndefined()
  })

  test('a header block over its bound, with 431', async () => {
    const { send } = await bench()

    expect((await send('GET /openai/', [`X: ${'x'.repeat(70_000)}`])).status).toBe(431)
  })

  test('without routes, anything in origin form, as it is no proxy request', async () => {
    const proxy = kept(await startProxy({}))

    const answer = await ask(await connectRaw(proxy), requestText('GET /openai/', 'localhost'))

    expect(answer.status).toBe(400)
    expect(answer.head.toLowerCase()).toContain('x-porthole-error: not-a-proxy-request')
  })
})

function upgradeFrom(origin: string): string[] {
  return [`Origin: ${origin}`, 'Connection: Upgrade', 'Upgrade: websocket']
}

async function freePort(): Promise<number> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
