/**
 * What goes out, read by parsers that are not Node's: Python's `http.server` behind the proxy, and
 * its `http.client` in front of it. One request in is one request out, whole, whatever its framing.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

import { describe, expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { readAnswer } from '../support/raw-http.ts'
import { startRawUpstream } from '../support/upstream.ts'

const hasPython = spawnSync('python3', ['-c', 'import http.server, http.client']).status === 0
const open = closesAfterEach()

async function proxyTo(port: number): Promise<ProxyUnderTest> {
  const proxy = await startProxy({ connectTo: { 'python.example:80': port } })
  open(proxy)
  return proxy
}

function python(program: string, ...args: string[]): ChildProcess {
  const child = spawn('python3', ['-u', '-c', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  open({
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  })
  return child
}

/** Answers each request with what it read of it, as JSON; a chunked body it reads by itself. */
const server = `
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
count = 0
class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def any(self):
        global count
        count += 1
        body = b''
        if 'chunked' in (self.headers['Transfer-Encoding'] or ''):
            while True:
                size = int(self.rfile.readline().split(b';')[0], 16)
                if size == 0: break
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip(): pass
        else:
            body = self.rfile.read(int(self.headers['Content-Length'] or 0))
        found = json.dumps({'count': count, 'line': self.requestline, 'body': body.decode('latin1'),
          'framing': sorted(k.lower() for k in self.headers.keys() if k.lower() in ('content-length', 'transfer-encoding'))}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(found)))
        self.end_headers()
        self.wfile.write(found)
    do_GET = do_POST = do_DELETE = any
    def log_message(self, *args): pass
listening = HTTPServer(('127.0.0.1', 0), Handler)
print(listening.server_port)
listening.serve_forever()
`

const origin = 'http://python.example'
const head = (line: string, ...fields: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: python.example', ...fields, '', ''].join('\r\n')
const chunked = 'Transfer-Encoding: chunked'

describe.runIf(hasPython)('what goes out', () => {
  test.each([
    ['no body', head(`GET ${origin}/a`), 'GET /a HTTP/1.1', '', []],
    [
      'an empty body',
      head(`POST ${origin}/a`, 'Content-Length: 0'),
      'POST /a HTTP/1.1',
      '',
      ['content-length'],
    ],
    [
      'a length',
      `${head(`POST ${origin}/a`, 'Content-Length: 5')}hello`,
      'POST /a HTTP/1.1',
      'hello',
      ['content-length'],
    ],
    [
      'a GET with a body',
      `${head(`GET ${origin}/a`, 'Content-Length: 5')}hello`,
      'GET /a HTTP/1.1',
      'hello',
      ['content-length'],
    ],
    [
      'chunks',
      `${head(`POST ${origin}/a`, chunked)}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`,
      'POST /a HTTP/1.1',
      'hello',
      ['transfer-encoding'],
    ],
    [
      'chunks with extensions',
      `${head(`POST ${origin}/a`, chunked)}5;x="y"\r\nhello\r\n0;z\r\n\r\n`,
      'POST /a HTTP/1.1',
      'hello',
      ['transfer-encoding'],
    ],
    [
      'chunks with trailers',
      `${head(`DELETE ${origin}/a`, chunked, 'Trailer: X')}5\r\nhello\r\n0\r\nX: y\r\n\r\n`,
      'DELETE /a HTTP/1.1',
      'hello',
      ['transfer-encoding'],
    ],
    [
      'a body that looks like a request',
      `${head(`POST ${origin}/a`, 'Content-Length: 34')}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r`,
      'POST /a HTTP/1.1',
      'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r',
      ['content-length'],
    ],
  ] as const)(
    'F10 of requests as %s is one request to Python as well',
    async (_what, bytes, line, body, framing) => {
      const child = python(server)
      const [first] = (await once(child.stdout ?? process.stdin, 'data')) as [Buffer]
      const proxy = await proxyTo(Number(first.toString()))
      const client = await connectRaw(proxy)

      client.write(bytes)
      const one = JSON.parse((await readAnswer(client)).body) as unknown
      client.write(head(`GET ${origin}/next`))
      const two = JSON.parse((await readAnswer(client)).body) as unknown
      client.destroy()

      expect(one).toEqual({ count: 1, line, body, framing })
      expect(two).toMatchObject({ count: 2, line: 'GET /next HTTP/1.1', body: '' })
    },
  )

  /** Two requests on one connection; what it read of each answer, as JSON. */
  const asking = `
import http.client, json, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=20)
found = []
for path in ('/first', '/second'):
    connection.request('GET', 'http://python.example' + path)
    answer = connection.getresponse()
    found.append([answer.status, answer.read().decode('latin1')])
print(json.dumps(found))
`

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', [200, 'hello']],
    [
      'chunks',
      `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n`,
      [200, 'hello'],
    ],
    ['no content', 'HTTP/1.1 204 No Content\r\n\r\n', [204, '']],
    [
      'not modified with a length',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      [304, ''],
    ],
    [
      'the end of the connection',
      'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello',
      [200, 'hello'],
    ],
    [
      'an answer and bytes after it',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged',
      [200, 'ok'],
    ],
  ] as const)(
    'F10 of answers as %s is one answer to Python as well',
    async (what, bytes, wanted) => {
      const upstream = await startRawUpstream((socket) => {
        let asked = ''
        socket.on('data', (chunk: Buffer) => {
          asked += chunk.toString('latin1')
          if (!asked.endsWith('\r\n\r\n')) return
          const isFirst = asked.startsWith('GET /first ')
          asked = ''
          socket.write(isFirst ? bytes : 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond')
          if (isFirst && what === 'the end of the connection') socket.end()
        })
      })
      open(upstream)
      const proxy = await proxyTo(upstream.port)

      const child = python(asking, String(proxy.running.port))
      const found = JSON.parse(await text(child.stdout ?? process.stdin)) as unknown

      expect(found).toEqual([wanted, [200, 'second']])
    },
  )
})
