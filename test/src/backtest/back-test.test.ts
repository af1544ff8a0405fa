import { describe, expect, test } from 'vitest'

import { BackTest } from '../../../src/backtest/back-test.ts'
import type { Tested } from '../../../src/backtest/back-test.ts'
import type { RuleFields } from '../../../src/config/rule-fields.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { chatMessages, ruleSource, tunnelMessages } from '../../support/back-tests.ts'

async function run(
  messages: readonly AnalysisMsg[],
  rules: readonly RuleFields[],
  defaultAction: 'allow' | 'block' = 'allow',
): Promise<Tested[]> {
  const backTest = new BackTest(ruleSource(rules, defaultAction))
  const tested: Tested[] = []
  for (const msg of messages) {
    const one = await backTest.take(msg)
    if (one !== undefined) tested.push(one)
  }
  return [...tested, ...(await backTest.end())]
}

const reasons = (tested: readonly Tested[]): Array<string | undefined> =>
  tested.map(({ refusal }) => refusal?.rule ?? refusal?.reason)

describe('recorded requests', () => {
  test('are held to block and allow rules, by what their bodies name', async () => {
    const messages = chatMessages([{ model: 'gpt-4o' }, { model: 'gpt-5' }])

    expect(reasons(await run(messages, [{ name: 'b', action: 'block', model: 'gpt-4*' }]))).toEqual(
      ['b', undefined],
    )
    const allow: RuleFields = { name: 'a', action: 'allow', host: 'api.openai.com', model: 'gpt-5' }
    expect(reasons(await run(messages, [allow], 'block'))).toEqual(['default-action', undefined])
  })

  test('are held to rates by the clock of the recording', async () => {
    const at = (second: number) => ({ at: second * 1000 })
    const messages = chatMessages([at(0), at(1), at(2), at(61), at(61.5), at(61.6)])
    const rate: RuleFields = { name: 'r', action: 'rate', limit: '2/1m', scope: 'global' }

    expect(reasons(await run(messages, [rate]))).toEqual([
      undefined,
      undefined,
      'r',
      undefined,
      undefined,
      'r',
    ])
  })

  test('are held to budgets by what was recorded of their cost, refused ones not counted', async () => {
    const messages = chatMessages([{}, {}, {}, {}, {}])
    const budget = (mode: 'enforce' | 'observe'): RuleFields => ({
      name: 'b',
      action: 'budget',
      amount: '2200tokens',
      per: 'total',
      mode,
    })

    expect(reasons(await run(messages, [budget('enforce')]))).toEqual([
      undefined,
      undefined,
      'b',
      'b',
      'b',
    ])
    const observed = await run(messages, [budget('observe')])
    expect(reasons(observed)).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect(observed.map(({ decisions }) => decisions.length)).toEqual([0, 0, 1, 1, 1])
  })

  test('that came at once are held to budgets as live, before any of them was answered', async () => {
    const calls = chatMessages([{}, {}, {}, {}])
    const isAsked = ({ kind }: AnalysisMsg): boolean => kind.startsWith('request-')
    const atOnce = [...calls.filter(isAsked), ...calls.filter((msg) => !isAsked(msg))]
    const budget: RuleFields = { name: 'b', action: 'budget', amount: '5000tokens', per: 'total' }

    // Without a length, each is taken for 2,500 tokens until it is answered.
    expect(reasons(await run(atOnce, [budget]))).toEqual([undefined, undefined, 'b', 'b'])
    expect(reasons(await run(calls, [budget]))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('of which the body is missing are refused where a rule has to read it', async () => {
    const messages = chatMessages([{}]).filter(({ kind }) => kind !== 'request-body')
    const tested = await run(messages, [{ name: 'b', action: 'block', model: 'other' }])

    expect(tested[0]?.refusal).toMatchObject({ status: 408, reason: 'body-incomplete' })
    expect(reasons(await run(messages, [{ name: 'b', action: 'block', path: '/v2' }]))).toEqual([
      undefined,
    ])
  })

  test('that never ended are decided on when the capture ends', async () => {
    const [started] = chatMessages([{}])
    if (started === undefined) throw new Error('no message')

    expect(reasons(await run([started], [], 'block'))).toEqual(['default-action'])
  })
})

test('recorded tunnels are held to the rules of their host', async () => {
  const messages = tunnelMessages(['example.com', 'pypi.org'])
  const tested = await run(messages, [{ name: 'b', action: 'block', host: 'pypi.org' }])

  expect(reasons(tested)).toEqual([undefined, 'b'])
  expect(tested[1]).toMatchObject({ type: 'tunnel', method: 'CONNECT', host: 'pypi.org', path: '' })
})
