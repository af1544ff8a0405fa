/** Modules written for http-mitm-proxy, as its documentation shows them, in our engine. */
import { once } from 'node:events'
import { Transform } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'

import * as fc from 'fast-check'
import { Proxy as MitmProxy } from 'http-mitm-proxy'
import { describe, expect, test } from 'vitest'

import type { RequestContext } from '../../src/proxy/module-surface.ts'
import {
  bench,
  bodyIn,
  closeAndStayQuiet,
  dechunked,
  ending,
  exchange,
  host,
  opened,
  root,
  through,
} from '../support/module-bench.ts'
import type { Done } from '../support/module-bench.ts'
import { connectRaw, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startHttpUpstream, startRawTlsUpstream } from '../support/upstream.ts'

closeAndStayQuiet()

describe('the documented examples', () => {
  test('gunzip and change a response', async () => {
    const page = gzipSync('<h3 class="r">One</h3><p>text</p><h3>Two</h3>')
    const { proxy, upstream } = await bench(
      {
        onRequest(ctx: RequestContext, callback: Done) {
          if (
            ctx.clientToProxyRequest.headers.host === host &&
            ctx.clientToProxyRequest.url?.indexOf('/search') === 0
          ) {
            ctx.use(MitmProxy.gunzip)
            ctx.onResponseData((_ctx, chunk, done) =>
              done(null, Buffer.from(chunk.toString().replaceAll(/<h3.*?<\/h3>/gu, '<h3>!</h3>'))),
            )
          }
          return callback()
        },
      },
      (_request, response) => {
        response.setHeader('Content-Encoding', 'gzip')
        response.setHeader('Content-Length', page.length)
        response.end(page)
      },
    )

    const changed = await exchange(proxy, 'GET /search?q=1', '', ['Accept-Encoding: br'])
    const other = await exchange(proxy, 'GET /other')

    expect(changed.body.toString()).toBe('<h3>!</h3><p>text</p><h3>!</h3>')
    expect(changed.head).not.toMatch(/content-(?:encoding|length)/iu)
    expect(upstream.requests[0]?.message.headers['accept-encoding']).toBe('gzip')
    expect(gunzipSync(other.body).toString()).toContain('One')
    expect(other.head).toMatch(/content-length/iu)
  })

  test('see the data and the end of requests and responses', async () => {
    const seen: string[] = []
    const { proxy, upstream } = await bench({
      onRequestData(_ctx: unknown, chunk: Buffer, callback: Done) {
        seen.push(`request ${chunk.toString()}`)
        return callback(null, chunk)
      },
      onRequestEnd(_ctx: unknown, callback: Done) {
        seen.push('request end')
        return callback()
      },
      onResponse(_ctx: unknown, callback: Done) {
        seen.push('response')
        return callback()
      },
      onResponseData(_ctx: unknown, chunk: Buffer, callback: Done) {
        seen.push(`response ${chunk.toString()}`)
        return callback(null, chunk)
      },
      onResponseEnd(_ctx: unknown, callback: Done) {
        seen.push('response end')
        return callback()
      },
    })

    const answer = await exchange(proxy, 'POST /', 'question')

    expect(answer.body.toString()).toBe('answer')
    expect(upstream.requests[0]?.body.toString()).toBe('question')
    expect(upstream.requests[0]?.message.headers['transfer-encoding']).toBe('chunked')
    expect(seen).toEqual([
      'request question',
      'request end',
      'response',
      'response answer',
      'response end',
    ])
    expect(await ending(proxy)).toMatchObject({ kind: 'exchange-completed', status: 200 })
  })

  test('collect a whole body and write it at its end', async () => {
    const collecting = (): [(_c: unknown, chunk: Buffer, done: Done) => void, () => Buffer] => {
      const chunks: Buffer[] = []
      return [
        (_ctx, chunk, done) => {
          chunks.push(chunk)
          return done(null, null)
        },
        () => Buffer.from(Buffer.concat(chunks).toString().toUpperCase()),
      ]
    }
    const [onRequestData, question] = collecting()
    const [onResponseData, reply] = collecting()
    const { proxy, upstream } = await bench({
      onRequestData,
      onRequestEnd(ctx: RequestContext, callback: Done) {
        ctx.proxyToServerRequest?.write(question())
        return callback()
      },
      onResponseData,
      onResponseEnd(ctx: RequestContext, callback: Done) {
        ctx.proxyToClientResponse.write(reply())
        return callback()
      },
    })

    const answer = await exchange(proxy, 'POST /', 'question')

    expect(upstream.requests[0]?.body.toString()).toBe('QUESTION')
    expect(answer).toMatchObject({ isWhole: true, body: Buffer.from('ANSWER') })
    await ending(proxy)
    expect(bodyIn(proxy, 'request-body')).toBe('question')
    expect(bodyIn(proxy, 'response-body')).toBe('answer')
  })

  test('add filters to both bodies', async () => {
    const upper = (): Transform =>
      new Transform({
        transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()),
      })
    const { proxy, upstream } = await bench({
      onRequest(ctx: RequestContext, callback: Done) {
        ctx.addRequestFilter(upper())
        ctx.addResponseFilter(upper())
        return callback()
      },
    })

    const answer = await exchange(proxy, 'POST /', 'question')

    expect(upstream.requests[0]?.body.toString()).toBe('QUESTION')
    expect(answer.body.toString()).toBe('ANSWER')
  })
})

describe('heads', () => {
  test('of a response change line by line; the report shows what the upstream sent', async () => {
    const { proxy } = await bench(
      {
        onRequestHeaders(ctx: RequestContext, callback: Done) {
          const options = ctx.proxyToServerRequestOptions
          if (options !== undefined) options.headers['x-module'] = 'was here'
          callback()
        },
        onResponse(ctx: RequestContext, callback: Done) {
          const incoming = ctx.serverToProxyResponse
          if (incoming === undefined) return callback(new Error('no response'))
          incoming.statusCode = 201
          incoming.headers['x-new'] = 'new'
          setImmediate(callback)
        },
        onResponseHeaders(ctx: RequestContext, callback: Done) {
          delete ctx.serverToProxyResponse?.headers['x-gone']
          callback()
        },
      },
      (request, response) => {
        response.setHeader('X-Gone', '1')
        response.setHeader('X-Saw', request.headers['x-module'] ?? 'nothing')
        response.setHeader('X-MiXed', ['a', 'b'])
        response.end('answer')
      },
    )

    const answer = await exchange(proxy, 'GET /')

    expect(answer.head).toMatch(
      /^HTTP\/1\.1 201 Created\r\nX-Saw: was here\r\nX-MiXed: a\r\nX-MiXed: b\r\n/u,
    )
    expect(answer.head).toContain('x-new: new')
    expect(answer.body.toString()).toBe('answer')
    await ending(proxy)
    expect(proxy.of('response-started')[0]).toMatchObject({ status: 200 })
    expect(JSON.stringify(proxy.of('response-started')[0])).toContain('X-Gone')
    expect(JSON.stringify(proxy.of('request-started')[0])).not.toContain('x-module')
  })

  test.each([
    ['HEAD', 200, /content-length: 1234/iu],
    ['GET', 304, /content-length: 1234/iu],
    ['GET', 204, /etag/iu],
  ])(
    'of %s and %i are left as they are, and the connection lives on',
    async (method, status, field) => {
      const { proxy } = await bench(
        {
          onResponse(ctx: RequestContext, callback: Done) {
            ctx.use(MitmProxy.gunzip)
            MitmProxy.gunzip.onResponse(ctx, callback)
          },
          onResponseData: (_ctx: unknown, chunk: Buffer, callback: Done) => callback(null, chunk),
          onResponseEnd(ctx: RequestContext, callback: Done) {
            ctx.proxyToClientResponse.write('nothing of this may be sent')
            callback()
          },
        },
        (_request, response) => {
          const length = status === 204 ? {} : { 'Content-Length': '1234' }
          response.writeHead(status, { ...length, ETag: 'x', 'Content-Encoding': 'gzip' })
          response.end()
        },
      )
      const socket = await connectTls(proxy, `${host}:443`)

      for (const _turn of [1, 2]) {
        socket.write(requestText(`${method} /`, host))
        const text = (await readUntil(socket, (all) => all.includes('\r\n\r\n'))).toString()
        expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `, 'u'))
        expect(text).toMatch(field)
        expect(text).not.toMatch(/transfer-encoding/iu)
        expect(text.endsWith('\r\n\r\n')).toBe(true)
      }
      socket.destroy()
    },
  )

  test('for an HTTP/1.0 client promise no chunks; the body ends with the connection', async () => {
    const { proxy } = await bench(
      {
        onResponseData: (_ctx: unknown, chunk: Buffer, callback: Done) =>
          callback(null, Buffer.concat([chunk, chunk])),
      },
      (_request, response) => {
        response.setHeader('Content-Length', 6)
        response.end('answer')
      },
    )
    const socket = await connectTls(proxy, `${host}:443`)
    socket.write(`GET / HTTP/1.0\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`)

    const text = (await readUntil(socket, () => false)).toString()

    expect(text).toMatch(/\r\n\r\nansweranswer$/u)
    expect(text).not.toMatch(/transfer-encoding|content-length/iu)
  })
})

describe('chunk hooks that call back late', () => {
  test('keep the order and lose nothing, however the bytes are cut', async () => {
    let pieces: readonly Uint8Array[] = []
    const late = (_ctx: unknown, chunk: Buffer, callback: Done): void => {
      // Later for some chunks than for those after them.
      const turns = (chunk[0] ?? 0) % 3
      const wait = (left: number): void => {
        if (left === 0) callback(null, chunk)
        else setImmediate(wait, left - 1)
      }
      wait(turns)
    }
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      let got = ''
      socket.on('data', (bytes: Buffer) => {
        got += bytes.toString('latin1')
        if (!got.endsWith('0\r\n\r\n')) return
        const { body } = dechunked(
          Buffer.from(got.split('\r\n\r\n').slice(1).join('\r\n\r\n'), 'latin1'),
        )
        socket.write(
          `HTTP/1.1 200 OK\r\nX-Got: ${body.toString('hex')}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
        )
        for (const piece of pieces) {
          socket.write(`${piece.byteLength.toString(16)}\r\n`)
          socket.write(piece)
          socket.write('\r\n')
        }
        socket.end('0\r\n\r\n')
      })
    })
    opened.push(upstream)
    const proxy = await through({ onRequestData: late, onResponseData: late }, upstream.port)
    const anyPieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 })

    await fc.assert(
      fc.asyncProperty(anyPieces, async (cut) => {
        pieces = cut
        const whole = Buffer.concat(cut)
        const socket = await connectTls(proxy, `${host}:443`)
        socket.write(
          `POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
        )
        for (const piece of cut) {
          socket.write(`${piece.byteLength.toString(16)}\r\n`)
          socket.write(piece)
          socket.write('\r\n')
        }
        socket.write('0\r\n\r\n')
        const all = await readUntil(socket, () => false)
        const end = all.indexOf('\r\n\r\n')
        const head = all.subarray(0, end).toString('latin1')
        expect(dechunked(all.subarray(end + 4))).toEqual({ body: whole, isWhole: true })
        expect(/X-Got: (?<hex>\w*)/u.exec(head)?.groups?.['hex'] ?? '').toBe(whole.toString('hex'))
      }),
      { numRuns: 25 },
    )
  })

  test('and a client that does not read stop the upstream', async () => {
    const total = 64 * 1024 * 1024
    const block = Buffer.alloc(64 * 1024, 7)
    let written = 0
    const stalled = Promise.withResolvers<void>()
    const { proxy } = await bench(
      {
        onResponseData: (_ctx: unknown, chunk: Buffer, callback: Done) =>
          setImmediate(callback, null, chunk),
      },
      (_request, response) => {
        const more = (): void => {
          while (written < total) {
            written += block.length
            if (!response.write(block)) {
              const seen = written
              // A full buffer that stays full for many turns of the loop is one that nobody reads.
              let turns = 0
              const look = (): void => {
                turns += 1
                if (written !== seen) return
                if (turns > 3000) stalled.resolve()
                else setImmediate(look)
              }
              setImmediate(look)
              response.once('drain', more)
              return
            }
          }
          response.end()
        }
        more()
      },
    )
    const socket = await connectTls(proxy, `${host}:443`)
    socket.pause()
    socket.write(requestText('GET /', host, ['Connection: close']))

    await stalled.promise

    expect(written).toBeLessThan(total / 2)
    let received = 0
    socket.on('data', (chunk: Buffer) => {
      received += chunk.byteLength
    })
    socket.resume()
    await once(socket, 'end')
    expect(received).toBeGreaterThan(total)
    expect(written).toBe(total)
  })
})

test('a host that is only forwarded over plain http passes modules as well', async () => {
  const plainHost = 'plain.example'
  const plain = await startHttpUpstream((_request, response) => response.end('plain'))
  opened.push(plain)
  const proxy = await startProxy({
    connectTo: { [`${plainHost}:80`]: plain.port },
    configure: (builder) =>
      builder.use({
        onRequestData: (_ctx: unknown, chunk: Buffer, done: Done) =>
          done(null, Buffer.concat([chunk, chunk])),
        onResponseData: (_ctx: unknown, chunk: Buffer, done: Done) =>
          done(null, Buffer.concat([chunk, chunk])),
      }),
  })
  opened.push(proxy)
  const socket = await connectRaw(proxy)
  socket.write(
    requestText(`POST http://${plainHost}/`, plainHost, ['Connection: close'], 'question'),
  )

  const text = (await readUntil(socket, () => false)).toString()

  expect(text).toContain('plainplain')
  expect(plain.requests[0]?.body.toString()).toBe('questionquestion')
})

describe('what is not called', () => {
  test('is nothing where a module has no such hooks: every byte of the head is as it was', async () => {
    const secured = async (module: object): Promise<string> => {
      const { proxy } = await bench(module, (_request, response) => {
        response.sendDate = false
        response.writeHead(200, ['X-MiXed', '1', 'Content-Length', '6'])
        response.end('answer')
      })
      const socket = await connectTls(proxy, `${host}:443`)
      const { head, body } = await ask(socket, requestText('GET /', host))
      socket.destroy()
      return head + body
    }

    expect(await secured({ onRequest: (_ctx: unknown, done: Done) => done() })).toBe(
      await secured({}),
    )
  })
})
