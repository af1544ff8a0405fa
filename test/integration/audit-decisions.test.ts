/** Every way in which a request can be let through or refused leaves exactly one decision. */
import { once } from 'node:events'

import { afterEach, describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/index.ts'
import type { PortholeBuilder } from '../../src/builder.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import type { AgentPass } from '../../src/policy/agent-pass.ts'
import type { AuditSink, Decision, Outcome } from '../../src/policy/decision-log.ts'
import type { RequestContext } from '../../src/proxy/module-surface.ts'
import { canary } from '../support/canary.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { createUpstreamRoot, startHttpsUpstream, startHttpUpstream } from '../support/upstream.ts'
import { basicToken } from '../support/vault-proxy.ts'

const host = 'api.openai.com'
const blind = 'blind.example'
const plain = 'plain.example'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

interface Heard {
  readonly decisions: Decision[]
  readonly outcomes: Outcome[]
}

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly heard: Heard
  /** Requests that reached an upstream. */
  readonly reached: () => number
}

async function bench(over: ProxySetup = {}): Promise<Bench> {
  const secure = await startHttpsUpstream(root, host, (_request, response) => response.end('ok'))
  const open = await startHttpUpstream((_request, response) => response.end('ok'))
  opened.push(secure, open)
  const heard: Heard = { decisions: [], outcomes: [] }
  const sink: AuditSink = {
    decided: (decision) => void heard.decisions.push(decision),
    ended: (outcome) => void heard.outcomes.push(outcome),
  }
  const proxy = await startProxy({
    allow: [host, plain],
    root,
    connectTo: {
      [`${host}:443`]: secure.port,
      [`${plain}:80`]: open.port,
      [`${blind}:80`]: open.port,
      [`${blind}:443`]: open.port,
    },
    ...over,
    configure: (builder) => {
      builder.audit(sink).addAnalyzer(new HttpParser())
      over.configure?.(builder)
    },
  })
  opened.push(proxy)
  return { proxy, heard, reached: () => secure.requests.length + open.requests.length }
}

const refusing = (answer: () => ReturnType<NonNullable<Analyzer['onRequest']>>): Analyzer => ({
  name: 'refusing',
  onRequest: answer,
})
const pass: AgentPass = { agent: 'ci', isValid: () => true, mayReach: () => false }
type Done = (error?: Error) => void

interface Case {
  readonly what: string
  readonly configure?: (builder: PortholeBuilder) => void
  readonly over?: ProxySetup
  readonly send: (proxy: ProxyUnderTest) => Promise<unknown>
  readonly decision: Partial<Decision>
  readonly outcome?: Partial<Outcome>
}

const inside =
  (text: string) =>
  async (proxy: ProxyUnderTest): Promise<unknown> =>
    ask(await connectTls(proxy, `${host}:443`), text)
const outside =
  (text: string) =>
  async (proxy: ProxyUnderTest): Promise<unknown> =>
    ask(await connectRaw(proxy), text)

const connections: Case[] = [
  {
    what: 'a CONNECT without an authority',
    send: (proxy) => connectThrough(proxy, 'nowhere'),
    decision: { subject: 'connect', decision: 'deny', reason: 'bad-authority', status: 400 },
  },
  {
    what: 'a CONNECT without the token',
    configure: (builder) => builder.requireToken('ci', canary),
    send: (proxy) => connectThrough(proxy, `${host}:443`),
    decision: { decision: 'deny', reason: 'unauthenticated', status: 407, host, port: 443 },
  },
  {
    what: 'a CONNECT out of the scope of its agent',
    configure: (builder) => builder.requireToken('ci', canary, pass),
    send: (proxy) => connectThrough(proxy, `${host}:443`, basicToken(canary)),
    decision: { decision: 'deny', reason: 'host-not-in-scope', status: 403, agent: 'ci' },
  },
  {
    what: 'a CONNECT to the proxy itself',
    send: (proxy) => connectThrough(proxy, `127.0.0.1:${proxy.running.port}`),
    decision: { decision: 'deny', reason: 'loop', status: 403 },
  },
  {
    what: 'a CONNECT that a module refuses',
    configure: (builder) =>
      builder.use({
        onConnect: (_request: unknown, _socket: unknown, _head: unknown, done: Done) =>
          done(new Error('no')),
      }),
    send: (proxy) => connectThrough(proxy, `${host}:443`),
    decision: { decision: 'deny', reason: 'refused', status: 403, host },
  },
  {
    what: 'a CONNECT to a private address',
    over: { guardAddresses: true },
    send: (proxy) => connectThrough(proxy, '127.0.0.1:9'),
    decision: { decision: 'deny', reason: 'address-denied', status: 403, host: '127.0.0.1' },
  },
  {
    what: 'one connection too many',
    configure: (builder) => builder.limit({ maxConnections: 1 }),
    send: async (proxy) => {
      await connectRaw(proxy)
      return readUntil(await connectRaw(proxy), () => false)
    },
    decision: { decision: 'deny', reason: 'too-many-connections', status: 503 },
  },
  {
    what: 'a tunnel',
    send: async (proxy) => {
      const { socket } = await connectThrough(proxy, `${blind}:443`)
      await ask(socket, requestText('GET /', blind))
      socket.end()
    },
    decision: { subject: 'connect', decision: 'tunnel', reason: 'not-allowlisted', host: blind },
    outcome: { error: undefined },
  },
  {
    what: 'a tunnel to nobody',
    over: { connectTo: { 'dead.example:443': 1 } },
    send: (proxy) => connectThrough(proxy, 'dead.example:443'),
    decision: { decision: 'tunnel', reason: 'not-allowlisted', host: 'dead.example' },
    outcome: { bytesUp: 0, bytesDown: 0 },
  },
  {
    what: 'an intercepted connection without a request',
    send: async (proxy) => {
      const socket = await connectTls(proxy, `${host}:443`)
      socket.end()
      await once(socket, 'close')
    },
    decision: { subject: 'connect', decision: 'allow', reason: 'no-request', host },
  },
]

const requests: Case[] = [
  {
    what: 'an intercepted request',
    send: inside(requestText('GET /v1/models?key=' + canary, host)),
    decision: {
      subject: 'request',
      decision: 'allow',
      reason: 'allowlisted',
      method: 'GET',
      path: '/v1/models?key=[REDACTED]',
      host,
      port: 443,
    },
    outcome: { status: 200, bytesUp: 0, bytesDown: 2 },
  },
  {
    what: 'a request for another host than that of its connection',
    send: inside(requestText('GET /', 'other.example')),
    decision: { decision: 'deny', reason: 'misdirected-request', status: 421, host },
  },
  {
    what: 'a request with a method that is not forwarded',
    send: inside(requestText('TRACE /', host)),
    decision: { decision: 'deny', reason: 'method-refused', status: 405, method: 'TRACE', host },
  },
  {
    what: 'what is no HTTP',
    send: inside('nonsense\r\n\r\n'),
    decision: { subject: 'request', decision: 'deny', reason: 'bad-request', status: 400, host },
  },
  {
    what: 'a CONNECT within a connection',
    send: inside(requestText('CONNECT other.example:443', 'other.example')),
    decision: { decision: 'deny', reason: 'nested-connect', status: 405, host },
  },
  {
    what: 'a request that an analyzer refuses',
    configure: (builder) =>
      builder.addAnalyzer(
        refusing(() => ({ status: 429, reason: 'rate', message: 'later', rule: 'slow' })),
      ),
    send: inside(requestText('GET /', host)),
    decision: { decision: 'deny', reason: 'rate', rule: 'slow', status: 429, path: '/' },
  },
  {
    what: 'a request over which an analyzer fails',
    configure: (builder) =>
      builder.addAnalyzer(
        refusing(() => {
          throw new Error('broken')
        }),
      ),
    send: inside(requestText('GET /', host)),
    decision: { decision: 'deny', reason: 'analyzer-failed', status: 502 },
  },
  {
    what: 'a request that a rule allows',
    configure: (builder) =>
      builder.addAnalyzer({
        name: 'ruling',
        onRequest: ({ emit }) =>
          emit({ kind: 'rule-matched', rule: 'models', decision: 'allow', mode: 'enforce' }),
      }),
    send: inside(requestText('GET /', host)),
    decision: { decision: 'allow', reason: 'rule', rule: 'models' },
    outcome: { status: 200 },
  },
  {
    what: 'a request that a module refuses',
    configure: (builder) =>
      builder.use({
        onRequest: (_ctx: RequestContext, done: Done) => done(new Error('no')),
      }),
    send: inside(requestText('GET /x', host)),
    decision: { decision: 'deny', reason: 'refused', status: 403, method: 'GET', path: '/x' },
  },
  {
    what: 'a request that a module answers',
    configure: (builder) =>
      builder.use({
        onRequest: (ctx: RequestContext, done: Done) => {
          ctx.proxyToClientResponse.writeHead(200, { 'Content-Length': 4 })
          ctx.proxyToClientResponse.end('mine')
          done()
        },
      }),
    send: inside(requestText('GET /', host)),
    decision: { decision: 'allow', reason: 'module' },
    outcome: { status: 200 },
  },
  {
    what: 'plain HTTP to a host that is decrypted',
    send: outside(requestText(`GET http://${plain}/a`, plain)),
    decision: { decision: 'allow', reason: 'allowlisted', host: plain, port: 80, path: '/a' },
    outcome: { status: 200 },
  },
  {
    what: 'plain HTTP that passes unread',
    send: outside(requestText(`GET http://${blind}/a`, blind)),
    decision: { decision: 'tunnel', reason: 'not-allowlisted', host: blind, path: '/a' },
    outcome: { bytesDown: 2 },
  },
  {
    what: 'plain HTTP without the token',
    configure: (builder) => builder.requireToken('ci', canary),
    send: outside(requestText(`GET http://${plain}/`, plain)),
    decision: { subject: 'request', decision: 'deny', reason: 'unauthenticated', status: 407 },
  },
  {
    what: 'plain HTTP out of the scope of its agent',
    configure: (builder) => builder.requireToken('ci', canary, pass),
    send: outside(requestText(`GET http://${plain}/`, plain, [basicToken(canary).trim()])),
    decision: { decision: 'deny', reason: 'host-not-in-scope', host: plain, agent: 'ci' },
  },
  {
    what: 'a routed request',
    configure: (builder) => builder.route(`openai=https://${host}/v1`),
    send: async (proxy) =>
      outside(requestText('GET /openai/models', `127.0.0.1:${proxy.running.port}`))(proxy),
    decision: { decision: 'allow', reason: 'allowlisted', host, path: '/v1/models' },
    outcome: { status: 200 },
  },
  {
    what: 'a request on a route that is none',
    configure: (builder) => builder.route(`openai=https://${host}/v1`),
    send: async (proxy) =>
      outside(requestText('GET /other/', `127.0.0.1:${proxy.running.port}`))(proxy),
    decision: { decision: 'deny', reason: 'unknown-route', status: 404 },
  },
  {
    what: 'a request that leads to a private address',
    over: { guardAddresses: true, allow: ['localhost'], connectTo: {} },
    send: async (proxy) =>
      ask(await connectTls(proxy, 'localhost:443'), requestText('GET /', 'localhost')),
    // The guard looks at what a name leads to, after the decision about the name.
    decision: { decision: 'allow', reason: 'allowlisted', host: 'localhost' },
    outcome: { status: 403, error: 'address-denied' },
  },
]

describe.each([
  ['connections', connections],
  ['requests', requests],
])('%s', (_name, cases) => {
  test.each(cases)('leave one decision: $what', async (each) => {
    const { configure, over, send, decision, outcome } = each
    const { proxy, heard } = await bench({ ...over, ...(configure && { configure }) })

    await send(proxy)
    await expect.poll(() => heard.decisions.length, { timeout: 15_000 }).toBeGreaterThan(0)
    await proxy.close()

    expect(heard.decisions).toEqual([expect.objectContaining(decision)])
    const [{ exchangeId } = {}] = heard.decisions
    expect(heard.outcomes).toEqual(
      outcome === undefined ? [] : [expect.objectContaining({ exchangeId, ...outcome })],
    )
    expect(JSON.stringify(heard)).not.toContain(canary)
    // What a program asks for now and then is the same.
    const { entries, dropped } = proxy.running.drainAudit()
    expect(dropped).toBe(0)
    expect(entries.filter(({ kind }) => kind === 'decision')).toMatchObject(heard.decisions)
    expect(entries.filter(({ kind }) => kind === 'outcome')).toMatchObject(heard.outcomes)
    expect(proxy.running.drainAudit()).toEqual({ entries: [], dropped: 0 })
  })
})

test('requests on one connection each leave a decision of their own, and its CONNECT none', async () => {
  const { proxy, heard } = await bench()
  const socket = await connectTls(proxy, `${host}:443`)

  for (const path of ['/a', '/b', '/c']) await ask(socket, requestText(`GET ${path}`, host))
  await expect.poll(() => heard.outcomes.length, { timeout: 15_000 }).toBe(3)
  await proxy.close()

  expect(heard.decisions.map(({ path }) => path)).toEqual(['/a', '/b', '/c'])
  expect(heard.outcomes.map(({ exchangeId }) => exchangeId)).toEqual(
    heard.decisions.map(({ exchangeId }) => exchangeId),
  )
})

describe('a log that has what was decided wait', () => {
  const slow = (): {
    sink: AuditSink
    settle: (mayGoOn: boolean) => void
    asked: Promise<void>
  } => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<boolean>()
    const decided = ({ reason }: Decision): void | Promise<boolean> => {
      if (reason === 'no-request') return undefined
      asked.resolve()
      return answer.promise
    }
    return { sink: { decided }, settle: answer.resolve, asked: asked.promise }
  }

  test.each([
    ['a request', true, 200],
    ['a request', false, 503],
    ['a tunnel', true, 200],
    ['a tunnel', false, 503],
  ])('holds %s until it says %s, answered %i', async (what, mayGoOn, status) => {
    const { sink, settle, asked } = slow()
    const { proxy, reached } = await bench({ configure: (builder) => builder.audit(sink) })
    let isAnswered = false

    const sent =
      what === 'a tunnel'
        ? connectThrough(proxy, `${blind}:443`).then(({ head }) => head)
        : connectTls(proxy, `${host}:443`)
            .then((socket) => ask(socket, requestText('GET /', host)))
            .then(({ head }) => head)
    void sent.then(() => {
      isAnswered = true
    })
    await asked
    await new Promise((resolve) => setImmediate(resolve))
    const wasHeld = !isAnswered && reached() === 0
    settle(mayGoOn)

    expect(await sent).toMatch(new RegExp(`^HTTP/1.1 ${status} `, 'u'))
    expect(wasHeld).toBe(true)
    expect(reached()).toBe(what === 'a request' && mayGoOn ? 1 : 0)
  })

  test('and one that fails costs its record alone', async () => {
    const failing: AuditSink = {
      decided: () => {
        throw new Error('broken')
      },
    }
    const rejecting: AuditSink = { decided: () => Promise.reject(new Error('broken')) }
    const { proxy } = await bench({
      configure: (builder) => builder.audit(failing).audit(rejecting),
    })

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer.status).toBe(200)
  })

  test('does not leave a tunnel behind whose client has left meanwhile', async () => {
    const { sink, settle, asked } = slow()
    const { proxy, heard } = await bench({ configure: (builder) => builder.audit(sink) })
    const socket = await connectRaw(proxy)
    socket.write(`CONNECT ${blind}:443 HTTP/1.1\r\nHost: ${blind}:443\r\n\r\n`)
    await asked
    socket.resetAndDestroy()
    await proxy.waitFor('connection-closed')

    settle(true)
    await expect.poll(() => heard.outcomes.length, { timeout: 15_000 }).toBe(1)

    expect(heard.outcomes).toMatchObject([{ error: 'one side left before the tunnel began' }])
    expect(proxy.running.stats()).toMatchObject({ connections: 0 })
  })
})
