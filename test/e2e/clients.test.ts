/**
 * Real clients under `porthole run`: what they see, and what the upstream receives from them, is
 * the same as without Porthole, whether it reads along or only tunnels.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { BlobStore } from '../../src/capture/blob-store.ts'
import { decodeSplitLine } from '../../src/capture/line-decoder.ts'
import { parseRecording } from '../../src/demo/recordings.ts'
import { projectFolder } from '../support/cli.ts'
import type { Mode, ModeRun } from '../support/client-programs.ts'
import { clientPrograms, modes, noise, runClient } from '../support/client-programs.ts'
import { expectWellFormed, linesOf, messagesOf, only, rebuiltKinds } from '../support/live-lines.ts'
import type { RecordedHosts, ServedExchange } from '../support/recorded-hosts.ts'
import { startRecordedHosts } from '../support/recorded-hosts.ts'
import { createUpstreamRoot } from '../support/upstream.ts'

const hosts = ['api.openai.com', 'api.anthropic.com']
const root = createUpstreamRoot(...hosts)
const canary = 'sk-canary-5up3r-s3cret-value'

/** The recorded exchanges, each by the name of its file. */
function recorded(): ServedExchange[] {
  return ['provider', 'e2e'].flatMap((folder) => {
    const path = join(projectFolder, 'test', 'fixtures', folder)
    return readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .map((name) => {
        const { response } = parseRecording(readFileSync(join(path, name), 'utf8'))
        return { id: name.replace('.json', ''), response }
      })
  })
}

function answer(id: string, text: string, status = 200): ServedExchange {
  const headers: Array<[string, string]> = [
    ['content-TYPE', 'application/json'],
    ['Set-Cookie', `session=${canary}; Path=/; HttpOnly`],
    ['X-Request-Id', id],
    ['x-twice', '1'],
    ['X-Twice', '2'],
  ]
  return { id, response: { status, headers, body: { text } } }
}

const exchanges: ServedExchange[] = [
  ...recorded(),
  answer('get', '{"object":"list","data":[]}'),
  answer('get-http1', '{}'),
  answer('head', '{"unseen":true}'),
  answer('file-upload', '{"id":"file-1","object":"file","bytes":300000}'),
  answer('upload', '{"id":"file-2"}'),
  answer('upload-continue', '{"id":"file-3"}'),
  answer('upload-chunked', '{"id":"file-4"}', 201),
  answer('empty', '', 204),
  {
    id: 'download',
    response: {
      status: 200,
      headers: [['Content-Type', 'application/octet-stream']],
      body: { base64: noise(5_000_000).toString('base64') },
    },
  },
]

/** Calls that are model calls, by the name of their exchange. */
const modelCalls = new Set(recorded().map(({ id }) => id))

let folder = ''
let upstream: RecordedHosts

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-clients-'))
  await writeFile(join(folder, 'root.pem'), root.certificatePem)
  upstream = await startRecordedHosts({
    root,
    exchanges,
    framing: ({ id }) => (id.includes('stream') || id === 'get' ? 'chunked' : 'content-length'),
    chunking: ({ id }) => (id.includes('stream') ? { seed: 11, maxSize: 400 } : undefined),
  })
})
afterAll(async () => {
  await upstream.close()
  await rm(folder, { recursive: true, force: true })
})

for (const client of clientPrograms()) {
  const title = client.missing === undefined ? client.name : `${client.name}: ${client.missing}`
  describe.skipIf(client.missing !== undefined)(title, () => {
    const runs = new Map<Mode, ModeRun>()
    const run = (mode: Mode): ModeRun => {
      const found = runs.get(mode)
      if (found === undefined) throw new Error(`there was no ${mode} run`)
      return found
    }
    beforeAll(async () => {
      for (const mode of modes) {
        const place = {
          folder: join(folder, client.name, mode),
          upstream,
          hosts,
          rootPath: join(folder, 'root.pem'),
          canary,
        }
        runs.set(mode, await runClient(client, mode, place))
      }
    })

    test.each(['intercepted', 'tunnelled'] as const)('sees the same answers when %s', (mode) => {
      const direct = run('direct')

      expect(direct.answers.length).toBeGreaterThan(5)
      expect(run(mode).answers).toEqual(direct.answers)
      expect(run(mode).results).toEqual(direct.results)
    })

    test.each(['intercepted', 'tunnelled'] as const)(
      'is received the same by the upstream when %s',
      (mode) => {
        const direct = run('direct')

        expect(direct.received).toHaveLength(direct.answers.length)
        expect(run(mode).received).toEqual(direct.received)
      },
    )

    test("sees the origin's own certificate unless it is intercepted", () => {
      expect(run('direct').issuers).toEqual([root.subject])
      expect(run('tunnelled').issuers).toEqual([root.subject])
      expect(run('intercepted').issuers).toHaveLength(1)
      expect(run('intercepted').issuers[0]).toMatch(/^Porthole run/u)
    })

    test('makes well-formed messages, and the capture keeps those that cannot be rebuilt', () => {
      const { result, capture, answers } = run('intercepted')
      const live = linesOf(result.out)
      const messages = messagesOf(live)

      expectWellFormed(messages)
      expect(only('exchange-completed', messages)).toHaveLength(answers.length)
      const kept = live.filter((_, index) => !rebuiltKinds.has(messages[index]?.kind ?? ''))
      expect(plainLinesOf(capture).slice(1)).toEqual(kept)
      expect(JSON.parse(linesOf(capture)[0] ?? '')).toMatchObject({ kind: 'capture-opened', v: 1 })
    })

    test('has each of its model calls recognised, with what it used', () => {
      const { result, answers } = run('intercepted')
      const messages = messagesOf(linesOf(result.out))
      const expected = answers.filter(({ name }) => modelCalls.has(name))
      const failed = expected.filter(({ name }) => name.includes('error')).length

      const answered = only('model-answered', messages)
      expect(only('model-called', messages)).toHaveLength(expected.length)
      expect(answered).toHaveLength(expected.length)
      expect(answered.filter(({ error }) => error !== undefined)).toHaveLength(failed)
      for (const { error, usage, complete } of answered.filter((msg) => msg.error === undefined)) {
        expect({ error, complete, source: usage?.source }).toEqual({
          error: undefined,
          complete: true,
          source: 'reported',
        })
        expect(usage?.totalTokens).toBeGreaterThan(0)
      }
      const calls = `${expected.length} model call${expected.length === 1 ? '' : 's'}`
      expect(result.err).toContain(`porthole: ${calls}`)
    })

    test('leaves no secret in the capture, in the messages or on stderr', () => {
      for (const mode of ['intercepted', 'tunnelled'] as const) {
        const { result, capture, proxyUrl } = run(mode)
        const token = new URL(proxyUrl).password

        expect(token).toHaveLength(43)
        for (const text of [capture, result.out, result.err]) {
          expect(text).not.toContain(canary)
          expect(text).not.toContain(token)
          expect(text).not.toContain(Buffer.from(`porthole:${token}`).toString('base64'))
        }
      }
    })

    test('passes unread through a tunnel', () => {
      const { result, answers } = run('tunnelled')
      const messages = messagesOf(linesOf(result.out))

      expectWellFormed(messages)
      expect(new Set(messages.map(({ kind }) => kind))).toEqual(
        new Set(['connection-opened', 'tunnel-opened', 'tunnel-closed', 'connection-closed']),
      )
      const closed = only('tunnel-closed', messages)
      const down = closed.reduce((sum, { bytesDown }) => sum + bytesDown, 0)
      const seen = answers.reduce(
        (sum, { name, body }) => sum + (name === 'head' ? 0 : body.bytes),
        0,
      )
      // Bodies that the client unpacked were smaller on the wire.
      expect(down).toBeGreaterThan(seen / 4)
      expect(result.err).toContain('tunnelled unread: api.openai.com')
      expect(result.err).toContain('no model calls seen')
    })
  })
}

/** The lines of a capture as they would be if nothing in it stood in blobs. */
function plainLinesOf(capture: string): string[] {
  const blobs = new BlobStore(Infinity)
  return linesOf(capture).flatMap(
    (line) => decodeSplitLine({ ok: true, bytes: Buffer.from(line) }, blobs)?.raw ?? [],
  )
}
