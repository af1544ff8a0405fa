/** Budgets over real sockets: what a client is told once one is spent, as its own SDK reads it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Anthropic, { PermissionDeniedError as AnthropicDenied } from '@anthropic-ai/sdk'
import { ApiError, GoogleGenAI } from '@google/genai'
import OpenAI, { PermissionDeniedError as OpenAIDenied } from 'openai'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { forecastCall } from '../../analyzers/providers/forecast.ts'
import { createSystemClock } from '../../src/base/clock.ts'
import { BudgetMeter } from '../../src/ledger/budget-meter.ts'
import { ledgerPathIn } from '../../src/ledger/ledger-path.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import type { Rule } from '../../src/policy/rules/rule.ts'
import { budgetRule } from '../support/charges.ts'
import { startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { bodyBytes, readRecorded } from '../support/recorded-exchanges.ts'
import { startHttpUpstream } from '../support/upstream.ts'

let home = ''
const opened: Array<{ close(): unknown }> = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-budget-'))
})
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
  await rm(home, { recursive: true, force: true })
})

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly url: string
  /** Requests that got to the upstream. */
  readonly arrived: () => number
  /** Lets the upstream answer, where it waits for that. */
  readonly answer: () => void
}

/** A proxy in front of an upstream that always gives the recorded answer. */
async function bench(recording: string, rules: readonly Rule[], waits = false): Promise<Bench> {
  const { response: recorded } = readRecorded(recording)
  let arrived = 0
  let answer = (): void => {}
  const mayAnswer = new Promise<void>((resolve) => {
    answer = resolve
  })
  const respond = (response: ServerResponse): void => {
    const type = recorded.headers.find(([name]) => name.toLowerCase() === 'content-type')
    response.writeHead(200, { 'content-type': type?.[1] ?? 'application/json' })
    response.end(bodyBytes(recorded.body))
  }
  const upstream = await startHttpUpstream((_request, response) => {
    arrived += 1
    if (waits) void mayAnswer.then(() => respond(response))
    else respond(response)
  })
  opened.push(upstream)
  const clock = createSystemClock()
  const book = new Ledger({
    path: ledgerPathIn(home),
    now: () => clock.now(),
    onUnwritable: (error) => expect.unreachable(error.message),
  })
  opened.push(book)
  const budgets = new BudgetMeter({ clock, book, forecast: forecastCall })
  const proxy = await startProxy({
    configure: (builder) => {
      builder.route(`api=http://127.0.0.1:${upstream.port}`)
      const source = { current: () => ruleSet }
      const ruleSet = { rules, defaultAction: () => 'allow' as const }
      builder.rules(source, { budgets })
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.addAnalyzer(new BudgetKeeper(budgets))
    },
  })
  opened.push(proxy)
  const url = `http://127.0.0.1:${proxy.running.port}/api`
  return { proxy, url, arrived: () => arrived, answer }
}

const spentByOne = budgetRule({ unit: 'tokens', amount: 1, per: 'total', scope: 'global' })
const question = [{ role: 'user' as const, content: 'hello' }]

async function drain(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _event of stream) count += 1
  return count
}

type Call = (url: string) => Promise<unknown>
const openaiCall =
  (stream: boolean): Call =>
  async (url) => {
    const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 3 })
    const body = { model: 'gpt-5', messages: question }
    if (!stream) return client.chat.completions.create(body)
    return drain(await client.chat.completions.create({ ...body, stream: true }))
  }
const anthropicCall =
  (stream: boolean): Call =>
  async (url) => {
    const client = new Anthropic({ apiKey: 'none', baseURL: url, maxRetries: 3 })
    const body = { model: 'claude-sonnet-4-5', messages: question, max_tokens: 10 }
    if (!stream) return client.messages.create(body)
    return drain(await client.messages.create({ ...body, stream: true }))
  }
const geminiCall =
  (stream: boolean): Call =>
  async (url) => {
    const client = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url } })
    const body = { model: 'gemini-2.5-flash', contents: 'hello' }
    if (!stream) return client.models.generateContent(body)
    return drain(await client.models.generateContentStream(body))
  }

describe('a spent budget is told to', () => {
  test.each([
    ['OpenAI’s SDK', 'chat-usage-stream', openaiCall, OpenAIDenied],
    ['Anthropic’s SDK', 'messages-tools-stream', anthropicCall, AnthropicDenied],
    ['Google’s SDK', 'gemini-thoughts-stream', geminiCall, ApiError],
  ])('%s in its own errors, streaming or not, and is not asked again', async (...row) => {
    const [, recording, call, error] = row
    const { proxy, url, arrived } = await bench(recording, [spentByOne])
    await call(true)(url)
    await proxy.waitFor('call-linked')
    expect(arrived()).toBe(1)

    for (const [index, stream] of [true, false].entries()) {
      const thrown: unknown = await call(stream)(url).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(thrown).toBeInstanceOf(error)
      expect(thrown).toMatchObject({
        status: 403,
        message: expect.stringMatching(
          /the rule daily: its budget is spent: [\d,]+ tokens of 1 tokens/u,
        ),
      })
      const refused = (): number => proxy.of('request-refused').length
      await expect.poll(refused, { timeout: 15_000 }).toBe(index + 1)
      expect(proxy.of('request-started')).toHaveLength(index + 2)
    }
    expect(arrived()).toBe(1)
    expect(proxy.of('budget-exceeded')).toHaveLength(2)
    expect(proxy.of('budget-exceeded')[0]).toMatchObject({ rule: 'daily', mode: 'enforce' })
  })
})

test('a budget on trial is told of, and refuses nothing', async () => {
  const rule = budgetRule(
    { unit: 'tokens', amount: 1, per: 'run', scope: 'global' },
    { mode: 'observe' },
  )
  const { proxy, url, arrived } = await bench('chat-usage-stream', [rule])
  await openaiCall(true)(url)
  await proxy.waitFor('call-linked')
  await openaiCall(true)(url)

  expect(await proxy.waitFor('budget-exceeded')).toMatchObject({ rule: 'daily', mode: 'observe' })
  expect(arrived()).toBe(2)
  expect(proxy.of('request-refused')).toEqual([])
})

test('a ledger that cannot be read lets nothing pass', async () => {
  await writeFile(ledgerPathIn(home), '', { mode: 0o600 })
  const { proxy, url, arrived } = await bench('chat-usage-stream', [spentByOne])
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: question }),
  })

  expect(answer.status).toBe(503)
  expect(arrived()).toBe(0)
  expect(await proxy.waitFor('request-refused')).toMatchObject({ status: 503 })
})

test('two proxies of one home share what is spent in a day', async () => {
  const rule = budgetRule({ unit: 'tokens', amount: 1, per: 'day', scope: 'global' })
  const one = await bench('chat-usage-stream', [rule])
  const two = await bench('chat-usage-stream', [rule])
  await openaiCall(true)(one.url)
  await one.proxy.waitFor('call-linked')

  await expect
    .poll(() => openaiCall(true)(two.url).catch((error: unknown) => error), { timeout: 15_000 })
    .toBeInstanceOf(OpenAIDenied)
})

/** Asks with a body of some 400 bytes: 600 tokens, as far as anybody can tell before an answer. */
async function ask(url: string): Promise<number> {
  const messages = [{ role: 'user', content: 'x'.repeat(340) }]
  const body = JSON.stringify({ model: 'gpt-5', stream: true, messages })
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body })
  await response.arrayBuffer()
  return response.status
}

test.each(['run', 'day'] as const)(
  'a first burst at once passes a budget for each %s as far as there is room for it',
  async (per) => {
    const rule = budgetRule({ unit: 'tokens', amount: 2000, per, scope: 'global' })
    const { proxy, url, arrived, answer } = await bench('chat-usage-stream', [rule], true)
    const asked = Array.from({ length: 12 }, () => ask(url))
    const refused = (): number => proxy.of('request-refused').length
    await expect.poll(refused, { timeout: 15_000 }).toBe(8)
    await expect.poll(arrived, { timeout: 15_000 }).toBe(4)
    answer()

    expect((await Promise.all(asked)).toSorted((a, b) => a - b)).toEqual([
      ...Array.from({ length: 4 }, () => 200),
      ...Array.from({ length: 8 }, () => 403),
    ])
    // What the first took is far less than what was held for it: there is room again.
    await expect.poll(() => ask(url), { timeout: 15_000 }).toBe(200)
  },
)

test('calls that break off leave a budget as it was', async () => {
  const rule = budgetRule({ unit: 'tokens', amount: 100, per: 'day', scope: 'global' })
  const { proxy, url, answer } = await bench('chat-usage-stream', [rule], true)
  const aborted = new AbortController()
  const post = { method: 'POST', body: '{}', signal: aborted.signal }
  const asked = fetch(`${url}/v1/chat/completions`, post).catch((error: unknown) => error)
  await proxy.waitFor('request-ended')
  expect(await ask(url)).toBe(403)
  aborted.abort()
  await asked
  answer()

  await expect.poll(() => ask(url), { timeout: 15_000 }).toBe(200)
})

test('a burst over two proxies of one home passes a budget no further than over one', async () => {
  const rule = budgetRule({ unit: 'tokens', amount: 1000, per: 'day', scope: 'global' })
  const one = await bench('chat-usage-stream', [rule], true)
  const two = await bench('chat-usage-stream', [rule], true)
  const asked = [ask(one.url), ask(one.url)]
  await expect.poll(one.arrived, { timeout: 15_000 }).toBe(2)

  await expect.poll(() => ask(two.url), { timeout: 15_000 }).toBe(403)
  one.answer()
  expect(await Promise.all(asked)).toEqual([200, 200])
})
