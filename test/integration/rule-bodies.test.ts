/** Rules on models and tools over real sockets: bodies that are read first, and sent on unchanged. */
import { randomBytes } from 'node:crypto'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { Bounds } from '../../src/config/bounds.ts'
import type { Rule } from '../../src/policy/rules/rule.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { rule, testRules } from '../support/rules.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const target = '/v1/chat/completions'

const open = closesAfterEach()

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly upstream: TestUpstream
}

const noGpt = (): Rule => rule({ name: 'no-gpt', action: 'block', host, model: 'gpt-4*' })

async function bench(rules: readonly Rule[], limits: Partial<Bounds> = {}): Promise<Bench> {
  const upstream = open(
    await startHttpsUpstream(root, host, (_request, response) => response.end('ok')),
  )
  const proxy = open(
    await startProxy({
      connectTo: { [`${host}:443`]: upstream.port },
      root,
      configure: (builder) => {
        builder.rules(testRules(rules)).limit(limits)
        for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      },
    }),
  )
  return { proxy, upstream }
}

function bytesOf(body: Buffer | string, fields: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body)
  const head = [`POST ${target} HTTP/1.1`, `Host: ${host}`, ...fields]
  return Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\nContent-Length: ${bytes.length}\r\n\r\n`),
    bytes,
  ])
}

async function post(
  { proxy }: Bench,
  body: Buffer | string,
  fields: readonly string[] = [],
): Promise<RawAnswer> {
  const socket = await connectTls(proxy, `${host}:443`)
  socket.write(bytesOf(body, fields))
  const answer = await readAnswer(socket)
  socket.destroy()
  return answer
}

const call = (model: string, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: 'say gpt-4o' }], ...more })

describe('a request that names a blocked model', () => {
  test('is refused before anything is dialled, and its prompt is told as not sent', async () => {
    const it = await bench([noGpt()])

    const answer = await post(it, call('gpt-4o'))

    expect(answer.status).toBe(403)
    expect(answer.body).toContain('"rule":"no-gpt"')
    expect(it.upstream.connections()).toBe(0)
    await it.proxy.waitFor('exchange-completed')
    expect(it.proxy.of('request-body')).toHaveLength(1)
    expect(it.proxy.of('request-ended')).toEqual([])
    expect(await it.proxy.waitFor('model-answered')).toMatchObject({
      error: { type: 'rule', message: 'the rule no-gpt blocks this request' },
    })
  })

  test.each([
    ['twice, the other one last', '{"model":"gpt-4o","messages":[],"model":"o3"}'],
    ['twice, the other one first', '{"model":"o3","messages":[],"model":"gpt-4o"}'],
    ['with an escaped key', String.raw`{"mod\u0065l":"gpt-4o"}`],
    ['with a key in capitals', '{"Model":"gpt-4o"}'],
    ['with a name in capitals', '{"model":"GPT-4o"}'],
    ['as an alternative', '{"model":"o3","models":["gpt-4o"]}'],
    ['behind a byte order mark', '\ufeff{"model":"gpt-4o"}'],
    ['in a session', '{"session":{"model":"gpt-4o"}}'],
    ['in a batch', '{"requests":[{"params":{"model":"gpt-4o","messages":[]}}]}'],
    ['with a collection before it', '{"model":"models/gpt-4o"}'],
    ['in JSON with a comment', '{"model":"o3"/*","x":"*/,"model":"gpt-4o"}'],
    ['in a second document', '{"model":"o3"}{"model":"gpt-4o"}'],
    ['in UTF-16', Buffer.from('{"model":"gpt-4o"}', 'utf16le')],
    ['in bytes that are no text', randomBytes(64)],
  ])('S18 %s is refused', async (_where, body) => {
    const it = await bench([noGpt()])

    expect((await post(it, body)).status).toBe(403)
    expect(it.upstream.requests).toHaveLength(0)
  })

  test.each([
    ['gzip', gzipSync(call('gpt-4o'))],
    ['br', brotliCompressSync(call('gpt-4o'))],
    ['zstd', zstdCompressSync(call('gpt-4o'))],
    ['deflate', deflateSync(call('gpt-4o'))],
    ['gzip, br', brotliCompressSync(gzipSync(call('gpt-4o')))],
    ['gzip', Buffer.from(call('o3'))],
    ['unheard-of', Buffer.from(call('o3'))],
    ['gzip', gzipSync(Buffer.alloc(80 * 1024 * 1024, 32))],
  ])('R3 in the coding %s, or in one that does not open, is refused', async (coding, body) => {
    const it = await bench([noGpt()])

    expect((await post(it, body, [`Content-Encoding: ${coding}`])).status).toBe(403)
  })

  test('in a form is refused, and so is a form that readers take differently', async () => {
    const it = await bench([noGpt()])
    const form = (...parts: readonly string[]): string =>
      `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`
    const field = (name: string, value: string): string =>
      `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`
    const type = ['Content-Type: multipart/form-data; boundary=b']

    expect((await post(it, form(field('model', 'gpt-4o')), type)).status).toBe(403)
    expect((await post(it, form(field('model', 'whisper-1'), field('x', 'y')), type)).status).toBe(
      200,
    )
    expect((await post(it, `preamble\r\n${form(field('a', 'b'))}`, type)).status).toBe(403)
    expect((await post(it, form(field('a', '1\n--b\nx')), type)).status).toBe(403)
  })
})

describe('a request that a rule on models lets pass', () => {
  test('goes out byte for byte, with its own framing, and is told once', async () => {
    const it = await bench([noGpt()])
    const body = call('o3', { metadata: { model: 'gpt-4o' }, x: 'y'.repeat(200_000) })

    expect((await post(it, body)).status).toBe(200)

    const [sent] = it.upstream.requests
    expect(sent?.body.toString()).toBe(body)
    expect(sent?.message.headers['content-length']).toBe(String(body.length))
    expect(await it.proxy.waitFor('request-ended')).toMatchObject({ bytes: body.length })
    const told = it.proxy.of('request-body').map(({ text }) => text ?? '')
    expect(told.join('')).toBe(body)
    expect(await it.proxy.waitFor('model-called')).toMatchObject({ model: 'o3' })
  })

  test('keeps its coding and its chunks, sent in single bytes too', async () => {
    const it = await bench([noGpt()])
    const body = gzipSync(call('o3'))
    const socket = await connectTls(it.proxy, `${host}:443`)
    const head = [
      `POST ${target} HTTP/1.1`,
      `Host: ${host}`,
      'Content-Encoding: gzip',
      'Transfer-Encoding: chunked',
      'Trailer: X-Sum',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    for (const byte of body) {
      socket.write(Buffer.concat([Buffer.from('1\r\n'), Buffer.from([byte]), Buffer.from('\r\n')]))
    }
    socket.write('0\r\nX-Sum: 1\r\n\r\n')
    const answer = await readAnswer(socket)
    socket.destroy()

    const [sent] = it.upstream.requests
    expect(answer.status).toBe(200)
    expect(sent?.body.equals(body)).toBe(true)
    expect(sent?.message.headers['transfer-encoding']).toBe('chunked')
    expect(sent?.message.headers['content-length']).toBeUndefined()
    expect(sent?.message.trailers).toEqual({ 'x-sum': '1' })
  })

  test('may wait to be asked for its body, and is asked once', async () => {
    const it = await bench([noGpt()])
    const socket = await connectTls(it.proxy, `${host}:443`)
    const body = call('o3')
    const [head = ''] = bytesOf(body, ['Expect: 100-continue']).toString().split('{')
    socket.write(head)
    const asked = await readUntil(socket, (all) => all.includes('\r\n\r\n'))
    socket.write(body)
    const rest = await readUntil(socket, (all) => all.includes('ok'))
    socket.destroy()

    expect(asked.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(rest.toString()).toMatch(/^HTTP\/1\.1 200 /u)
    expect(it.upstream.requests[0]?.body.toString()).toBe(body)
  })

  test('may have no body, or an empty one', async () => {
    const it = await bench([noGpt()])
    const socket = await connectTls(it.proxy, `${host}:443`)

    expect((await ask(socket, requestText('GET /v1/models', host))).status).toBe(200)
    socket.write(bytesOf(''))
    expect((await readAnswer(socket)).status).toBe(200)
    socket.destroy()
  })
})

describe('a body that has to be read', () => {
  test('R2 and is longer than the bound is refused with 413', async () => {
    const it = await bench([noGpt()], { ruleBodyBytes: 1000 })

    const answer = await post(it, call('o3', { x: 'y'.repeat(100_000) }))

    expect(answer.status).toBe(413)
    expect(answer.body).toContain('--limit rule-body')
    expect(it.upstream.connections()).toBe(0)
  })

  test('and is only watched goes out whole, whatever its length', async () => {
    const watching = rule({ action: 'observe', model: 'gpt-4*' })
    const it = await bench([watching], { ruleBodyBytes: 1000 })
    const body = call('o3', { x: 'y'.repeat(300_000) })

    expect((await post(it, body)).status).toBe(200)
    expect(it.upstream.requests[0]?.body.toString()).toBe(body)
    await it.proxy.waitFor('request-ended')
    const told = it.proxy.of('request-body').map(({ text }) => text ?? '')
    expect(told.join('')).toBe(body)
  })

  test('and does not come is refused with 408, not before its time and not by the judge', async () => {
    const it = await bench([noGpt()], { judgeDeadlineMs: 20, requestProgressMs: 300 })
    const socket = await connectTls(it.proxy, `${host}:443`)

    socket.write(bytesOf(call('o3')).subarray(0, -5))
    const answer = await readAnswer(socket)
    socket.destroy()

    expect(answer.status).toBe(408)
    expect(it.upstream.connections()).toBe(0)
    expect(it.proxy.of('analyzer-failed')).toEqual([])
  })

  test('and is late, but comes, goes out', async () => {
    const it = await bench([noGpt()], { judgeDeadlineMs: 1 })
    const socket = await connectTls(it.proxy, `${host}:443`)
    const bytes = bytesOf(call('o3'))

    socket.write(bytes.subarray(0, -5))
    await it.proxy.waitFor('request-started')
    // A whole exchange takes several of the judge's deadlines.
    const between = await connectTls(it.proxy, `${host}:443`)
    expect((await ask(between, requestText('GET /v1/models', host))).status).toBe(200)
    between.destroy()
    socket.write(bytes.subarray(-5))
    const answer = await readAnswer(socket)
    socket.destroy()

    expect(answer.status).toBe(200)
  })

  test('and whose client leaves ends the exchange once, and lets its bytes go', async () => {
    const it = await bench([noGpt()], { heldBodiesBytes: 100_000 })
    for (let index = 0; index < 4; index += 1) {
      const socket = await connectTls(it.proxy, `${host}:443`)
      socket.write(bytesOf(call('o3', { x: 'y'.repeat(60_000) })).subarray(0, -5))
      const seen = (): number => it.proxy.of('request-started').length
      await expect.poll(seen, { timeout: 15_000 }).toBe(index + 1)
      socket.destroy()
      const failed = (): number => it.proxy.of('exchange-failed').length
      await expect.poll(failed, { timeout: 15_000 }).toBe(index + 1)
    }

    expect((await post(it, call('o3', { x: 'y'.repeat(60_000) }))).status).toBe(200)
    expect(it.proxy.of('request-refused')).toEqual([])
  })

  test('R2 beyond what all may hold together is refused with 503', async () => {
    const it = await bench([noGpt()], { heldBodiesBytes: 50_000 })

    const answer = await post(it, call('o3', { x: 'y'.repeat(60_000) }))

    expect(answer.status).toBe(503)
    expect(answer.head).toContain('Retry-After: 1')
    expect((await post(it, call('o3'))).status).toBe(200)
  })
})

describe('a rule on tools', () => {
  const noBash = (): Rule => rule({ name: 'no-bash', action: 'block', tool: 'bash*' })

  test.each([
    [{ tools: [{ type: 'function', function: { name: 'bash' } }] }],
    [{ tools: [{ name: 'bash', input_schema: {} }] }],
    [{ tools: [{ type: 'bash_20250124', name: 'x' }] }],
    [{ tools: [{ functionDeclarations: [{ name: 'bash' }] }] }],
    [{ tools: [{ bash: {} }] }],
    [{ toolConfig: { tools: [{ toolSpec: { name: 'bash' } }] } }],
    [{ functions: [{ name: 'Bash' }] }],
  ])('refuses %j', async (more) => {
    expect((await post(await bench([noBash()]), call('o3', more))).status).toBe(403)
  })

  test('passes other tools, and a tool of that name that is only spoken of', async () => {
    const it = await bench([noBash()])
    const parameters = { type: 'object', properties: { bash: { type: 'string' } } }
    const tools = [{ type: 'function', function: { name: 'read', parameters } }]
    const messages = [{ role: 'assistant', tool_calls: [{ function: { name: 'bash' } }] }]

    expect((await post(it, call('o3', { tools, messages }))).status).toBe(200)
  })
})

describe('a model in the request target', () => {
  test.each([
    '/v1beta/models/gpt-4o:generateContent',
    '/v1beta/models/gpt%2D4o:generateContent',
    '/v1beta/models/gpt-4o%3AgenerateContent',
    '/model/gpt-4o/invoke',
    '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fgpt-4o/invoke',
    '/openai/deployments/gpt-4o/chat/completions',
    '/v1beta/models/o3/../gpt-4o:generateContent',
    '/v1/realtime/calls?model=gpt-4o',
  ])('is seen in %s', async (path) => {
    const it = await bench([noGpt()])
    const socket = await connectTls(it.proxy, `${host}:443`)
    const answer = await ask(socket, requestText(`POST ${path}`, host, [], '{}'))
    socket.destroy()

    expect(answer.status).toBe(403)
  })

  test('that is none of them passes', async () => {
    const it = await bench([noGpt()])
    const socket = await connectTls(it.proxy, `${host}:443`)
    const path = '/model/us.anthropic.claude-3-5%3A0/invoke'
    const answer = await ask(socket, requestText(`POST ${path}`, host, [], '{}'))
    socket.destroy()

    expect(answer.status).toBe(200)
  })

  test('may come later on a WebSocket, which a block rule on models therefore refuses', async () => {
    const it = await bench([noGpt()])
    const socket = await connectTls(it.proxy, `${host}:443`)
    const fields = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ]
    const answer = await ask(socket, requestText('GET /v1/realtime?model=o3', host, fields))
    socket.destroy()

    expect(answer.status).toBe(403)
    expect(it.upstream.connections()).toBe(0)
  })
})
