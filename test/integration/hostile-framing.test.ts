/**
 * Hostile framing: messages whose end two parsers would see at different places, from clients and
 * from upstreams. What goes out is framed by the proxy, and is exactly one message, or nothing.
 */
import { Transform } from 'node:stream'

import { describe, expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectTls, readUntil } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import { okAnswer, startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { Script, ScriptedUpstream } from '../support/scripted-upstream.ts'

const host = 'api.openai.com'
const open = closesAfterEach()

async function bench(
  script?: Script,
  over: ProxySetup = {},
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = await startScriptedUpstream(host, script)
  open(upstream)
  const proxy = await startProxyTo(host, upstream, over)
  open(proxy)
  return { proxy, upstream }
}

/** Sends bytes on a connection of their own; returns all that comes until the proxy closes it. */
async function sendAll(proxy: ProxyUnderTest, bytes: string): Promise<string> {
  const socket = await connectTls(proxy, `${host}:443`)
  const ended = readUntil(socket, () => false)
  socket.write(bytes, 'latin1')
  const all = await ended
  socket.destroy()
  return all.toString('latin1')
}

const chunkedBody = '3\r\nabc\r\n0\r\n\r\n'

describe('a request', () => {
  const post = (...fields: string[]): string =>
    `POST / HTTP/1.1\r\nHost: ${host}\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`

  test.each<[string, string]>([
    ['both lengths', post('Content-Length: 3', 'Transfer-Encoding: chunked') + chunkedBody],
    ['two lengths', `${post('Content-Length: 3', 'Content-Length: 4')}abcd`],
    ['two lengths in one field', `${post('Content-Length: 3, 3')}abc`],
    ['a signed length', `${post('Content-Length: +3')}abc`],
    ['a negative length', `${post('Content-Length: -1')}abc`],
    ['a length in hex', `${post('Content-Length: 0x3')}abc`],
    ['an unknown coding', post('Transfer-Encoding: xchunked') + chunkedBody],
    ['chunked that is not last', post('Transfer-Encoding: chunked, identity') + chunkedBody],
    ['a control character in a coding', post('Transfer-Encoding: \u000bchunked') + chunkedBody],
    ['a space before a colon', post('Transfer-Encoding : chunked') + chunkedBody],
    ['a folded field', post('X: a', ' Transfer-Encoding: chunked')],
    ['bare line feeds', `GET / HTTP/1.1\nHost: ${host}\n\n`],
    ['a zero byte in a value', post('X: a\u0000b')],
    ['a lone carriage return in a value', post('X: a\rTransfer-Encoding: chunked')],
    ['a field without a colon', post('nonsense')],
    ['a space in its target', `GET /a b HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['another version', `GET / HTTP/3.7\r\nHost: ${host}\r\n\r\n`],
  ])('F1 with %s is answered 400 and closed, and nothing is sent on', async (_what, bytes) => {
    const { proxy, upstream } = await bench()

    const got = await sendAll(proxy, bytes)

    expect(got).toMatch(/^HTTP\/1\.1 400 /u)
    expect(upstream.received()).not.toMatch(/abc|chunked/u)
    expect(proxy.of('exchange-completed')).toEqual([])
  })

  test.each([
    ['in hex', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['with a sign', '+3\r\nabc\r\n0\r\n\r\n'],
    ['that overflows', 'fffffffffffffffff\r\nabc'],
    ['without its line end', '3\nabc\r\n0\r\n\r\n'],
    ['longer than it said', '3\r\nabcdef\r\n0\r\n\r\n'],
  ])('F1 with a chunk size %s is broken off, never completed', async (_what, body) => {
    const { proxy, upstream } = await bench()

    const got = await sendAll(proxy, post('Transfer-Encoding: chunked') + body)

    expect(got).not.toContain('200 OK')
    expect(upstream.received()).not.toContain('0\r\n\r\n')
  })

  test('F2 of HTTP/1.0 that is chunked does not reach the upstream as two', async () => {
    const { proxy, upstream } = await bench((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    })

    const got = await sendAll(
      proxy,
      `POST / HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    )

    expect(got).toMatch(/^HTTP\/1\.1 400 /u)
    expect(upstream.received()).toBe('')
  })

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])(
    'F3 by %s with a body goes out with that body and one length',
    async (method) => {
      const { proxy, upstream } = await bench((socket) => {
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      })
      const request = requestText(`${method} /`, host, [], 'GET /x HTTP/1.1\r\n\r\n')
      const socket = await connectTls(proxy, `${host}:443`)

      socket.write(request)
      await readUntil(socket, (all) => all.includes('\r\n\r\n'))

      expect(upstream.received()).toBe(request)
      socket.destroy()
    },
  )

  const framings: ReadonlyArray<readonly [string, string, string]> = [
    [
      'of known length goes out with its new one',
      requestText('POST /', host, [], 'short'),
      'Content-Length: 12\r\n\r\nshort-longer',
    ],
    [
      'in chunks goes out in chunks',
      `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n`,
      'Transfer-Encoding: chunked\r\n\r\nc\r\nshort-longer\r\n0\r\n\r\n',
    ],
  ]
  test.each(framings)('F4 whose body an analyzer makes longer, %s', async (...row) => {
    const [, request, wanted] = row
    const { proxy, upstream } = await bench((socket) => void socket.write(okAnswer), {
      configure: (builder) =>
        builder.addAnalyzer({
          name: 'longer',
          transformRequestBody: () =>
            new Transform({
              transform: (chunk: Buffer, _encoding, done) =>
                done(null, `${chunk.toString()}-longer`),
            }),
        }),
    })
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(request)
    await upstream.waitFor((received) => received.endsWith(wanted))

    expect(upstream.received()).toBe(`POST / HTTP/1.1\r\nHost: ${host}\r\n${wanted}`)
    socket.destroy()
  })

  test('F5 keeps its trailers as trailers, and loses chunk extensions', async () => {
    const { proxy, upstream } = await bench(() => {})
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(
      `${post('Transfer-Encoding: chunked', 'Trailer: X-Sum')}1;a=b\r\na\r\n1;c="d"\r\nb\r\n0\r\nX-Sum: 7\r\n\r\n`,
    )
    await upstream.waitFor((received) => received.includes('X-Sum: 7'))

    const [head = '', ...rest] = upstream.received().split('\r\n\r\n')
    expect(head).not.toMatch(/x-sum: 7|content-length/iu)
    expect(rest.join('\r\n\r\n')).not.toMatch(/a=b|c="d"/u)
    socket.destroy()
  })

  test('F5 with chunk extensions without end is broken off', async () => {
    const { proxy, upstream } = await bench(() => {})

    await sendAll(proxy, `${post('Transfer-Encoding: chunked')}1;${'x'.repeat(20 * 1024)}`)

    expect(upstream.received()).not.toContain('xxx')
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'client' })
  })

  test('F11 keeps bytes beyond ASCII and repeated fields as they came, both ways', async () => {
    const answered = 'HTTP/1.1 200 OK\r\nX-Obs: caf\u00e9 \u0080\u00ff\r\nContent-Length: 0\r\n\r\n'
    const { proxy, upstream } = await bench((socket) => void socket.write(answered, 'latin1'))
    const request = requestText('GET /', host, [
      'X-Obs: caf\u00e9 \u0080\u00ff',
      'Cookie: a=1',
      'cookie: b=2',
    ])
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(request, 'latin1')
    const got = await readUntil(socket, (all) => all.includes('\r\n\r\n'))

    expect(upstream.received()).toBe(request)
    expect(got.toString('latin1')).toBe(answered)
    socket.destroy()
  })

  test('F12 that is pipelined behind another is checked on its own', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(
      requestText('GET /first', host) +
        requestText('GET /second', 'other.example') +
        requestText('GET /third', host),
    )
    const got = await readUntil(
      socket,
      (all) => all.toString().split('HTTP/1.1 ').length > 3 && all.toString().endsWith('ok'),
    )

    expect([...got.toString().matchAll(/HTTP\/1\.1 (\d+)/gu)].map(([, status]) => status)).toEqual([
      '200',
      '421',
      '200',
    ])
    expect(upstream.received()).not.toContain('/second')
    socket.destroy()
  })
})

describe('an answer', () => {
  test.each([
    ['status 099', 'HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n'],
    ['status 1000', 'HTTP/1.1 1000 No\r\nContent-Length: 0\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n'],
    ['no status', 'HTTP/1.1\r\n\r\n'],
    [
      'a switch of protocols that nobody asked for',
      'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbytes',
    ],
    ['a switch without naming a protocol', 'HTTP/1.1 101 Switching\r\n\r\nbytes'],
    ['another protocol', 'SSH-2.0-OpenSSH_9\r\n'],
  ])('F6 with %s is a 502, and the proxy lives on', async (_what, bytes) => {
    const { proxy } = await bench((socket, _head, index) => {
      socket.end(index === 0 ? bytes : okAnswer, 'latin1')
    })

    const first = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))
    const second = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect([first.status, second.status]).toEqual([502, 200])
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream', status: 502 })
  })

  test('F6 without a reason phrase is passed on', async () => {
    const { proxy } = await bench((socket) => {
      socket.write('HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok')
    })

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer).toMatchObject({ status: 200, body: 'ok' })
  })

  test.each([
    ['both lengths', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', chunkedBody],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n', 'abc'],
    ['a negative length', 'Content-Length: -1\r\n', 'abc'],
    ['a field without a colon', 'nonsense\r\n', ''],
    ['a space before a colon', 'Content-Length : 3\r\n', 'abc'],
    ['a zero byte in a value', 'X: a\u0000b\r\nContent-Length: 0\r\n', ''],
    ['a lone carriage return in a value', 'X: a\rb: c\r\nContent-Length: 0\r\n', ''],
  ])('F7 with %s is a 502, and its connection is not used again', async (_what, fields, body) => {
    const { proxy, upstream } = await bench((socket, _head, index) => {
      socket.write(index === 0 ? `HTTP/1.1 200 OK\r\n${fields}\r\n${body}` : okAnswer, 'latin1')
    })
    const client = await connectTls(proxy, `${host}:443`)

    const first = await ask(client, requestText('GET /', host))
    const second = await ask(client, requestText('GET /', host))

    expect([first.status, second.status]).toEqual([502, 200])
    expect(upstream.connections()).toBe(2)
    client.destroy()
  })

  test('F7 to a HEAD that has a body does not become part of the next answer', async () => {
    const { proxy } = await bench((socket, _head, index) => {
      socket.write(
        index === 0
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\nHTTP/1.1 200 Forged\r\nContent-Length: 6'
          : okAnswer,
      )
    })
    const client = await connectTls(proxy, `${host}:443`)

    client.write(requestText('HEAD /', host))
    const head = await readUntil(client, (all) => all.includes('\r\n\r\n'))
    const next = await ask(client, requestText('GET /', host))

    expect(head.toString()).not.toContain('Forged')
    expect(next.head).not.toContain('Forged')
    client.destroy()
  })

  test('F7 before the end of its request is passed on, and ends the exchange once', async () => {
    const { proxy } = await bench((socket) => {
      socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
    })
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(
      `${requestText('POST /', host).slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    )
    const answer = await readAnswer(socket)
    socket.destroy()
    await proxy.waitFor('connection-closed')

    expect(answer).toMatchObject({ status: 413, body: 'no' })
    expect([...proxy.of('exchange-completed'), ...proxy.of('exchange-failed')]).toHaveLength(1)
  })

  test.each([
    ['204 to a GET', 'GET', 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n'],
    ['304 to a GET', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'],
    ['200 to a HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nX: y\r\n\r\n'],
  ])('F8 without a body (%s) gains no framing', async (_what, method, bytes) => {
    const { proxy } = await bench((socket) => void socket.write(bytes))
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(requestText(`${method} /`, host))
    const got = await readUntil(socket, (all) => all.includes('\r\n\r\n'))

    expect(got.toString()).toBe(bytes)
    socket.destroy()
  })

  test('F9 that comes unasked on an idle connection is given to nobody', async () => {
    const forged = 'HTTP/1.1 200 Forged\r\nContent-Length: 6\r\n\r\nforged'
    const { proxy, upstream } = await bench((socket, _head, index) => {
      socket.write(index === 0 ? okAnswer + forged : okAnswer)
    })
    const client = await connectTls(proxy, `${host}:443`)

    const answers = [
      await ask(client, requestText('GET /1', host)),
      await ask(client, requestText('GET /2', host)),
    ]

    expect(answers.map(({ body }) => body)).toEqual(['ok', 'ok'])
    expect(upstream.connections()).toBe(2)
    client.destroy()
  })
})
