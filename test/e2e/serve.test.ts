/**
 * A capture that the demo made, served to the official SDKs: what they get is what was recorded,
 * event by event, with no key and no network.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { NotFoundError } from 'openai'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import {
  chatStreamRequest,
  embeddingsRequest,
  messagesStreamRequest,
  missingModelRequest,
  responsesStreamRequest,
} from '../../src/demo/requests.ts'
import { runCli, startCli, waitForReady } from '../support/cli.ts'
import type { Cli } from '../support/cli.ts'

let folder = ''
let capture = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-serve-'))
  capture = join(folder, 'demo.jsonl')
  const { exitCode, err } = await runCli(['demo', '--no-viewer', '--capture', capture])
  expect(exitCode, err).toBe(0)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Served {
  readonly cli: Cli
  readonly openai: OpenAI
  readonly anthropic: Anthropic
}

let served = 0

async function serve(...options: readonly string[]): Promise<Served> {
  served += 1
  const ready = join(folder, `ready-${served}.json`)
  const cli = startCli(['serve', capture, '--speed', 'max', '--ready-file', ready, ...options])
  onTestFinished(() => cli[Symbol.asyncDispose]())
  const { url } = await waitForReady(cli, ready)
  const common = { apiKey: 'none', maxRetries: 0 }
  return {
    cli,
    openai: new OpenAI({ ...common, baseURL: `${url}/v1` }),
    anthropic: new Anthropic({ ...common, authToken: null, baseURL: url }),
  }
}

/** The objects in the events of a recorded stream. */
async function recordedEvents(name: string): Promise<unknown[]> {
  const path = new URL(`../fixtures/provider/${name}.json`, import.meta.url)
  const { response } = JSON.parse(await readFile(path, 'utf8')) as {
    response: { body: { text: string } }
  }
  return response.body.text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as unknown)
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

const askChat = (openai: OpenAI) =>
  openai.chat.completions.create({
    ...chatStreamRequest,
    messages: [...chatStreamRequest.messages],
  })

describe('the official clients get what was recorded', () => {
  test('a chat stream', async () => {
    const { openai } = await serve()

    expect(await all(await askChat(openai))).toEqual(await recordedEvents('openai-chat-stream'))
  })

  test('a stream of messages', async () => {
    const { anthropic } = await serve()

    const stream = await anthropic.messages.create({
      ...messagesStreamRequest,
      messages: [...messagesStreamRequest.messages],
    })

    const recorded = await recordedEvents('anthropic-messages-stream')
    // The SDK keeps pings to itself.
    const isTold = (event: unknown): boolean => (event as { type: string }).type !== 'ping'
    expect(await all(stream)).toEqual(recorded.filter(isTold))
  })

  test('a stream of responses with a tool, for a user with another name', async () => {
    const { openai } = await serve()
    const [tool] = responsesStreamRequest.tools
    const parameters = { ...tool.parameters, required: [...tool.parameters.required] }

    const stream = await openai.responses.create({
      ...responsesStreamRequest,
      tools: [{ ...tool, parameters }],
      metadata: { user: 'somebody else' },
    })

    expect(await all(stream)).toEqual(await recordedEvents('openai-responses-stream-tool'))
  })

  test('embeddings', async () => {
    const { openai } = await serve()

    const { data, model } = await openai.embeddings.create(embeddingsRequest)

    expect(model).toBe('text-embedding-ada-002-v2')
    expect(data).toHaveLength(1)
  })

  test('an error', async () => {
    const { openai } = await serve()

    const failure = await openai.chat.completions
      .create({ ...missingModelRequest, messages: [...missingModelRequest.messages] })
      .then(
        () => undefined,
        (error: unknown) => error,
      )

    expect(failure).toBeInstanceOf(NotFoundError)
    expect(failure).toMatchObject({ code: 'model_not_found' })
  })
})

test('base URLs, hits, misses and the summary are told, and strict fails on a miss', async () => {
  const { cli, openai, anthropic } = await serve('--json', '--strict', '--once')
  await all(await askChat(openai))
  await expect(askChat(openai)).rejects.toThrow('asked more often than it was recorded')
  await expect(
    anthropic.messages.create({
      ...messagesStreamRequest,
      messages: [{ role: 'user', content: 'Something else' }],
    }),
  ).rejects.toThrow('$.messages[0].content')
  cli.kill('SIGINT')
  const { exitCode, out, err } = await cli.ended

  expect(exitCode).toBe(1)
  expect(err).toMatch(/OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1 .*api\.openai\.com/u)
  expect(err).toMatch(/ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:\d+ .*api\.anthropic\.com/u)
  expect(err).toContain('asked "Something else"')
  expect(err).toContain('1 request answered, 2 misses; not asked for: 4 recordings')
  const kinds = out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind)
  expect(kinds).toEqual(['listening', 'hit', 'miss', 'miss'])
})

test('a field that is ignored makes a request the recorded one', async () => {
  const { cli, openai } = await serve('--strict', '--ignore', '$.messages[1].content,$.top_p')

  await all(
    await openai.chat.completions.create({
      ...chatStreamRequest,
      top_p: 0.5,
      messages: [chatStreamRequest.messages[0], { role: 'user', content: 'What is 10 + 6?' }],
    }),
  )
  cli.kill('SIGTERM')

  expect((await cli.ended).exitCode).toBe(0)
})

test.each([
  ['no such file', ['none.jsonl'], 1, 'no such file'],
  ['no JSON path', ['none.jsonl', '--ignore', 'a[?]'], 2, 'not a JSON path'],
  ['no address', ['none.jsonl', '--listen', 'nowhere'], 2, 'cannot listen'],
  ['no speed', ['none.jsonl', '--speed', '3'], 2, '--speed'],
])('%s is told in one line', async (_, args, expected, text) => {
  const { exitCode, err } = await runCli(['serve', ...args], { cwd: folder })

  expect(exitCode).toBe(expected)
  expect(err).toContain(text)
  expect(err.trimEnd().split('\n')).toHaveLength(1)
})
