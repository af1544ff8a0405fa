/** Conversations of programs that give no ids: what can be told from the messages alone. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { AnalysisMsg, HeaderPairs, MsgOf } from '../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import type { Step } from '../support/agent-transcripts.ts'
import {
  claudeCodeDay,
  linkOf,
  linksIn,
  linksOf,
  messagesOf,
  minute,
} from '../support/agent-transcripts.ts'
import { ofKind, runAnalyzers } from '../support/run-analyzers.ts'
import type { Said } from '../support/socket-exchange.ts'
import { client, server, socketMessages } from '../support/socket-exchange.ts'

const url = 'https://api.openai.com/v1/chat/completions'
const user = (content: string): object => ({ role: 'user', content })
const said = (content: string): object => ({ role: 'assistant', content })
const system = { role: 'system', content: 'You are a helpful agent.' }
const usage = (prompt: number, cached: number): object => ({
  prompt_tokens: prompt,
  completion_tokens: 10,
  total_tokens: prompt + 10,
  prompt_tokens_details: { cached_tokens: cached },
})
const calls = (id: string | undefined, name: string, args: object): object => ({
  role: 'assistant',
  content: null,
  tool_calls: [
    {
      ...(id === undefined ? {} : { id }),
      type: 'function',
      function: { name, arguments: JSON.stringify(args) },
    },
  ],
})

interface ChatMore {
  readonly usage?: object
  readonly body?: object
  readonly step?: Partial<Step>
}

function chatStep(
  id: string,
  at: number,
  messages: readonly object[],
  message: object,
  more: ChatMore = {},
): Step {
  return {
    id,
    at,
    url,
    body: { model: 'gpt-4o', messages, ...more.body },
    answer: {
      id: `chatcmpl-${id}`,
      model: 'gpt-4o-2024-08-06',
      choices: [{ index: 0, finish_reason: 'stop', message }],
      ...(more.usage === undefined ? {} : { usage: more.usage }),
    },
    ...more.step,
  }
}

const linked = (...steps: readonly Step[]) => {
  const links = linksOf(steps)
  return (id: string) => linkOf(links, id)
}

describe('Chat Completions without any id', () => {
  const first = [system, user('What is the capital of France?')]
  const second = [...first, said('Paris.'), user('And of Italy?')]
  const third = [...second, said('Rome.'), user('And of Spain?')]

  test('are one session where each call begins with all of the one before', () => {
    const link = linked(
      chatStep('a', 0, first, said('Paris.')),
      chatStep('b', 5_000, second, said('Rome.')),
      chatStep('c', 9_000, third, said('Madrid.')),
    )

    expect(link('a')).toMatchObject({ sessionSource: 'new', turn: 1, branch: 'main', changed: [] })
    expect(link('b')).toMatchObject({
      sessionId: link('a').sessionId,
      sessionSource: 'history',
      branchId: link('a').branchId,
      turn: 2,
      previousExchangeId: 'a',
      sharedMessages: 1,
      changed: ['appended'],
    })
    expect(link('c')).toMatchObject({ turn: 3, previousExchangeId: 'b', sharedMessages: 3 })
  })

  test('are not one session for asking the same thing, or with the same examples', () => {
    const examples = [...first, said('Paris.')]
    const link = linked(
      chatStep('a', 0, first, said('Paris.')),
      chatStep('again', 1_000, first, said('Paris.')),
      chatStep('b', 2_000, [...examples, user('Is it large?')], said('Yes.'), {
        step: { agent: 'batch' },
      }),
      chatStep('c', 3_000, [...examples, user('Is it old?')], said('Yes.'), {
        step: { agent: 'batch' },
      }),
    )
    const ids = ['a', 'again', 'b', 'c'].map((id) => link(id).sessionId)

    expect(new Set(ids).size).toBe(4)
  })

  test('are one session where an earlier question is asked in another way', () => {
    const edited = [...second.slice(0, -1), user('And of Portugal?')]
    const link = linked(
      chatStep('a', 0, first, said('Paris.')),
      chatStep('b', 5_000, second, said('Rome.')),
      chatStep('edited', 9_000, edited, said('Lisbon.')),
    )

    expect(link('edited')).toMatchObject({
      sessionId: link('a').sessionId,
      sharedMessages: 2,
      changed: ['message', 'appended'],
      changedMessage: 3,
      turn: 3,
    })
  })

  test('with a session id but no tools are a conversation once the history goes on', () => {
    const headers: HeaderPairs = [['x-session-id', 'chat-0001']]
    const link = linked(
      chatStep('a', 0, first, said('Paris.'), { step: { headers } }),
      chatStep('b', 5_000, second, said('Rome.'), { step: { headers } }),
      chatStep('c', 9_000, third, said('Madrid.'), { step: { headers } }),
    )
    const told = ['a', 'b', 'c'].map((id) => [link(id).branch, link(id).turn])

    expect(told).toEqual([
      ['unknown', 1],
      ['main', 2],
      ['main', 3],
    ])
  })

  test('of different programs stay apart', () => {
    const link = linked(
      chatStep('a', 0, first, said('Paris.'), { step: { agent: 'one' } }),
      chatStep('b', 5_000, second, said('Rome.'), { step: { agent: 'two' } }),
    )

    expect(link('b').sessionId).not.toBe(link('a').sessionId)
    expect(link('b').turn).toBe(2)
  })

  test('name a changed system prompt, changed tools and the first changed message', () => {
    const other = { role: 'system', content: 'You are another agent.' }
    const tools = [{ type: 'function', function: { name: 'search' } }]
    const link = linked(
      chatStep('a', 0, first, said('Paris.'), { usage: usage(3_000, 0) }),
      chatStep('b', 1_000, [other, ...second.slice(1)], said('Rome.'), {
        usage: usage(3_100, 0),
      }),
      chatStep('c', 2_000, [other, ...third.slice(1)], said('Madrid.'), {
        usage: usage(3_200, 0),
        body: { tools },
      }),
    )

    expect(link('b')).toMatchObject({
      changed: ['system', 'appended'],
      cache: { verdict: 'miss', reason: 'system-changed', expectedTokens: 2_944 },
    })
    expect(link('c')).toMatchObject({
      changed: ['tools', 'appended'],
      cache: { verdict: 'miss', reason: 'tools-changed' },
    })
  })
})

describe('tool calls', () => {
  const id = 'call_Zq3vV0yQw1'
  const asked = [system, user('Is it raining?')]
  const answered = [
    ...asked,
    calls(id, 'weather', { city: 'Oslo' }),
    { role: 'tool', tool_call_id: id, content: 'rain' },
  ]

  test('tie a call to its session though its history was written anew', () => {
    const link = linked(
      chatStep('a', 0, asked, calls(id, 'weather', { city: 'Oslo' })),
      chatStep('b', 1_000, [system, user('(summary)'), ...answered.slice(2)], said('Yes.')),
    )

    expect(link('b')).toMatchObject({
      sessionId: link('a').sessionId,
      sessionSource: 'tool-call',
      sharedMessages: 0,
      changed: ['message', 'appended'],
      turn: 1,
      toolResults: [{ id, name: 'weather', calledBy: 'a' }],
    })
    expect(link('b').toolResults[0]).not.toHaveProperty('isError')
  })

  test('name the sub-agent that is given one of their texts', () => {
    const prompt = 'Find the weather of Oslo for the whole week.'
    const link = linked(
      chatStep('a', 0, asked, calls(id, 'delegate', { prompt })),
      chatStep('sub', 500, [user(prompt)], said('Rain all week.')),
      chatStep('other', 600, [user('Something else entirely, asked by nobody.')], said('?')),
    )

    expect(link('sub')).toMatchObject({
      sessionId: link('a').sessionId,
      branch: 'sub-agent',
      parentExchangeId: 'a',
      parentToolCallId: id,
    })
    expect(link('other').sessionId).not.toBe(link('a').sessionId)
  })

  test('that repeat the words of the user make no sub-agent of who says them again', () => {
    const question = 'Is it raining in Oslo this afternoon?'
    const link = linked(
      chatStep('a', 0, [user(question)], calls(id, 'search', { query: question })),
      chatStep('b', 500, [user(question)], said('Yes.')),
    )

    expect(link('b')).toMatchObject({ sessionSource: 'new', branch: 'main' })
  })

  test('without ids are answered in their order', () => {
    const both = {
      role: 'assistant',
      content: null,
      tool_calls: ['Oslo', 'Rome'].map((city) => ({
        type: 'function',
        function: { name: 'weather', arguments: JSON.stringify({ city }) },
      })),
    }
    const link = linked(
      chatStep('a', 0, asked, both),
      chatStep(
        'b',
        2_000,
        [...asked, both, { role: 'tool', content: 'rain' }, { role: 'tool', content: 'sun' }],
        said('Yes.'),
      ),
    )

    expect(link('b').toolResults).toEqual([
      { name: 'weather', calledBy: 'a', waitedMs: 1_400 },
      { name: 'weather', calledBy: 'a', waitedMs: 1_400 },
    ])
  })

  test('whose answer was not seen are told without a caller', () => {
    const more = [
      ...answered,
      said('Yes.'),
      user('And in Rome?'),
      calls('call_unseen_01', 'weather', {}),
    ]
    const link = linked(
      chatStep('a', 0, asked, calls(id, 'weather', {})),
      chatStep('b', 1_000, answered, said('Yes.')),
      chatStep(
        'c',
        9_000,
        [...more, { role: 'tool', tool_call_id: 'call_unseen_01', content: 'sun' }],
        said('No.'),
      ),
    )

    expect(link('c').toolResults).toEqual([{ id: 'call_unseen_01', name: 'weather' }])
  })
})

describe('retries', () => {
  const messages = [user('hello there')]
  const limited = { status: 429, answer: { error: { message: 'slow down' } } }

  test('are the same body again after a limit, a fault or a lost exchange', () => {
    const link = linked(
      chatStep('a', 0, messages, said(''), { step: limited }),
      chatStep('b', 1_000, messages, said(''), { step: { isLost: true } }),
      chatStep('c', 2_000, messages, said('hi')),
      chatStep('d', 3_000, messages, said('hi')),
    )
    const told = ['a', 'b', 'c', 'd'].map((id) => [link(id).attempt, link(id).retryOf])

    expect(told).toEqual([
      [1, undefined],
      [2, 'a'],
      [3, 'b'],
      [1, undefined],
    ])
    expect(link('c').sessionId).toBe(link('a').sessionId)
  })

  test.each<[string, readonly object[], object]>([
    ['another option', [system, ...messages], { temperature: 1 }],
    ['another system prompt', [{ role: 'system', content: 'Be brief.' }, ...messages], {}],
    ['another message', [system, user('hello you')], {}],
    ['one message more', [system, ...messages, user('still there?')], {}],
    ['one message less', [system], {}],
    ['other tools', [system, ...messages], { tools: [] }],
  ])('are none with %s', (_what, others, body) => {
    const link = linked(
      chatStep('a', 0, [system, ...messages], said(''), { step: limited }),
      chatStep('b', 1_000, [system, ...messages], said(''), { step: limited }),
      chatStep('c', 2_000, others, said('hi'), { body }),
    )

    expect([link('b').attempt, link('c').attempt]).toEqual([2, 1])
  })

  test('are none after too long, or after a request that was wrong', () => {
    const wrong = { status: 400, answer: { error: { message: 'no' } } }
    const link = linked(
      chatStep('a', 0, messages, said(''), { step: limited }),
      chatStep('b', 11 * minute, messages, said(''), { step: wrong }),
      chatStep('c', 12 * minute, messages, said('hi')),
    )

    expect([link('b').attempt, link('c').attempt]).toEqual([1, 1])
  })

  test('are counted as the SDK counts them, though the first attempt was not seen', () => {
    const link = linked(
      chatStep('a', 0, messages, said('hi'), {
        step: { headers: [['x-stainless-retry-count', '2']] },
      }),
    )

    expect(link('a')).toMatchObject({ attempt: 3 })
    expect(link('a')).not.toHaveProperty('retryOf')
  })
})

describe('whatever happens to the messages', () => {
  const whole = messagesOf(claudeCodeDay())

  test('a link is valid, names only exchanges that came before it, and follows its answer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(whole.length - 1), { maxLength: 30 }),
        fc.boolean(),
        (lost, isMixed) => {
          const left = whole.filter((_, index) => !lost.includes(index))
          const messages = isMixed
            ? left.toSorted((a, b) => ((a.seq * 7 + a.at) % 13) - ((b.seq * 7 + b.at) % 13))
            : left
          const out = runAnalyzers(defaultAnalyzers(), messages)
          for (const msg of ofKind(out, 'call-linked')) expectSound(msg, out)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('the same messages are linked in the same way, also by an analyzer that saw others before', () => {
    const once = [...linksIn(runAnalyzers(defaultAnalyzers(), whole)).values()]
    const others = messagesOf([
      chatStep('z', 0, [user('something else, long before')], said('well'), {
        step: { agent: 'z' },
      }),
    ])
    const after = [...linksIn(runAnalyzers(defaultAnalyzers(), [...others, ...whole])).values()]

    const bare = ({ seq: _seq, ...rest }: AnalysisMsg): object => rest
    expect(after.filter(({ exchangeId }) => exchangeId !== 'z').map(bare)).toEqual(once.map(bare))
  })
})

function expectSound(
  msg: AnalysisMsg & { readonly kind: 'call-linked' },
  out: readonly AnalysisMsg[],
): void {
  expect(analysisMsgSchema.safeParse(msg).error?.issues ?? []).toEqual([])
  const before = out.slice(0, out.indexOf(msg))
  const seen = new Set(ofKind(before, 'model-called').map(({ exchangeId }) => exchangeId))
  const named = [msg.previousExchangeId, msg.parentExchangeId, msg.retryOf]
  for (const id of [...named, ...msg.toolResults.map(({ calledBy }) => calledBy)]) {
    if (id !== undefined) expect(seen).toContain(id)
  }
  expect(before.findLast(({ kind }) => kind === 'model-answered')?.exchangeId).toBe(msg.exchangeId)
  expect(msg.turn).toBeGreaterThan(0)
  expect(msg.changed.includes('message')).toBe(msg.changedMessage !== undefined)
}

describe('a socket of the Live API', () => {
  const url =
    'wss://generativelanguage.googleapis.com/ws/' +
    'google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent'
  const ask = (text: string): Said =>
    client({ clientContent: { turns: [{ role: 'user', parts: [{ text }] }], turnComplete: true } })
  const reply = (text: string): Said =>
    server({
      serverContent: { modelTurn: { parts: [{ text }] }, turnComplete: true },
      usageMetadata: { promptTokenCount: 30, responseTokenCount: 4, totalTokenCount: 34 },
    })
  const call = server({ toolCall: { functionCalls: [{ id: 'f1', name: 'light', args: {} }] } })
  const result = client({ toolResponse: { functionResponses: [{ id: 'f1', name: 'light' }] } })
  const setup = client({ setup: { model: 'models/gemini-2.5-flash' } })
  const linksOn = (exchangeId: string): Array<MsgOf<'call-linked'>> => {
    const said = [setup, ask('hi'), reply('hello'), ask('lights'), call, result, reply('lit')]
    return ofKind(
      runAnalyzers(defaultAnalyzers(), socketMessages({ url, said, exchangeId })),
      'call-linked',
    )
  }

  test('is one conversation, whose turns are those of the user', () => {
    const links = linksOn('x1')

    expect(new Set(links.map(({ sessionId }) => sessionId)).size).toBe(1)
    expect(links.map(({ turn, branch }) => [turn, branch])).toEqual([
      [1, 'main'],
      [2, 'main'],
      [2, 'main'],
    ])
    for (const link of links) {
      expect(link).toMatchObject({ sessionSource: 'conversation' })
      expect(link.clientSessionId).toBeUndefined()
    }
  })

  test('is not that of another socket, whatever is said there', () => {
    expect(linksOn('x1')[0]?.sessionId).not.toBe(linksOn('x2')[0]?.sessionId)
  })
})
