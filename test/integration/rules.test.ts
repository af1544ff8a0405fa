/** Rules over real sockets: what they refuse is not dialled, and what they count is counted right. */
import tls from 'node:tls'

import { afterEach, describe, expect, test } from 'vitest'

import type { Rule, RuleSource } from '../../src/policy/rules/rule.ts'
import { createProxiedClient } from '../support/proxied-client.ts'
import type { ProxiedAnswer, ProxiedRequest } from '../support/proxied-client.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { rule, ruleSet, testRules } from '../support/rules.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
} from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)

const opened: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})
function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly upstream: TestUpstream
  readonly request: (
    request: Partial<ProxiedRequest> & { readonly path?: string },
  ) => Promise<ProxiedAnswer>
}

async function bench(
  source: RuleSource,
  options: { readonly tunnelsOnReject?: boolean } = {},
): Promise<Bench> {
  const upstream = open(
    await startHttpsUpstream(root, host, (_request, response) => response.end('ok')),
  )
  const proxy = open(
    await startProxy({
      connectTo: { [`${host}:443`]: upstream.port },
      root,
      configure: (builder) => {
        builder.rules(source).route(`api=https://${host}/v1`)
        if (options.tunnelsOnReject === true) builder.tunnelOnReject()
      },
    }),
  )
  const { running } = proxy
  const client = createProxiedClient(running.url, running.certificateAuthority.certificatePem)
  open({ close: () => Promise.resolve(client[Symbol.dispose]()) })
  return {
    proxy,
    upstream,
    request: ({ path = '/v1/models', ...rest }) =>
      client.request({ url: `https://${host}${path}`, ...rest }),
  }
}

/** A target as it stands, without a client that tidies it up. */
async function askRaw({ proxy }: Bench, target: string, method = 'GET'): Promise<number> {
  const socket = await connectTls(proxy, `${host}:443`)
  const { status } = await ask(socket, requestText(`${method} ${target}`, host))
  socket.destroy()
  return status
}

const blocking = (fields: Partial<Parameters<typeof rule>[0]>): Rule =>
  rule({ name: 'no', action: 'block', ...fields })

describe('a block rule that names a host', () => {
  test('refuses the CONNECT itself; nothing is dialled', async () => {
    const { proxy, upstream } = await bench(testRules([blocking({ host })]))

    const { socket, head } = await connectThrough(proxy, `${host}:443`)
    socket.destroy()

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(head).toContain('X-Should-Retry: false')
    expect(head).toContain('"rule":"no"')
    expect(await proxy.waitFor('connection-refused')).toMatchObject({
      host,
      port: 443,
      status: 403,
      reason: 'rule',
      rule: 'no',
    })
    expect(proxy.of('rule-matched')).toMatchObject([{ rule: 'no', mode: 'enforce' }])
    expect(upstream.connections()).toBe(0)
  })

  test('holds for a tunnel, on every port, and no name is looked up', async () => {
    const { proxy } = await bench(testRules([blocking({ host: 'nowhere.invalid' })]))

    const { socket, head } = await connectThrough(proxy, 'NOWHERE.invalid.:8443')
    socket.destroy()

    // A name that is looked up and not found is a 502.
    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(proxy.of('tunnel-opened')).toEqual([])
  })

  test('holds for plain HTTP that passes unread, also by its path', async () => {
    const plain = open(await startHttpUpstream((_request, response) => response.end('ok')))
    const place = `127.0.0.1:${plain.port}`
    const { proxy } = await bench(testRules([blocking({ host: place, path: '/admin/*' })]))
    const get = async (path: string): Promise<number> => {
      const socket = await connectRaw(proxy)
      const answer = await ask(socket, requestText(`GET http://${place}${path}`, place))
      socket.destroy()
      return answer.status
    }

    expect(await get('/public')).toBe(200)
    expect(await get('/admin/users')).toBe(403)
    expect(await get('//admin/users')).toBe(403)
    expect(plain.requests).toHaveLength(1)
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ reason: 'rule', rule: 'no' })
  })
})

describe('a block rule with a path', () => {
  const rules = [blocking({ host, path: '/v1/files/*', method: 'POST' })]

  test('lets the CONNECT through, and refuses the request with JSON that names it', async () => {
    const { proxy, upstream, request } = await bench(testRules(rules))

    const refused = await request({ path: '/v1/files?a=/v1/models', method: 'POST', body: '{}' })
    const passed = await request({ path: '/v1/files' })

    expect(refused.status).toBe(403)
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      error: { type: 'porthole_error', code: 'rule', rule: 'no' },
    })
    expect(refused.headers).toContainEqual(['X-Should-Retry', 'false'])
    expect(passed.status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
    expect(await proxy.waitFor('request-refused')).toMatchObject({ reason: 'rule', rule: 'no' })
  })

  test.each([
    '/v1/files',
    '/v1/files/',
    '/V1/Files/abc',
    '/v1/files/%61bc',
    '/v1/%66iles/abc',
    '//v1/files',
    '/v1//files/a',
    '/v1/./files',
    '/v1/x/../files',
    '/v1/x/%2e%2e/files',
    '/v1%2ffiles',
    '/v1%2Ffiles%2Fa',
    '/v1/files;x=1/a',
    '/v1\\files',
    '/v1/%EF%BC%8Ffiles',
    '/v1/files/%C3%28',
    '/v1/%2566iles',
  ])('P17 refuses %s, which a server could take for it', async (target) => {
    const it = await bench(testRules(rules))

    expect(await askRaw(it, target, 'POST')).toBe(403)
    expect(it.upstream.requests).toHaveLength(0)
  })

  test.each(['/v1/filesystem', '/v1/models', '/v2/files', '/'])('passes %s', async (target) => {
    expect(await askRaw(await bench(testRules(rules)), target, 'POST')).toBe(200)
  })

  test('P19 refuses a method that another field asks for', async () => {
    const { request } = await bench(testRules([blocking({ host, method: 'DELETE' })]))

    const headers = [['X-HTTP-Method-Override', 'delete']] as Array<[string, string]>

    expect((await request({ headers })).status).toBe(403)
    expect((await request({})).status).toBe(200)
  })
})

describe('a rate rule', () => {
  test('R6 lets exactly as many through as it says, however many come at once', async () => {
    const limit = rule({ name: 'few', action: 'rate', host, limit: '7/1h' })
    const { proxy, upstream, request } = await bench(testRules([limit]))

    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => request({ path: `/v1/models?${index}` })),
    )

    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7)
    expect(refused).toHaveLength(43)
    expect(upstream.requests).toHaveLength(7)
    const headers = new Map(refused[0]?.headers.map(([name, value]) => [name, value]))
    expect(Number(headers.get('Retry-After'))).toBeGreaterThan(3500)
    expect(headers.get('X-RateLimit-Limit')).toBe('7')
    expect(headers.get('X-RateLimit-Remaining')).toBe('0')
    expect(Number(headers.get('X-RateLimit-Reset'))).toBeGreaterThan(3500)
    await expect.poll(() => proxy.of('request-refused'), { timeout: 15_000 }).toHaveLength(43)
  })

  test('R6 counts requests of pipelined connections, and other spellings of the host', async () => {
    const limit = rule({ action: 'rate', host, limit: '3/1h' })
    const { proxy, upstream } = await bench(testRules([limit]))
    const socket = await connectTls(proxy, `${host.toUpperCase()}.:443`, { servername: host })

    socket.write(requestText('GET /a', host).repeat(6))
    const all = await readUntil(
      socket,
      (bytes) => bytes.toString().match(/HTTP\/1\.1 \d+/gu)?.length === 6,
    )
    socket.destroy()

    expect(all.toString().match(/HTTP\/1\.1 429/gu)).toHaveLength(3)
    expect(upstream.requests).toHaveLength(3)
  })

  test('R6 counts a host by whichever way it is reached', async () => {
    const limit = rule({ action: 'rate', host, limit: '2/1h' })
    const { proxy, upstream, request } = await bench(testRules([limit]))
    const own = `127.0.0.1:${proxy.running.port}`
    const ways: Array<() => Promise<{ readonly status: number }>> = [
      () => request({}),
      async () => ask(await connectRaw(proxy), requestText('GET /api/models', own)),
      async () => ask(await connectRaw(proxy), requestText(`GET http://${host}/v1/models`, host)),
    ]

    const statuses: number[] = []
    for (const way of [...ways.slice(0, 2), ...ways]) statuses.push((await way()).status)

    expect(statuses).toEqual([200, 200, 429, 429, 429])
    expect(upstream.requests).toHaveLength(2)
  })

  test('that names only a host counts its tunnels, and not the CONNECT of what is read', async () => {
    const tunnelled = open(await startRawUpstream((socket) => socket.pipe(socket)))
    const place = `127.0.0.1:${tunnelled.port}`
    const rules = [
      rule({ action: 'rate', host: place, limit: '2/1h' }),
      rule({ action: 'rate', host, limit: '1/1h' }),
    ]
    const { proxy, request } = await bench(testRules(rules))
    const heads: string[] = []
    for (let index = 0; index < 3; index += 1) {
      const { socket, head } = await connectThrough(proxy, place)
      heads.push(head.split(' ')[1] ?? '')
      if (index === 2) expect(head).toMatch(/\r\nRetry-After: \d+\r\n/u)
      socket.destroy()
    }

    expect(heads).toEqual(['200', '200', '429'])
    expect((await request({})).status).toBe(200)
    expect((await request({})).status).toBe(429)
  })
})

describe('the default action block', () => {
  test('passes what a rule allows, and nothing else', async () => {
    const rules = [
      rule({ action: 'allow', host, path: '/v1/models' }),
      blocking({ host, method: 'DELETE' }),
    ]
    const { proxy, request, upstream } = await bench(testRules(rules, 'block'))
    const other = open(await startRawUpstream((socket) => socket.pipe(socket)))

    expect((await request({})).status).toBe(200)
    expect((await request({ method: 'DELETE' })).status).toBe(403)
    const unknown = await request({ path: '/v1/files' })
    expect(unknown.status).toBe(403)
    expect(unknown.body.toString()).toContain('default-action')
    const { socket, head } = await connectThrough(proxy, `127.0.0.1:${other.port}`)
    socket.destroy()
    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(upstream.requests).toHaveLength(1)
  })
})

describe('rules that change while the proxy runs', () => {
  test('hold from the next request on, on connections that are open', async () => {
    const source = testRules([])
    const { proxy } = await bench(source)
    const socket = await connectTls(proxy, `${host}:443`)

    const before = await ask(socket, requestText('GET /a', host))
    source.set(ruleSet([blocking({ host, path: '/a' })]))
    const after = await ask(socket, requestText('GET /a', host))
    socket.destroy()

    expect([before.status, after.status]).toEqual([200, 403])
  })

  test('let nothing through where they cannot be had, neither request nor CONNECT', async () => {
    const source = testRules([])
    const { proxy, upstream } = await bench(source)
    const socket = await connectTls(proxy, `${host}:443`)

    source.set(new Error('the vault was moved away'))
    const answer = await ask(socket, requestText('GET /a', host))
    const refused = await connectThrough(proxy, 'elsewhere.invalid:443')
    socket.destroy()
    refused.socket.destroy()

    expect(answer.status).toBe(503)
    expect(answer.body).toContain('rules-unavailable')
    expect(answer.head).toContain('Retry-After')
    expect(refused.head).toMatch(/^HTTP\/1\.1 503 /u)
    expect(upstream.requests).toHaveLength(0)
  })
})

describe('a rule that is only observed', () => {
  test('is told, and refuses nothing', async () => {
    const rules = [
      blocking({ host, mode: 'observe' }),
      rule({ name: 'few', action: 'rate', host, limit: '1/1h', mode: 'observe' }),
      rule({ name: 'seen', action: 'observe', path: '/v1/*' }),
    ]
    const { proxy, request } = await bench(testRules(rules))

    expect((await request({})).status).toBe(200)
    expect((await request({})).status).toBe(200)

    const told = (): unknown =>
      proxy.of('rule-matched').map((msg) => [msg.rule, msg.decision, msg.mode])
    await expect.poll(told, { timeout: 15_000 }).toEqual([
      ['no', 'block', 'observe'],
      ['seen', 'observe', 'observe'],
      ['no', 'block', 'observe'],
      ['seen', 'observe', 'observe'],
      ['few', 'limit', 'observe'],
    ])
  })
})

describe('a client that rejects our certificate', () => {
  test('is given no tunnel around a rule that would have to read its requests', async () => {
    const rules = [blocking({ host, path: '/v1/files/*' })]
    const { proxy, upstream } = await bench(testRules(rules), { tunnelsOnReject: true })
    const rejecting = await connectThrough(proxy, `${host}:443`)
    const distrusting = tls.connect({ socket: rejecting.socket, servername: host })
    await new Promise((resolve) => {
      distrusting.on('error', resolve)
    })
    rejecting.socket.destroy()
    await proxy.waitFor('tls-failed')

    const again = await connectThrough(proxy, `${host}:443`)
    again.socket.destroy()

    expect(again.head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(again.head).toContain('"rule":"no"')
    expect(upstream.connections()).toBe(0)
  })
})
