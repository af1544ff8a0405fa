import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'

import { fc, test as property } from '@fast-check/vitest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { curlCommand } from '../../../../src/capture/export/curl-command.ts'
import type { HeaderPairs } from '../../../../src/messages/schema.ts'
import { recordOfExchange } from '../../../support/records.ts'

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
}

let seen: Seen | undefined
const server = createServer((request, response) => {
  void buffer(request).then((body) => {
    const { method, url } = request
    seen = { method, url, headers: pairsOf(request), body }
    response.end('answered')
  })
})
let folder = ''
let port = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-curl-'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ;({ port } = server.address() as AddressInfo)
})
afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await rm(folder, { recursive: true, force: true })
})

function pairsOf({ rawHeaders }: IncomingMessage): Array<readonly [string, string]> {
  return Array.from({ length: rawHeaders.length / 2 }, (_, index) => [
    rawHeaders[2 * index] ?? '',
    rawHeaders[2 * index + 1] ?? '',
  ])
}

/** Runs the command of one request against the server, in an `sh`; gives what it was sent. */
async function send(
  request: { method?: string; path?: string; headers?: HeaderPairs; body?: string | Uint8Array },
  env: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  const url = `http://127.0.0.1:${port}${request.path ?? '/'}`
  const command = curlCommand(recordOfExchange({ request: { ...request, url } }))
  const script = join(folder, 'command.sh')
  await writeFile(script, command)
  seen = undefined
  await promisify(execFile)('/bin/sh', [script], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', NO_PROXY: '*', HOME: folder, ...env },
  })
  if (seen === undefined) throw new Error(`nothing was sent by: ${command}`)
  return seen
}

const type: readonly [string, string] = ['Content-Type', 'application/json']
const plain: HeaderPairs = [['Accept', '*/*'], ['User-Agent', 'test'], type]

describe('a command', () => {
  test('sends the request again: method, path, fields in order, body', async () => {
    const headers: HeaderPairs = [...plain, ['X-Twice', '1'], ['X-Twice', '2'], ['X-Empty', '']]
    const body = '{"a": "it\'s $HOME `id` \\n \\\\",\n\t"b": "é😀"}\n'
    const sent = await send({ path: '/v1/{x}/[1]/../y?a=1&b=%20$HOME#part', headers, body })

    expect(sent.method).toBe('POST')
    expect(sent.url).toBe('/v1/{x}/[1]/../y?a=1&b=%20$HOME')
    expect(sent.body.toString()).toBe(body)
    expect(sent.headers).toEqual([
      ['Host', `127.0.0.1:${port}`],
      ...headers,
      ['Content-Length', String(Buffer.byteLength(body))],
    ])
  })

  test('adds no field of its own, and leaves to curl what belongs to the connection', async () => {
    const headers: HeaderPairs = [
      ['Host', `127.0.0.1:${port}`],
      ['Connection', 'keep-alive'],
      ['Transfer-Encoding', 'chunked'],
      ['Content-Length', '99'],
      ['Expect', '100-continue'],
    ]
    const sent = await send({ headers, body: 'x' })

    expect(sent.headers).toEqual([
      ['Host', `127.0.0.1:${port}`],
      ['Content-Length', '1'],
    ])
  })

  test.each(['GET', 'DELETE', 'HEAD', 'OPTIONS'])('sends a %s without a body', async (method) => {
    const sent = await send({ method, headers: [['Host', 'other.example']] })

    expect(sent).toMatchObject({ method, headers: [['Host', 'other.example']] })
    expect(sent.body).toHaveLength(0)
  })

  test('reads no file for a body or a field that begins with @', async () => {
    await writeFile(join(folder, 'secret'), 'secret')
    const headers: HeaderPairs = [...plain, ['@secret', 'x'], ['X-At', '@secret']]
    const sent = await send({ headers, body: '@secret' })

    expect(sent.body.toString()).toBe('@secret')
    expect(sent.headers).toContainEqual(['X-At', '@secret'])
    expect(sent.headers).toHaveLength(plain.length + 3)
  })

  test('sends fields in the bytes that they came in', async () => {
    const utf8 = Buffer.from('é€', 'utf8').toString('latin1')
    const sent = await send({ headers: [...plain, ['X-Name', utf8]], body: 'x' })

    expect(sent.headers).toContainEqual(['X-Name', utf8])
  })

  test.each([
    ['text that would control a terminal', 'a\u001b]0;x\u0007\u202e\r\nb\tc'],
    ['bytes that are no text', Buffer.from(Array.from({ length: 512 }, (_, n) => n % 256))],
    ['text with a NUL', 'a\0b'],
    ['text longer than an argument may be', `${"long 'text' \\ %s @ \n".repeat(20_000)}end`],
    ['bytes longer than an argument may be', Buffer.alloc(200_000, 0xfe)],
    ['text without a newline at its end', 'x'],
    ['newlines at its end', 'x\n\n\n'],
    ['nothing but a newline', '\n'],
  ])('sends %s to the byte', async (_, body) => {
    const sent = await send({ headers: plain, body })

    expect(sent.body.equals(Buffer.from(body))).toBe(true)
  })

  property.prop([fc.uint8Array({ minLength: 1, maxLength: 300 })], { numRuns: 15 })(
    'sends any bytes',
    async (body) => {
      const sent = await send({ headers: plain, body })

      expect(sent.body.equals(body)).toBe(true)
    },
  )

  const value = fc.string({ unit: fc.constantFrom(...Array.from('aZ0 \'"\\$`!*()<>|&;%@#~')) })
  property.prop([value.map((text) => text.trim()), value], { numRuns: 15 })(
    'sends any field and any path, whatever a shell would make of them',
    async (field, path) => {
      const sent = await send({
        method: 'GET',
        path: `/${encodeURI(path).replaceAll('#', '')}`,
        headers: [['X-Field', field]],
      })

      expect(sent.headers).toEqual([
        ['Host', `127.0.0.1:${port}`],
        ['X-Field', field],
      ])
      expect(sent.url).toBe(`/${encodeURI(path).replaceAll('#', '')}`)
    },
  )

  test('takes masked credentials from the environment', async () => {
    const name = `PORTHOLE_127_0_0_1_${port}_KEY`
    const headers: HeaderPairs = [
      ['Authorization', 'Bearer [REDACTED]'],
      ['Cookie', 'a=[REDACTED]; b=[REDACTED]'],
    ]
    const cookie = `PORTHOLE_127_0_0_1_${port}_COOKIE`
    const sent = await send(
      { method: 'GET', path: '/x?key=[REDACTED]&y=1', headers },
      { [name]: 'sk-"1"', [cookie]: 'a=1; b=2' },
    )

    expect(sent.url).toBe('/x?key=sk-"1"&y=1')
    expect(sent.headers).toEqual([
      ['Host', `127.0.0.1:${port}`],
      ['Authorization', 'Bearer sk-"1"'],
      ['Cookie', 'a=1; b=2'],
    ])
  })
})

describe('a command that is not run', () => {
  function commandOf(url: string, headers: HeaderPairs = []): string {
    return curlCommand(
      recordOfExchange({ request: { url: 'http://a/', headers } }),
      undefined,
    ).replace('http://a/', url)
  }

  test('names the variable in which the key usually stands', () => {
    const record = recordOfExchange({
      request: {
        url: 'https://api.openai.com/v1/models',
        method: 'GET',
        headers: [['Authorization', 'Bearer [REDACTED]']],
      },
    })

    expect(curlCommand(record)).toContain(`'Authorization: Bearer '"$OPENAI_API_KEY"`)
    expect(curlCommand(record)).toMatch(/^# needs OPENAI_API_KEY in the environment\n/u)
  })

  test('holds the secrets that are given', () => {
    const record = recordOfExchange({
      request: {
        url: 'https://generativelanguage.googleapis.com/v1/models?key=[REDACTED]',
        headers: [
          ['x-goog-api-key', '[REDACTED]'],
          ['x-app', '[REDACTED]'],
        ],
      },
    })
    const command = curlCommand(record, {
      field: (_, name) => (name === 'x-app' ? 'app $1' : undefined),
      variable: (_, name) => (name === 'GEMINI_API_KEY' ? "key'" : undefined),
    })

    expect(command).toContain(`'x-goog-api-key: 'key''\\'''`.replace(`key''\\'''`, `'key'\\'''`))
    expect(command).toContain(`'x-app: app $1'`)
    expect(command).not.toContain('needs')
  })

  test('holds nothing that would control a terminal', () => {
    const body = 'a\u001b[2J\u009b\u202e'
    const headers: HeaderPairs = [
      ['X-Clear', 'a\u001b[2J'],
      ['X-\u001b', '1'],
    ]
    const record = recordOfExchange({ request: { url: 'http://a/\u001b', headers, body } })

    expect(curlCommand(record)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u)
  })

  test('leaves out fields that no header could carry', () => {
    const command = commandOf('http://a/', [
      ['X-Good', '1'],
      ['X-Bad', 'a\r\nX-Injected: 1'],
      ['Bad Name', '1'],
    ])

    expect(command).toContain('X-Good')
    expect(command).not.toMatch(/^ .*(?:Injected|Bad)/mu)
    expect(command).toContain('# left out, for it cannot be written here: the field X-Bad\n')
  })

  test.each([
    'file:///etc/passwd',
    'ftp://a/b',
    'https://api.openai.com@evil.example/',
    'https://evil.example\\@api.openai.com/',
    'https://api.openai.com\n/',
    'wss://a.example/',
    '-K/etc/passwd',
    '',
  ])('is none for %j', (url) => {
    const { started, ...rest } = recordOfExchange({ request: { url: 'http://a/' } })
    if (started === undefined) throw new Error('nothing started')
    const command = curlCommand({ ...rest, started: { ...started, url } })

    expect(command).toMatch(/^# not a request that curl can send: [^\n]*$/u)
  })

  test('says where the body is not all there, and where a signature will not do', () => {
    const record = recordOfExchange({
      request: {
        url: 'https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse',
        headers: [['Authorization', 'AWS4-HMAC-SHA256 [REDACTED]']],
        body: '{}',
      },
    })
    const cut = { ...record, request: { ...record.request, isCut: true } }

    expect(curlCommand(cut)).toContain('# the recorded body is incomplete\n')
    expect(curlCommand(cut)).toContain('# its signature (AWS) was good once: sign it anew\n')
  })
})
