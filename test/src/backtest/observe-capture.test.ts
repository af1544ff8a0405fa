import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'

import { BackTest } from '../../../src/backtest/back-test.ts'
import { CaptureObserver } from '../../../src/backtest/observe-capture.ts'
import type { SuggestedRules } from '../../../src/backtest/suggest-rules.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { chatMessages, ruleSource, tunnelMessages } from '../../support/back-tests.ts'
import { bodyBytes, readCorpus, specOf } from '../../support/recorded-exchanges.ts'
import { analyzedMessages, recordedFixtures } from '../../support/records.ts'

async function suggest(messages: readonly AnalysisMsg[]): Promise<SuggestedRules> {
  const observer = new CaptureObserver()
  for (const msg of messages) await observer.take(msg)
  return observer.end()
}

/** What the suggested rules would have refused of the same traffic: nothing, that is the promise. */
async function refusedBy(
  { rules }: SuggestedRules,
  messages: readonly AnalysisMsg[],
): Promise<string[]> {
  const backTest = new BackTest(ruleSource(rules, 'block'))
  const refused: string[] = []
  const look = (tested: Awaited<ReturnType<BackTest['take']>>): void => {
    if (tested?.refusal === undefined) return
    refused.push(`${tested.method} ${tested.host} ${tested.path}: ${tested.refusal.message}`)
  }
  for (const msg of messages) look(await backTest.take(msg))
  for (const tested of await backTest.end()) look(tested)
  return refused
}

describe('the rules that are suggested', () => {
  test('name host, path, method and models, and limits at the peaks', async () => {
    const messages = [
      ...chatMessages([
        { model: 'gpt-4o' },
        { model: 'gpt-5' },
        { url: 'https://api.openai.com/v1/files/file-Ab3dE6gH', method: 'GET' },
        { url: 'https://api.openai.com/v1/files/file-Zz9yX8wV', method: 'DELETE' },
      ]),
      ...tunnelMessages(['pypi.org']),
    ]
    const { rules, notes } = await suggest(messages)

    expect(notes).toEqual([])
    expect(rules).toEqual([
      {
        action: 'allow',
        host: ['api.openai.com'],
        path: '/v1/chat/completions',
        method: ['POST'],
        model: ['gpt-4o', 'gpt-5'],
      },
      {
        action: 'allow',
        host: ['api.openai.com'],
        path: '/v1/files/*',
        method: ['DELETE', 'GET'],
        model: ['gpt-4o'],
      },
      { action: 'allow', host: ['pypi.org'] },
      { action: 'rate', limit: '5/1m', scope: 'global' },
      {
        action: 'budget',
        amount: expect.stringMatching(/^\$\d+\.\d\d$/u),
        per: 'day',
        scope: 'global',
      },
    ])
    expect(await refusedBy({ rules, notes }, messages)).toEqual([])
  })

  test('let a burst pass that came at once, before any cost was known', async () => {
    const calls = chatMessages([{ model: 'gpt-4' }, { model: 'gpt-4' }, { model: 'gpt-4' }, {}])
    const isEarly = ({ kind, exchangeId }: AnalysisMsg): boolean =>
      kind.startsWith('request-') && exchangeId !== 'x3'
    const messages = [...calls.filter(isEarly), ...calls.filter((msg) => !isEarly(msg))]
    const suggested = await suggest(messages)

    expect(suggested.rules.at(-1)).toMatchObject({ action: 'budget' })
    expect(await refusedBy(suggested, messages)).toEqual([])
  })

  test('refuse what was not seen', async () => {
    const suggested = await suggest(chatMessages([{ model: 'gpt-5' }, { model: 'gpt-5' }]))
    const others = [
      ...chatMessages([{ model: 'gpt-4o' }]),
      ...chatMessages([{ model: 'gpt-5', url: 'https://api.openai.com/v1/responses' }]),
      ...tunnelMessages(['example.com']),
    ]

    expect(await refusedBy(suggested, others)).toHaveLength(3)
  })

  test('say what they allow wider than it was seen', async () => {
    const messages = chatMessages([{ url: 'https://api.openai.com/a//b;c' }])
    const suggested = await suggest(messages)

    expect(suggested.notes).toEqual([
      'api.openai.com: some paths cannot be named by a rule, and are allowed by host alone',
    ])
    expect(await refusedBy(suggested, messages)).toEqual([])
  })

  test('are none for what was refused when it was recorded', async () => {
    const refused = { kind: 'request-refused', status: 403, reason: 'rule' } as const
    const calls = chatMessages([{ model: 'gpt-4o' }, { model: 'gpt-5' }])
    const messages = calls.flatMap((msg) =>
      msg.kind === 'request-ended' && msg.exchangeId === 'x1'
        ? [msg, Object.assign({}, msg, refused)]
        : [msg],
    )

    expect((await suggest(messages)).rules[0]).toMatchObject({ model: ['gpt-4o'] })
  })

  test('let every recorded fixture pass', async () => {
    const messages = analyzedMessages(recordedFixtures().map(specOf))

    expect(await refusedBy(await suggest(messages), messages)).toEqual([])
  })

  test('let a corpus pass, where there is one', async () => {
    const corpus = readCorpus().filter(({ request }) => bodyBytes(request.body).length < 100_000)
    const messages = analyzedMessages(corpus.slice(0, 300).map(specOf))

    expect(await refusedBy(await suggest(messages), messages)).toEqual([])
  })
})

const part = fc.oneof(
  fc.constantFrom(
    'v1',
    'chat',
    'completions',
    'files',
    'a;b',
    '..',
    '%2e',
    '*',
    '',
    "it's",
    '$(x)',
  ),
  fc.stringMatching(/^[a-z0-9]{6,9}$/u),
)
const call = fc.record({
  model: fc.oneof(
    fc.constantFrom('gpt-4o', 'gpt-5', 'a,b', '*', '-rf', "'; rm -rf ~", 'ä', ''),
    fc.string({ maxLength: 8 }),
  ),
  at: fc.integer({ min: 0, max: 200_000_000 }),
  host: fc.constantFrom('api.openai.com', 'api.openai.com:8443', 'a.example', '[2001:db8::1]'),
  scheme: fc.constantFrom('https', 'http'),
  path: fc.array(part, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
  method: fc.constantFrom('POST', 'GET', 'DELETE', 'P_T', 'get'),
})

test.prop([fc.array(call, { maxLength: 25 }), fc.array(fc.constantFrom('a.example', 'b.example'))])(
  'whatever was recorded would pass the rules that it suggests',
  async (calls, tunnels) => {
    const specs = calls
      .toSorted((a, b) => a.at - b.at)
      .map(({ model, at, host, scheme, path, method }) => ({
        model,
        at,
        method,
        url: `${scheme}://${host}${path}`,
      }))
    const messages = [...chatMessages(specs), ...tunnelMessages(tunnels)]

    expect(await refusedBy(await suggest(messages), messages)).toEqual([])
  },
)
