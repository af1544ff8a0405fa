import { describe, expect, test } from 'vitest'

import { Conversations } from '../../analyzers/conversations.ts'
import { HttpParser } from '../../analyzers/http-parser.ts'
import { ModelCalls } from '../../analyzers/model-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../src/messages/schema.ts'
import type { Step } from '../support/agent-transcripts.ts'
import { claudeCodeDay, linkOf, linksOf, minute } from '../support/agent-transcripts.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import { exchangeMessages, ofKind, runAnalyzers } from '../support/run-analyzers.ts'

analyzerConformance('Conversations', () => new Conversations(), {
  before: () => [new HttpParser(), new SseMerger(), new ModelCalls()],
  remembers: true,
})

describe('a day with Claude Code', () => {
  const links = linksOf(claudeCodeDay())
  const link = (id: string) => linkOf(links, id)

  test('is one session, by the id in the header', () => {
    const all = [...links.values()]

    expect(all).toHaveLength(12)
    expect(new Set(all.map(({ sessionId }) => sessionId)).size).toBe(1)
    expect(new Set(all.map(({ sessionSource }) => sessionSource))).toEqual(new Set(['header']))
    expect(link('main1').clientSessionId).toBe('3d1c0d0e-5a55-4c3f-9a64-3f1f5b8f7b11')
  })

  test('has a main branch that quota check, title and sub-agents do not break', () => {
    const main = [...links.values()].filter(({ branch }) => branch === 'main')

    expect(link('quota').branch).toBe('side')
    expect(link('title').branch).toBe('unknown')
    expect(
      main.map(({ exchangeId, previousExchangeId, turn }) => [
        exchangeId,
        previousExchangeId,
        turn,
      ]),
    ).toEqual([
      ['main1', undefined, 1],
      ['main2', 'main1', 1],
      ['main3a', 'main2', 1],
      ['main3b', 'main2', 1],
      ['main3', 'main2', 1],
      ['main4', 'main3', 2],
      ['main5', 'main4', 3],
    ])
    expect(new Set(main.map(({ branchId }) => branchId)).size).toBe(1)
  })

  test('names the tool call that each sub-agent serves', () => {
    expect(link('sub1a')).toMatchObject({
      branch: 'sub-agent',
      parentExchangeId: 'main2',
      parentToolCallId: 'toolu_01task1ABCDEFGH',
    })
    expect(link('sub1b')).toMatchObject({
      branchId: link('sub1a').branchId,
      previousExchangeId: 'sub1a',
      sharedMessages: 1,
      changed: ['appended'],
    })
    expect(link('sub2')).toMatchObject({
      branch: 'sub-agent',
      parentToolCallId: 'toolu_01task2ABCDEFGH',
    })
    expect(link('sub2').branchId).not.toBe(link('sub1a').branchId)
  })

  test('pairs tool results with the calls that asked for them', () => {
    expect(link('main2').toolResults).toEqual([
      {
        id: 'toolu_01bashABCDEFGH',
        name: 'Bash',
        calledBy: 'main1',
        waitedMs: 5_400,
        isError: true,
      },
    ])
    expect(link('main3').toolResults).toMatchObject([
      { name: 'Task', calledBy: 'main2', isError: false },
      { name: 'Task', calledBy: 'main2', isError: false },
    ])
    expect(link('main4').toolResults).toEqual([])
  })

  test('groups the retries of a request that met an overloaded service', () => {
    const attempts = ['main3a', 'main3b', 'main3'].map((id) => [link(id).attempt, link(id).retryOf])

    expect(attempts).toEqual([
      [1, undefined],
      [2, 'main3a'],
      [3, 'main3b'],
    ])
  })

  test('explains each verdict on the prompt cache', () => {
    expect(link('main1').cache).toEqual({ verdict: 'miss', reason: 'first-call' })
    expect(link('main2').cache).toEqual({ verdict: 'hit', expectedTokens: 12_000 })
    expect(link('main3a').cache).toEqual({ verdict: 'unknown', reason: 'no-usage' })
    expect(link('main4').cache).toMatchObject({ verdict: 'miss', reason: 'expired' })
    expect(link('main5')).toMatchObject({
      changed: ['message', 'appended'],
      changedMessage: 1,
      cache: { verdict: 'partial', reason: 'message-changed', expectedTokens: 12_800 },
    })
  })

  test('gives the tokens of the shared prefix where the answer before reported them', () => {
    expect(link('main2')).toMatchObject({ sharedMessages: 1, sharedTokens: 12_004 })
    expect(link('main5').sharedTokens).toBeUndefined()
  })
})

const responsesUrl = 'https://api.openai.com/v1/responses'
const responsesUsage = (input: number, cached: number): object => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: input + 20,
})

/** The provider keeps the history; each request names the response that it continues. */
function responsesSteps(): Step[] {
  const base = {
    model: 'gpt-5',
    instructions: 'Be brief.',
    tools: [{ type: 'function', name: 'weather' }],
  }
  const call = {
    type: 'function_call',
    call_id: 'call_weather_0001',
    name: 'weather',
    arguments: '{}',
  }
  const output = { type: 'function_call_output', call_id: 'call_weather_0001', output: 'rain' }
  const said = (text: string): object => ({
    type: 'message',
    role: 'assistant',
    content: [{ type: 'output_text', text }],
  })
  const answer = (id: string, item: object, usage: object): object => ({
    id,
    object: 'response',
    model: 'gpt-5',
    status: 'completed',
    output: [item],
    usage,
  })
  return [
    {
      id: 'r1',
      at: 0,
      url: responsesUrl,
      body: { ...base, input: 'Will it rain?' },
      answer: answer('resp_1', call, responsesUsage(2_000, 0)),
    },
    {
      id: 'r2',
      at: 2_000,
      url: responsesUrl,
      body: { ...base, previous_response_id: 'resp_1', input: [output] },
      answer: answer('resp_2', said('Yes.'), responsesUsage(2_100, 1_920)),
    },
    {
      id: 'r3',
      at: 2 * minute,
      url: responsesUrl,
      body: {
        ...base,
        model: 'gpt-5-mini',
        previous_response_id: 'resp_2',
        input: 'And tomorrow?',
      },
      answer: answer('resp_3', said('No.'), responsesUsage(2_200, 0)),
    },
    {
      id: 'fork',
      at: 3 * minute,
      url: responsesUrl,
      body: { ...base, previous_response_id: 'resp_1', input: [output] },
      answer: answer('resp_4', said('Perhaps.'), responsesUsage(2_100, 1_024)),
    },
    {
      id: 'stranger',
      at: 4 * minute,
      url: responsesUrl,
      body: { ...base, previous_response_id: 'resp_unseen', input: 'Go on.' },
      answer: answer('resp_5', said('On.'), responsesUsage(9_000, 0)),
    },
  ]
}

describe('Responses that continue each other', () => {
  const links = linksOf(responsesSteps())
  const link = (id: string) => linkOf(links, id)

  test('are one session, found by the response that each one names', () => {
    expect(link('r1').sessionSource).toBe('new')
    expect(link('r2')).toMatchObject({
      sessionId: link('r1').sessionId,
      sessionSource: 'previous-response',
      previousExchangeId: 'r1',
      branch: 'main',
      turn: 1,
      sharedMessages: 1,
      sharedTokens: 2_000,
      changed: ['appended'],
      cache: { verdict: 'hit', expectedTokens: 1_920 },
    })
    expect(link('r2').toolResults).toMatchObject([{ name: 'weather', calledBy: 'r1' }])
  })

  test('begin a turn with what the user says, and tell that the model was changed', () => {
    expect(link('r3')).toMatchObject({
      turn: 2,
      previousExchangeId: 'r2',
      sharedMessages: 2,
      changed: ['model', 'appended'],
      cache: { verdict: 'miss', reason: 'model-changed' },
    })
  })

  test('may go back to an earlier response', () => {
    expect(link('fork')).toMatchObject({
      sessionId: link('r1').sessionId,
      previousExchangeId: 'r1',
      sharedMessages: 1,
    })
  })

  test('of which the first was not seen are a session of their own, and nothing is made up', () => {
    const { sessionId, cache, sharedMessages, previousExchangeId } = link('stranger')

    expect(sessionId).not.toBe(link('r1').sessionId)
    expect([sharedMessages, previousExchangeId]).toEqual([undefined, undefined])
    expect(cache).toEqual({ verdict: 'miss', reason: 'unknown' })
  })
})

describe('calls over one WebSocket', () => {
  const ids = { exchangeId: 'ws', connectionId: 'c1' }
  const messages = (at: number, drafts: readonly AnalysisMsgDraft[]): AnalysisMsg[] =>
    drafts.map((draft, index) => ({ v: 1, seq: at + index, at: at + index, ...ids, ...draft }))
  const turn = (at: number, body: object, words: string, response: string): AnalysisMsg[] =>
    messages(at, [
      {
        kind: 'websocket-message',
        direction: 'request',
        opcode: 1,
        text: JSON.stringify({ type: 'response.create', ...body }),
      },
      {
        kind: 'model-called',
        by: 'model-calls',
        provider: 'openai',
        operation: 'responses',
        model: 'gpt-5',
        streaming: true,
        messages: [{ role: 'user', parts: [{ type: 'text', text: words }] }],
        tools: [],
      },
      {
        kind: 'websocket-message',
        direction: 'response',
        opcode: 1,
        text: JSON.stringify({ type: 'response.created', response: { id: response } }),
      },
      {
        kind: 'model-answered',
        by: 'model-calls',
        provider: 'openai',
        operation: 'responses',
        output: [{ type: 'text', text: 'yes' }],
        toolCalls: [],
        durationMs: 1,
        complete: true,
      },
    ])

  test('continue each other by the response that they name', () => {
    const upgrade: AnalysisMsgDraft = {
      kind: 'request-started',
      method: 'GET',
      url: responsesUrl,
      httpVersion: '1.1',
      headers: [['Upgrade', 'websocket']],
      host: 'api.openai.com',
    }
    const out = runAnalyzers(
      [new Conversations()],
      [
        ...messages(1_000, [upgrade]),
        ...turn(2_000, {}, 'hello', 'resp_1'),
        ...turn(60_000, { previous_response_id: 'resp_1' }, 'go on', 'resp_2'),
        ...turn(90_000, { previous_response_id: 'resp_2' }, 'and on', 'resp_3'),
      ],
    )
    const links = ofKind(out, 'call-linked')

    expect(links.map(({ turn, sharedMessages }) => [turn, sharedMessages])).toEqual([
      [1, undefined],
      [2, 1],
      [3, 2],
    ])
    expect(links.map(({ sessionSource }) => sessionSource)).toEqual([
      'new',
      'previous-response',
      'previous-response',
    ])
  })
})

test('embeddings are no conversation', () => {
  const links = linksOf([
    {
      id: 'e',
      at: 0,
      url: 'https://api.openai.com/v1/embeddings',
      body: { model: 'text-embedding-3-small', input: 'a text' },
      answer: { data: [{ embedding: [1, 2] }], usage: { prompt_tokens: 2, total_tokens: 2 } },
    },
  ])

  expect(links.size).toBe(0)
})

test('a request that cannot be read belongs to no conversation, and repeats none', () => {
  const url = 'https://api.openai.com/v1/chat/completions'
  const bodies = ['{"model":"gpt-4o","mess', '{"model":"gpt-4o-mini"', '\u0000']
  const messages = bodies.flatMap((body, at) =>
    exchangeMessages({
      exchangeId: `x${at}`,
      request: { url, body },
      response: { status: 429, body: '{"error":{"message":"slow down"}}' },
    }),
  )
  const chain = [new HttpParser(), new SseMerger(), new ModelCalls(), new Conversations()]
  const out = runAnalyzers(chain, messages)

  expect(ofKind(out, 'model-answered').map(({ status }) => status)).toEqual([429, 429, 429])
  expect(ofKind(out, 'call-linked')).toEqual([])
})
