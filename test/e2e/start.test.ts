/**
 * `porthole start`, as a user runs it without a terminal: what it prints, how it stops, and that
 * nothing a client or an upstream does wrong takes it down.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { canary } from '../support/canary.ts'
import type { Cli, ReadyFile } from '../support/cli.ts'
import { runCli, startCli, waitForReady } from '../support/cli.ts'
import { expectWellFormed, linesOf, messagesOf, only } from '../support/live-lines.ts'
import type { ProxiedClient } from '../support/proxied-client.ts'
import { createProxiedClient, exchangeRaw, untilRefused } from '../support/proxied-client.ts'
import { readRecorded } from '../support/recorded-exchanges.ts'
import type { RecordedHosts } from '../support/recorded-hosts.ts'
import { startRecordedHosts } from '../support/recorded-hosts.ts'
import { recordedIdHeader } from '../support/recorded-provider.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const otherHosts = ['down.example', 'stranger.example']
const root = createUpstreamRoot(host, ...otherHosts)
const chat = readRecorded('chat-usage-stream')
const key = `sk-${canary}`

let folder = ''
let upstream: RecordedHosts
beforeAll(async () => {
  upstream = await startRecordedHosts({ root, exchanges: [chat] })
})
afterAll(async () => {
  await upstream.close()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-start-'))
  await writeFile(join(folder, 'root.pem'), root.certificatePem)
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Standing extends AsyncDisposable {
  readonly cli: Cli
  readonly ready: ReadyFile
  readonly capture: string
  readonly client: ProxiedClient
}

async function start(args: readonly string[] = [], port = upstream.httpsPort): Promise<Standing> {
  const capture = join(folder, 'traffic.jsonl')
  const readyPath = join(folder, 'ready.json')
  const cli = startCli(
    [
      ['start', '--listen', '127.0.0.1:0', '--ready-file', readyPath, '--capture', capture],
      ['--upstream-ca', join(folder, 'root.pem')],
      ['--allow', host, '--connect-to', `${host}:443=127.0.0.1:${port}`],
      args,
    ].flat(),
  )
  const ready = await waitForReady(cli, readyPath)
  const client = createProxiedClient(ready.url, await readFile(ready.caCert, 'utf8'))
  return {
    cli,
    ready,
    capture,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]()
      await cli[Symbol.asyncDispose]()
    },
  }
}

/** A streamed chat call, as a client makes it. */
const call = {
  url: `https://${host}/v1/chat/completions`,
  method: 'POST',
  headers: [
    ['Content-Type', 'application/json'],
    ['Authorization', `Bearer ${key}`],
    [recordedIdHeader, chat.id],
  ] as const,
  body: '{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}',
}

/** No line may look like a stack trace, or name a source file of ours. */
function expectNoStack(text: string): void {
  expect(text).not.toMatch(/^\s+at /mu)
  expect(text).not.toMatch(/\.js:\d+/u)
}

describe('without a terminal', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'prints one line per call, and a summary after %s',
    async (signal) => {
      await using standing = await start()
      const { cli, client, ready, capture } = standing

      const { status } = await client.request(call)
      await cli.waitForText('out', '\n')
      cli.kill(signal)
      const { out, err, exitCode, signal: endedBy } = await cli.ended
      const again = await runCli(['replay', capture])

      expect(status).toBe(200)
      expect({ exitCode, endedBy }).toEqual({ exitCode: 0, endedBy: null })
      expect(linesOf(out)).toHaveLength(1)
      expect(out).toMatch(/^\d\d:\d\d:\d\d openai chat gpt-4o-mini\S* 200 · first token /u)
      expect(linesOf(err)).toEqual([
        `porthole: listening on ${ready.url}, decrypting ${host}`,
        expect.stringMatching(/^porthole: CA certificate .+\.pem$/u),
        `porthole: recording to ${capture}`,
        expect.stringMatching(/^porthole: 1 model call, \$/u),
        expect.stringContaining('openai gpt-4o-mini'),
        `  capture: ${capture}`,
      ])
      expect(again.out).toBe(out)
      expect(out + err + (await readFile(capture, 'utf8'))).not.toContain(key)
    },
  )

  test('says once at the start that content is not masked, where that was asked for', async () => {
    await using standing = await start(['--redact-content', 'off'])
    const { cli, client } = standing

    await client.request(call)
    cli.kill('SIGTERM')
    const { err } = await cli.ended

    expect(linesOf(err).filter((line) => line.includes('--redact-content off'))).toEqual([
      expect.stringMatching(/^porthole: --redact-content off: .+ shown and captured as they are$/u),
    ])
  })

  test('prints every message with --json, and nothing else', async () => {
    await using standing = await start(['--json'])
    const { cli, client } = standing

    await client.request(call)
    await cli.waitForText('out', '"exchange-completed"')
    cli.kill('SIGTERM')
    const { out, exitCode } = await cli.ended
    const messages = messagesOf(linesOf(out))

    expect(exitCode).toBe(0)
    expectWellFormed(messages)
    expect(only('model-answered', messages)).toMatchObject([{ usage: { source: 'reported' } }])
  })

  test('the CA stays for the next start, and vouches for what is allowed', async () => {
    const home = join(folder, 'home')
    await using first = await start(['--home', home])
    first.cli.kill('SIGTERM')
    await first.cli.ended
    const { out: shown } = await runCli(['ca', 'show'], { home })
    await rm(join(folder, 'ready.json'))
    await using second = await start(['--home', home])

    using client = createProxiedClient(
      second.ready.url,
      (await runCli(['ca', 'export'], { home })).out,
    )
    const answer = await client.request(call)

    expect(answer.status).toBe(200)
    expect((await runCli(['ca', 'show'], { home })).out).toBe(shown)
  })
})

describe('a stop', () => {
  async function held(): Promise<{ port: number; release(): void; close(): Promise<void> }> {
    let waiting: ServerResponse | undefined
    const provider = await startHttpsUpstream(root, host, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('first ')
      waiting = response
    })
    return { ...provider, release: () => void waiting?.end('last') }
  }

  test('lets a running exchange finish, and takes no new connection', async () => {
    const provider = await held()
    await using standing = await start(['--json'], provider.port)
    const { cli, client, ready } = standing
    const first = Promise.withResolvers<void>()
    const answer = client.request({ url: `https://${host}/slow`, onData: () => first.resolve() })
    await first.promise

    cli.kill('SIGTERM')
    await untilRefused(ready.port)
    provider.release()
    const { body } = await answer
    const { out, exitCode } = await cli.ended
    await provider.close()

    expect(body.toString()).toBe('first last')
    expect(exitCode).toBe(0)
    const messages = messagesOf(linesOf(out))
    expectWellFormed(messages)
    expect(only('exchange-completed', messages)).toMatchObject([{ responseBytes: 10 }])
  })

  test('that is asked for twice is immediate', async () => {
    const provider = await held()
    await using standing = await start([], provider.port)
    const { cli, client, ready, capture } = standing
    const first = Promise.withResolvers<void>()
    const answer = client
      .request({ url: `https://${host}/slow`, onData: () => first.resolve() })
      .catch((error: unknown) => error)
    await first.promise
    // The client has its bytes before the disk has the line about them; a forced end waits for neither.
    await expect
      .poll(() => readFile(capture, 'utf8'), { timeout: 60_000 })
      .toContain('"response-started"')

    cli.kill('SIGTERM')
    await untilRefused(ready.port)
    cli.kill('SIGTERM')
    const { signal } = await cli.ended
    const { exitCode, out } = await runCli(['replay', '--json', capture])
    await provider.close()

    expect(await answer).toBeInstanceOf(Error)
    expect(signal).toBe('SIGTERM')
    expect(exitCode).toBe(0)
    expect(messagesOf(linesOf(out)).map(({ kind }) => kind)).toContain('response-started')
  })
})

describe('trouble from outside', () => {
  test('is told in one line each, and the next call works', async () => {
    const stranger = createUpstreamRoot('stranger.example')
    const badUpstream = await startHttpsUpstream(stranger, 'stranger.example', (_, response) =>
      response.end(),
    )
    const gone = await startHttpsUpstream(root, 'down.example', (_, response) => response.end())
    await gone.close()
    await using standing = await start([
      `--allow=${otherHosts.join()}`,
      `--connect-to=stranger.example:443=127.0.0.1:${badUpstream.port}`,
      `--connect-to=down.example:443=127.0.0.1:${gone.port}`,
    ])
    const { cli, client, ready } = standing
    using suspicious = createProxiedClient(ready.url, stranger.certificatePem)

    const badAuthority = await exchangeRaw(
      ready.port,
      'CONNECT api.openai.com:443:443 HTTP/1.1\r\nHost: x\r\n\r\n',
      () => false,
    )
    const noProxyRequest = await exchangeRaw(
      ready.port,
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
      () => false,
    )
    const noHttp = await exchangeRaw(ready.port, '\u0016\u0003\u0001 not http\r\n\r\n', () => false)
    const down = await client.request({ url: 'https://down.example/v1/models' })
    const bad = await client.request({ url: 'https://stranger.example/v1/models' })
    const distrust = await suspicious.request(call).catch((error: unknown) => error)
    await cli.waitForText('out', 'TLS failed with the client')
    const good = await client.request(call)
    await cli.waitForText('out', 'gpt-4o-mini')
    cli.kill('SIGTERM')
    const { out, err, exitCode } = await cli.ended
    await badUpstream.close()

    expect(badAuthority).toMatch(/^HTTP\/1\.1 400 /u)
    expect(noProxyRequest).toMatch(/^HTTP\/1\.1 400 /u)
    expect(noProxyRequest).toContain('HTTPS_PROXY')
    expect(noHttp).toMatch(/^HTTP\/1\.1 400 /u)
    expect(down.status).toBe(502)
    expect(down.body.toString()).toContain('down.example:443 refused the connection')
    expect(bad.status).toBe(502)
    expect(bad.body.toString()).toContain('unknown authority')
    expect(distrust).toBeInstanceOf(Error)
    expect(good.status).toBe(200)
    expect(exitCode).toBe(0)

    const lines = linesOf(out)
    const refused = lines.filter((line) => line.includes('refused a connection with 400'))
    expect(refused).toHaveLength(2)
    const failed = lines.filter((line) => line.includes('failed by the upstream (connect'))
    expect(failed).toEqual([
      expect.stringContaining('GET https://down.example/v1/models'),
      expect.stringContaining('GET https://stranger.example/v1/models'),
    ])
    const tls = lines.filter((line) => line.includes('TLS failed'))
    expect(tls).toHaveLength(2)
    expect(tls[0]).toMatch(/with the upstream for stranger\.example · .+ --upstream-ca /u)
    expect(tls[1]).toMatch(/with the client for api\.openai\.com/u)
    for (const variable of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE']) {
      expect(tls[1]).toContain(variable)
    }
    expect(lines.at(-1)).toContain('gpt-4o-mini')
    expectNoStack(out)
    expectNoStack(err)
  })
})
