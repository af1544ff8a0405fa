/**
 * Captures made by a real run and played again: what was live comes back, message for message, and
 * what analyzers make of the recorded bytes is what they made of the traffic.
 */
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { projectFolder, runCli, startCli, waitForReady } from '../support/cli.ts'
import { expectWellFormed, linesOf, messagesOf, only, rebuiltKinds } from '../support/live-lines.ts'
import { createProxiedClient } from '../support/proxied-client.ts'
import { bodyBytes, readRecorded } from '../support/recorded-exchanges.ts'
import { startRecordedHosts } from '../support/recorded-hosts.ts'
import { recordedIdHeader } from '../support/recorded-provider.ts'
import { createUpstreamRoot, startRawTlsUpstream } from '../support/upstream.ts'

const exchanges = readdirSync(join(projectFolder, 'test', 'fixtures', 'analyzers'))
  .filter((name) => name.endsWith('.json'))
  .map((name) => readRecorded(name.replace('.json', '')))
  // The upstream here speaks TLS, and recorded local servers do not.
  .filter(({ request }) => request.url.startsWith('https:'))
const hosts = [...new Set(exchanges.map(({ request }) => new URL(request.url).hostname))]
const brokenHost = 'broken.example'
const tunnelledHost = 'tunnelled.example'
const root = createUpstreamRoot(...hosts, brokenHost, tunnelledHost)

let folder = ''
let capture = ''
/** What `--json` printed while it happened. */
let live: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-replay-'))
  capture = join(folder, 'traffic.jsonl')
  live = await record()
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** What the capture holds of the live messages: not those that are rebuilt when it is read. */
function recorded(): string[] {
  const messages = messagesOf(live)
  return live.filter((_, index) => !rebuiltKinds.has(messages[index]?.kind ?? ''))
}

/** All exchanges at once, one that breaks off, one through a tunnel, all over one proxy. */
async function record(): Promise<string[]> {
  await writeFile(join(folder, 'root.pem'), root.certificatePem)
  await using upstream = await startRecordedHosts({
    root,
    exchanges,
    chunking: ({ id }) => ({ seed: id.length, maxSize: 700 }),
  })
  const broken = await startRawTlsUpstream(root, brokenHost, (socket) => {
    socket.once('data', () => {
      const head =
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n'
      socket.write(`${head}data: {"choices":[{"delta":{"content":"ha"}}]}\n\n`, () =>
        socket.destroy(),
      )
    })
  })
  const ports = new Map([[brokenHost, broken.port]])
  const ready = join(folder, 'ready.json')
  await using cli = startCli(
    [
      ['start', '--json', '--listen', '127.0.0.1:0', '--ready-file', ready, '--capture', capture],
      ['--upstream-ca', join(folder, 'root.pem'), '--allow', [...hosts, brokenHost].join()],
      ...[...hosts, brokenHost, tunnelledHost].map((host) => [
        '--connect-to',
        `${host}:443=127.0.0.1:${ports.get(host) ?? upstream.httpsPort}`,
      ]),
    ].flat(),
  )
  const { url, caCert } = await waitForReady(cli, ready)
  using client = createProxiedClient(url, await readFile(caCert, 'utf8'))
  using trusting = createProxiedClient(url, root.certificatePem)
  const chat = { method: 'POST', body: '{"stream":true,"messages":[]}' }
  const json = ['Content-Type', 'application/json'] as const
  await Promise.all([
    ...exchanges.map(({ id, request: { method, url, body } }) =>
      client.request({
        url,
        method,
        headers: [json, [recordedIdHeader, id]],
        body: bodyBytes(body),
      }),
    ),
    client
      .request({ ...chat, url: `https://${brokenHost}/v1/chat/completions`, headers: [json] })
      .catch(() => undefined),
    trusting.request({ url: `https://${tunnelledHost}/` }),
  ])
  client[Symbol.dispose]()
  trusting[Symbol.dispose]()
  cli.kill('SIGTERM')
  const { out, err, exitCode } = await cli.ended
  await broken.close()
  if (exitCode !== 0) throw new Error(err)
  return linesOf(out)
}

describe('a capture', () => {
  test('holds what happened, each exchange with one end', () => {
    const messages = messagesOf(live)

    expectWellFormed(messages)
    expect(only('exchange-completed', messages)).toHaveLength(exchanges.length)
    expect(only('exchange-failed', messages)).toMatchObject([{ by: 'upstream', phase: 'response' }])
    expect(only('tunnel-closed', messages)).toMatchObject([{ host: tunnelledHost }])
    expect(only('stream-merged', messages).length).toBeGreaterThan(5)
    expect(only('messages-dropped', messages)).toEqual([])
    expect(only('analyzer-failed', messages)).toEqual([])
  })

  test('is what replay --json prints, letter for letter, as it was live', async () => {
    const { out, err, exitCode } = await runCli(['replay', '--json', capture])

    expect(linesOf(out)).toEqual(recorded())
    expect(err).toBe('')
    expect(exitCode).toBe(0)
  })

  test('gives with --analyze every message that was live, with its number', async () => {
    const { out, err, exitCode } = await runCli(['replay', '--json', '--analyze', capture])

    expect(linesOf(out)).toEqual(live)
    expect(err).toBe('')
    expect(exitCode).toBe(0)
  })

  test('shows as one line per call, the same analyzed anew and compressed', async () => {
    const compressed = join(folder, 'copy.jsonl.gz')
    await writeFile(compressed, gzipSync(await readFile(capture)))

    const plain = await runCli(['replay', capture])
    const analyzed = await runCli(['replay', '--analyze', capture])
    const unpacked = await runCli(['replay', compressed])

    const calls = only('model-answered', messagesOf(live)).length
    expect(linesOf(plain.out)).toHaveLength(calls + 1)
    expect(plain.out).toContain(`tunnel ${tunnelledHost}:443`)
    expect(analyzed.out).toBe(plain.out)
    expect(unpacked.out).toBe(plain.out)
    expect([plain, analyzed, unpacked].map(({ err }) => err)).toEqual(['', '', ''])
  })
})

describe('a damaged capture', () => {
  test('is played up to a last line that was cut off, which is no failure', async () => {
    const text = await readFile(capture, 'utf8')
    const cut = join(folder, 'cut.jsonl')
    await writeFile(cut, text.slice(0, -20))

    const { out, err, exitCode } = await runCli(['replay', '--json', cut])

    const lines = linesOf(text)
    expect(linesOf(out)).toEqual(recorded().slice(0, -1))
    expect(err).toMatch(new RegExp(`^porthole: line ${lines.length}: cut off [^\n]*\n$`, 'u'))
    expect(exitCode).toBe(0)
  })

  test('is played but for a line that cannot be read, and fails', async () => {
    const lines = linesOf(await readFile(capture, 'utf8'))
    const corrupt = join(folder, 'corrupt.jsonl')
    const at = lines.findIndex((line) => line.includes('"kind":"request-ended"'))
    const broken = '{"kind":"request-ended",\u001b[31m'
    await writeFile(corrupt, `${lines.with(at, broken).join('\n')}\n`)

    const { out, err, exitCode } = await runCli(['replay', '--json', corrupt])

    expect(linesOf(out)).toEqual(recorded().filter((line) => line !== lines[at]))
    expect(linesOf(err)).toEqual([
      `porthole: line ${at + 1}: not JSON`,
      expect.stringMatching(/^porthole: damaged lines in the capture .+: 1; the rest was read; /u),
    ])
    expect(exitCode).toBe(1)
  })

  test('that is something else altogether is refused without a stack trace', async () => {
    const binary = join(folder, 'binary.jsonl')
    await writeFile(binary, Buffer.from([0, 1, 2, 255, 10, 0x1f, 0x8b, 10]))

    const { out, err, exitCode } = await runCli(['replay', binary])

    expect(out).toBe('')
    expect(exitCode).toBe(1)
    expect(linesOf(err).every((line) => line.startsWith('porthole: '))).toBe(true)
  })
})

test('a reader that goes away ends a replay quietly', async () => {
  await using cli = startCli(['replay', '--json', capture])
  await cli.waitForText('out', '\n')

  cli.stdout.destroy()
  const { exitCode, err } = await cli.ended

  expect(exitCode).toBe(0)
  expect(err).toBe('')
})
